import { V1RelaySession } from "mcp-tunnel-protocol/sessions";
import type { Refusal } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startCannedServer } from "../../../test/support/raw-server.js";
import { startTunnelClient } from "../src/client.js";
import type { TunnelClient } from "../src/client.js";
import { JsonRenderer } from "../../cli/src/render/json.js";
import { HumanRenderer } from "../../cli/src/render/human.js";
import { refusedEvent } from "../src/refusals.js";
import type { RefusedEvent } from "../src/refusals.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();

function refusal(code: Refusal["code"], limit?: [string, number, "bytes" | "count" | "ms"]): Refusal {
  const [option = "", value = 0, unit = "count" as const] = limit ?? [];
  return {
    code,
    status: 503,
    count: 1,
    method: "GET",
    path: "/",
    limit: limit === undefined ? undefined : { option, value, unit },
  };
}

describe("a refusal in words", () => {
  it.each<[Refusal, string]>([
    [
      refusal("request_too_large", ["max-request-body", 5_242_880, "bytes"]),
      "request body over --max-request-body (5 MiB)",
    ],
    [
      refusal("url_too_long", ["max-url-length", 2_000, "bytes"]),
      "request target over --max-url-length (2000 B)",
    ],
    [
      refusal("headers_too_large", ["max-header-count", 256, "count"]),
      "request head over --max-header-count (256)",
    ],
    [
      refusal("tunnel_reconnecting", ["hold-timeout", 1_500, "ms"]),
      "waited for this client for --hold-timeout (1.5 s)",
    ],
    [
      refusal("tunnel_reconnecting", ["max-held-requests", 256, "count"]),
      "more requests waited for this client than --max-held-requests (256)",
    ],
    [refusal("tunnel_overloaded"), "more at once than what the relay takes"],
    [refusal("tunnel_draining"), "tunnel draining"],
    [refusal("other"), "for a reason that this client does not know"],
  ])("%o", (given, message) => expect(refusedEvent(given).message).toBe(message));
});

/** Lines about refusals as the command writes them. */
function linesOf(events: readonly RefusedEvent[], json = false): string[] {
  const told: ((event: RefusedEvent) => void)[] = [];
  const client = {
    on(name: string, listener: (event: RefusedEvent) => void) {
      if (name === "refused") told.push(listener);
    },
  } as unknown as TunnelClient;
  const lines: string[] = [];
  const output = { out: (line: string) => lines.push(line), err() {}, colors: false };
  const renderer = json ? new JsonRenderer(output) : new HumanRenderer(output, "http://localhost:3000");
  renderer.follow(client);
  for (const event of events) for (const tell of told) tell(event);
  return lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));
}

describe("the screen", () => {
  const upload = {
    ...refusal("request_too_large", ["max-request-body", 5_242_880, "bytes"]),
    status: 413,
    method: "POST",
    path: "/upload",
  };
  const stalled = { ...refusal("visitor_stalled", ["write-timeout", 60_000, "ms"]), status: undefined };
  const nobody = { ...refusal("tunnel_overloaded"), method: "", path: "", count: 42 };
  const events = [upload, stalled, nobody].map(refusedEvent);

  it("has a line for each kind, with the limit and its option", () => {
    expect(linesOf(events)).toEqual([
      "POST /upload 413 relay: request body over --max-request-body (5 MiB)",
      "GET  / - cut by the relay: the visitor took nothing for --write-timeout (60 s)",
      "-    - 503 relay: more at once than what the relay takes (and 41 more)",
    ]);
  });

  it("has nothing that a terminal obeys, though nothing of the kind should get there", () => {
    const hostile = { ...upload, path: "/\u001b[2J", method: "\u202e" };
    expect(linesOf([refusedEvent(hostile)])[0]).toContain("\\u202e /\\u001b[2J 413");
  });

  it("has a record of each with --json", () => {
    expect(linesOf(events, true).map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        event: "refused",
        code: "request_too_large",
        status: 413,
        count: 1,
        method: "POST",
        path: "/upload",
        message: "request body over --max-request-body (5 MiB)",
        limit: { option: "max-request-body", value: 5_242_880, unit: "bytes" },
      },
      expect.objectContaining({ code: "visitor_stalled", status: null }),
      expect.objectContaining({ code: "tunnel_overloaded", count: 42, method: "", path: "" }),
    ]);
  });
});

describe("a client", () => {
  async function start() {
    const service = closing(await startCannedServer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    const relay = closing(await new TestRelay().listen());
    const client = closing(
      await startTunnelClient({ port: service.port, relayUrl: relay.url, shutdownGraceMs: 0 }),
    );
    const events: RefusedEvent[] = [];
    client.on("refused", (event) => events.push(event));
    await relay.until(() => relay.session !== undefined);
    if (!(relay.session instanceof V1RelaySession)) throw new Error("the wire is not version 1");
    return { relay, client, session: relay.session, events };
  }

  it("announces that it takes them, and tells them", async () => {
    const { relay, session, events } = await start();
    expect(relay.registrations[0]).toMatchObject({ protocol: [1], refusals: true });
    session.tellRefused([
      refusal("tunnel_timeout", ["response-timeout", 600_000, "ms"]),
      refusal("url_too_long"),
    ]);
    await expect.poll(() => events.length).toBe(2);
    expect(events[0]).toMatchObject({
      code: "tunnel_timeout",
      message: "no response began within --response-timeout (10 min)",
    });
  });

  it("tells of many refusals in few events, and of the last before the client closes", async () => {
    const { client, session, events } = await start();
    const startedAt = performance.now();
    for (let i = 0; i < 5_000; i++) session.tellRefused([refusal("tunnel_timeout"), refusal("url_too_long")]);
    await session.idle();
    await client.close();
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(events.length).toBeLessThanOrEqual(2 * (seconds + 2));
    expect(events.reduce((all, { count }) => all + count, 0)).toBe(10_000);
  });

  it("hears over a link that was cut in the midst what was on its way", async () => {
    const { relay, client, session, events } = await start();
    session.tellRefused([refusal("tunnel_timeout")]);
    relay.cut();
    await relay.until(() => relay.resumptions === 1);
    await expect.poll(() => events.length).toBe(1);
    await client.close();
    expect(events.length).toBe(1);
  });
});
