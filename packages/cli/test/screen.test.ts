import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import type { StreamHandler } from "mcp-tunnel-protocol";
import type { JsonRelaySession } from "mcp-tunnel-protocol/sessions";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startCannedServer, startRawServer } from "../../../test/support/raw-server.js";
import { startTunnelClient } from "../../client/src/client.js";
import type { TunnelClient } from "../../client/src/client.js";
import { HumanRenderer } from "../src/render/human.js";
import type { RequestEvent } from "../../client/src/service/observer.js";
import { startRig, visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";

/**
 * The fault: the client showed the service's status, in green, when the relay had answered 502 in its place.
 */
const closing = closingAfterEach();

/** The lines about a client's events, as a person sees them. */
function linesOf(events: readonly (readonly [string, object])[]): string[] {
  const client = new EventEmitter();
  const lines: string[] = [];
  const add = (line: string) => lines.push(line);
  new HumanRenderer({ out: add, err: add, colors: false }, "http://localhost:3000").follow(
    client as unknown as TunnelClient,
  );
  for (const [name, event] of events) client.emit(name, event);
  return lines;
}

it("an outage is told with each of its reasons once, though attempts fail for two in turn", () => {
  const connected = ["connected", { url: "http://demo.relay.test", resumed: true }] as const;
  const lost = ["disconnected", { cause: new TunnelError("unreachable", "the link was lost") }] as const;
  const failing = ["reset", "no TLS", "reset", "no TLS", "the link was lost"].map(
    (message) => ["reconnecting", { cause: new TunnelError("unreachable", message) }] as const,
  );
  const outage = [lost, ...failing, connected];
  const told = [
    "disconnected: the link was lost; reconnecting",
    "reset; trying again",
    "no TLS; trying again",
    "connected again, nothing lost",
  ];
  expect(linesOf([connected, ...outage, ...outage]).slice(4)).toEqual([...told, ...told]);
});

describe("an answer that the relay refuses", () => {
  it("is the 502 that the visitor got", async () => {
    const service = closing(
      await startRawServer((socket) => {
        socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
      }),
    );
    const rig = closing(startRig({ port: service.port }, 65_536));
    const visitor = visit(rig.relay);
    visitor.onHead = () => visitor.stream.reset("bad_message", "the response head is not valid HTTP");
    await expect.poll(() => rig.events.length).toBe(1);
    expect(rig.events[0]).toMatchObject({ status: 502, error: { code: "bad_message" } });
  });

  it("is it also if it has more fields than travel, and came in one piece", async () => {
    const fields = Array.from({ length: 3_000 }, (_, i) => `x-${i}: 1\r\n`).join("");
    const service = closing(
      await startCannedServer(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`),
    );
    const rig = closing(startRig({ port: service.port }));
    visit(rig.relay);
    await expect.poll(() => rig.events.length).toBe(1);
    expect(rig.events[0]).toMatchObject({ status: 502, error: { code: "bad_message" } });
  });

  it("is it also if only the wire cannot carry it", async () => {
    const cookies = Array.from({ length: 600 }, (_, i) => `Set-Cookie: a${i}=1\r\n`).join("");
    const service = closing(
      await startCannedServer(`HTTP/1.1 200 OK\r\n${cookies}Content-Length: 2\r\n\r\nok`),
    );
    const relay = closing(await new TestRelay().listen());
    relay.v1 = false;
    const client = closing(
      await startTunnelClient({ port: service.port, relayUrl: relay.url, shutdownGraceMs: 0 }),
    );
    const events: RequestEvent[] = [];
    client.on("request", (told) => events.push(told));
    await relay.until(() => relay.session !== undefined);
    const silent: StreamHandler = { onData() {}, onEnd() {}, onReset() {} };
    (relay.session as JsonRelaySession).open({ method: "GET", path: "/", headers: [] }, true, silent);
    await expect.poll(() => events.length).toBe(1);
    expect(events[0]).toMatchObject({ status: 502, error: { code: "bad_message" } });
  });
});
