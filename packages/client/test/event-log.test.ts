import { once } from "node:events";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Logger } from "mcp-tunnel-protocol";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import { visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();
let relay: TestRelay;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
});

type Line = [level: string, message: string, fields: Record<string, unknown>];

/** A logger that keeps its lines. */
function memoryLogger(): { lines: Line[]; logger: Logger } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push([level, message, { ...fields }]);
    };
  return { lines, logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

const fetch = (): Response => new Response("hello");

describe("the logger of a client", () => {
  it("is told of its whole life", async () => {
    const { lines, logger } = memoryLogger();
    const client = closing(
      await startTunnelClient({ fetch, relayUrl: relay.url, subdomain: "demo", logger }),
    );
    const back = once(client, "connected");
    relay.cut();
    await back;
    await client.close();
    expect(lines.map(([level, message]) => `${level} ${message}`)).toEqual([
      "debug registering",
      "info tunnel connected",
      "warn connection to the relay lost",
      "info another attempt follows",
      "debug registering",
      "info tunnel connected",
      "debug closing",
      "info client closed",
    ]);
    expect(lines[1]?.[2]).toEqual({
      url: "https://demo.relay.test",
      name: "demo",
      wire: "v1",
      resumed: false,
    });
  });

  it("is told of requests, without queries and fields, and without control characters", async () => {
    const { lines, logger } = memoryLogger();
    relay.visitorAddress = true;
    closing(await startTunnelClient({ fetch, relayUrl: relay.url, logger }));
    const headers = ["X-Request-Id", "r\u009b1", "X-Tunnel-Visitor", "192.0.2.7", "Cookie", "secret"];
    await visit(relay.session as never, { path: "/x\u0080?secret", headers }).complete();
    await vi.waitFor(() => expect(lines.at(-1)?.[1]).toBe("request over"));
    const about = { id: 1, requestId: "r\\u009b1", visitor: "192.0.2.7", method: "GET", path: "/x\\u0080" };
    const end = { status: 200, durationMs: expect.any(Number), requestBytes: 0, responseBytes: 5 };
    expect(lines.slice(-2)).toEqual([
      ["debug", "request began", about],
      ["debug", "request over", { ...about, ...end }],
    ]);
    expect(JSON.stringify(lines)).not.toContain("secret");
  });

  it("is told why a client has ended", async () => {
    const { lines, logger } = memoryLogger();
    relay.answer = () => ({ close: 4001, reason: "invalid \u001b[31mtoken" });
    const client = closing(new TunnelClient({ fetch, relayUrl: relay.url, token: "s3cret", logger }));
    await expect(client.start()).rejects.toMatchObject({ code: "refused" });
    const reason = "the relay refused the registration: invalid \\u001b[31mtoken";
    expect(lines.at(-1)).toEqual(["error", "client ended", { code: "refused", reason }]);
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });

  it.each([null, console.log, { info() {} }])("may not be %s", (logger) => {
    expect(() => new TunnelClient({ fetch, relayUrl: relay.url, logger: logger as never })).toThrow(
      expect.objectContaining({ code: "invalid_option", options: ["logger"] }),
    );
  });
});
