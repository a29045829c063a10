import { createServer } from "node:http";
import type { RawHeaders } from "mcp-tunnel-protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { TunnelClient } from "../src/client.js";
import type { TunnelClientOptions } from "../src/options.js";
import { visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

/**
 * The attack: a visitor writes `X-Tunnel-User: owner` into his request, for a service that believes what a
 * gate in front of it says of visitors. An original relay passes the field on, and a relay that was taken
 * over adds it. Services behind CGI read `X_Tunnel_User` as the same name.
 *
 * The defence: the client drops such fields before any gate or service sees the request, whether there is a
 * gate or not.
 */
const forged = [
  ...["X-Tunnel-User", "x-tunnel-user", "X_Tunnel_User", "X-TUNNEL_USER", "x.tunnel.user", "X-Tunnel-Client"],
  ...["X-Tunnel-Scope", "X-Tunnel-Error", "X-Tunnel-", "X_Tunnel_Visitor", "X-Tunnel.Visitor"],
].flatMap((name) => [name, "forged"]);
const kept = ["X-Tunnels", "1", "X-Tun-nel-User", "2", "XX-Tunnel-User", "3"];

const closing = closingAfterEach();
let relay: TestRelay;

beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
});

/** What a service sees of a request. */
async function seen(options: Partial<TunnelClientOptions>, headers: RawHeaders): Promise<string> {
  const client = closing(new TunnelClient({ relayUrl: relay.url, shutdownGraceMs: 0, ...options }));
  await client.start();
  if (relay.session === undefined) throw new Error("no client is registered");
  const sent = ["Host", "demo.relay.test", ...headers];
  return (await visit(relay.session, { path: "/headers", headers: sent }).complete()).text;
}

const forms: [string, () => Promise<Partial<TunnelClientOptions>>][] = [
  ["a port", async () => ({ port: closing(await startUpstream()).port })],
  ["a handler", async () => ({ handler: (req, res) => void res.end(JSON.stringify(req.rawHeaders)) })],
  ["a server", async () => ({ server: createServer((req, res) => res.end(JSON.stringify(req.rawHeaders))) })],
  ["a fetch", async () => ({ fetch: (request) => Response.json([...request.headers]) })],
  [
    "a service of the user's own",
    async () => ({
      service: {
        open: 0,
        accept(stream, head) {
          stream.sendHead({ status: 200, headers: [] });
          stream.write(Buffer.from(JSON.stringify(head.headers)));
          stream.end();
          return { onData() {}, onEnd() {}, onReset() {} };
        },
        close: async () => {},
      },
    }),
  ],
];

describe.each([
  ["v1", true],
  ["json", false],
])("over the wire %s", (_wire, v1) => {
  it.each(forms)("no forged field reaches %s", async (_form, options) => {
    relay.v1 = v1;
    const text = await seen(await options(), [...forged, "X-Tunnel-Visitor", "forged", ...kept]);
    expect(text).not.toContain("forged");
    const names = text.toLowerCase().match(/x+-tun-?nel[\w-]*/g);
    expect(names?.toSorted()).toEqual(["x-tun-nel-user", "x-tunnels", "xx-tunnel-user"]);
  });

  it("the visitor's address stays if the relay has announced it, and nothing else", async () => {
    relay.v1 = v1;
    relay.visitorAddress = true;
    const headers = [...forged, "X-Tunnel-Visitor", "192.0.2.1"];
    const text = await seen({ port: closing(await startUpstream()).port }, headers);
    expect(text).not.toContain("forged");
    expect(text).toContain('"X-Tunnel-Visitor","192.0.2.1"');
  });
});

it("no forged field reaches a service of the user's own in trailers", async () => {
  let trailers: RawHeaders | undefined;
  const client = closing(
    new TunnelClient({
      relayUrl: relay.url,
      shutdownGraceMs: 0,
      service: {
        open: 0,
        accept(stream) {
          const answer = (): void => {
            stream.sendHead({ status: 204, headers: [] }, true);
          };
          return {
            onData: (chunk) => stream.consumed(chunk.length),
            onEnd(received) {
              trailers = received;
              answer();
            },
            onReset() {},
          };
        },
        close: async () => {},
      },
    }),
  );
  await client.start();
  if (relay.session === undefined) throw new Error("no client is registered");
  const visited = visit(relay.session, { method: "POST", body: "open" });
  visited.stream.write(Buffer.from("body"));
  visited.stream.end([...forged, "X-Sum", "1"]);
  await visited.complete();
  expect(trailers).toEqual(["X-Sum", "1"]);
});
