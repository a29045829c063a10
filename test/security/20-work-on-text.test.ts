import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RequestBody } from "../../packages/client/src/service/http/body.js";
import { parseOffer } from "../../packages/protocol/src/registration.js";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type ClientCommand,
  type RelayCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { startCannedServer } from "../support/raw-server.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, rawExchange } from "../support/visitor.js";
import { connectRawClient, type RawPeer } from "./support/raw-peers.js";

/**
 * The attack: text that is cheap to send and takes long to read. The relay looked for the dots at the end of
 * a cookie's `Domain` with a regular expression that began anew at each of them:
 * `Set-Cookie: s=1; Domain=a.....a` with 250,000 dots made a visitor of another tunnel wait for 84 s. Any
 * client can send that; so can a local service behind an ordinary client.
 *
 * The defence: work on a stranger's text takes time in proportion to its length. For regular expressions, a
 * rule of the linter demands it. A text that cannot be valid is dropped unread.
 */
const close = closingAfterEach();

/** No test here asserts a time. If the work were not linear, none of them would end before its time is up. */
const attacks: Record<string, string> = {
  "a run of dots": `s=1; Domain=a${".".repeat(250_000)}a`,
  "a run of spaces": `s=1; Domain=a${" ".repeat(250_000)}a`,
  "a name that is not ASCII": `s=1; Domain=${"\xc3\xa9.".repeat(40_000)}a`,
  semicolons: `s=1${";".repeat(250_000)}`,
  "half attributes": `s=1${"; domain ".repeat(27_000)}`,
  domains: `s=1${";Domain=a".repeat(27_000)}`,
};

let relay: RelayCommand;
let upstream: Upstream;
let good: ClientCommand;
beforeAll(async () => {
  [relay, upstream] = await Promise.all([startRelayCommand(), startUpstream()]);
  good = await startClientCommand(upstream.port, relay.port, ["--subdomain", "good"]);
});
afterAll(async () => {
  await good.close();
  await Promise.all([relay.close(), upstream.close()]);
});

/** Answers each request over the wire that the peer speaks. */
function answerAll(peer: RawPeer, wire: "v1" | "json", cookie: string): void {
  let answered = 0;
  peer.ws.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary && wire === "v1") {
      for (const { stream } of peer.frames.filter(({ type }) => type === 2).slice(answered)) {
        answered += 1;
        peer.answer(stream, "ok", ["Set-Cookie", cookie]);
      }
    } else if (!isBinary) {
      const { id } = JSON.parse(data.toString()) as { id?: string };
      if (id === undefined) return;
      peer.send(JSON.stringify({ id, status: 200, headers: { "Set-Cookie": cookie }, body: null }));
    }
  });
}

const request = "GET / HTTP/1.1\r\nHost: evil.localhost\r\nConnection: close\r\n\r\n";

/** Visits `evil` so many times at once, and `good` before and after the answers. Returns the last answer. */
async function visitBoth(times = 1): Promise<string> {
  const evil = Promise.all(Array.from({ length: times }, () => rawExchange(relay.port, request)));
  const visitor = close(createVisitor(relay.port));
  expect((await visitor.text("good", "/text")).status).toBe(200);
  const answers = await evil;
  expect((await visitor.text("good", "/text")).status).toBe(200);
  return answers.at(-1) as string;
}

describe.each(["v1", "json"] as const)("a client of the wire %s", (wire) => {
  it.each(Object.entries(attacks))("holds nobody up with a cookie of %s", async (_name, cookie) => {
    const evil = close(await connectRawClient(relay.port, "evil", wire === "v1" ? undefined : {}));
    answerAll(evil, wire, cookie);
    expect(await visitBoth()).toContain("200 OK");
  });
});

it("neither does a service behind an ordinary client", async () => {
  const cookie = `s=1; Domain=a${".".repeat(60_000)}a`;
  const service = close(
    await startCannedServer(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: ${cookie}\r\n\r\nok`),
  );
  close(await startClientCommand(service.port, relay.port, ["--subdomain", "evil"]));
  const answer = await visitBoth(30);
  expect(answer).toContain("200 OK");
  // A text that is no host name is no domain either. The cookie stays, for the host that set it.
  expect(answer).toMatch(/^set-cookie: s=1\r$/im);
});

it("a reason of megabytes is not written into the log", async () => {
  const evil = close(await connectRawClient(relay.port, "evil", {}));
  evil.ws.on("message", (data: Buffer) => {
    const { id } = JSON.parse(data.toString()) as { id: string };
    evil.send(JSON.stringify({ kind: "response_error", id, message: "\x80".repeat(6_500_000) }));
  });
  await rawExchange(relay.port, request.replace("/", "/reason"));
  const line = await relay.waitForJson({ msg: "request", path: "/reason" });
  expect(String(line["reason"]).length).toBeLessThan(10_000);
});

it("a visitor's body in pieces of a byte does not keep the client busy with its queue", async () => {
  // The bytes that a client holds for a request that the local service does not read yet: a window of a few
  // megabytes, at worst byte by byte.
  let consumed = 0;
  const stream = { consumed: (bytes: number) => (consumed += bytes) };
  const body = new RequestBody(stream as never);
  const byte = Buffer.from("a");
  const count = 1_000_000;
  for (let i = 0; i < count; i += 1) body.push(byte);
  body.end();
  let taken = 0;
  for await (const chunk of body) taken += chunk.length;
  expect([taken, consumed]).toEqual([count, count]);
});

it("an offer longer than any is not read", async () => {
  const pattern = "a".repeat(256);
  expect(parseOffer(JSON.stringify({ subdomains: new Array(1_024).fill(pattern) }))?.subdomains).toHaveLength(
    1_024,
  );
  expect(parseOffer(JSON.stringify({ subdomains: ["a"], more: pattern.repeat(2_048) }))).toBeUndefined();
});
