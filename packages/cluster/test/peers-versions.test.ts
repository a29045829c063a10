import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Link } from "mcp-tunnel-protocol";
import { V1ClientSession } from "mcp-tunnel-protocol/sessions";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { Proofs } from "../src/peers/proofs.js";
import { echo, nodeAt, request, secret, TestRelay } from "./peers-rig.js";

const closing = closingAfterEach();

/** A relay of another release, written down once more: what it announces, and what it does with a link. */
interface OtherRelay {
  address: string;
  /** The kinds of links that were asked for. */
  kinds: string[];
}

async function otherRelay(
  features: string,
  serve: (link: Link, sign: (json: object) => string) => void,
  version = 1,
): Promise<OtherRelay> {
  const kinds: string[] = [];
  const http = createServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const sockets = new Set<Socket>();
  http.on("connection", (socket: Socket) => sockets.add(socket));
  http.on("upgrade", (req, socket, head) => {
    const said = (name: string): string => req.headers[`x-tunnel-peer-${name}`] as string;
    kinds.push(said("kind"));
    const nonce = "n".repeat(43);
    const proofs = new Proofs(Buffer.from(secret), {
      version,
      kind: said("kind"),
      from: said("from"),
      to: "b",
      offeredVersions: said("versions"),
      dialerFeatures: said("features"),
      acceptorFeatures: features,
      dialerNonce: said("nonce"),
      acceptorNonce: nonce,
      binding: "",
    });
    webSockets.once("headers", (lines: string[]) => {
      lines.push(`X-Tunnel-Peer-Version: ${version}`, `X-Tunnel-Peer-Features: ${features}`);
      lines.push(`X-Tunnel-Peer-Nonce: ${nonce}`, `X-Tunnel-Peer-Proof: ${proofs.of("acceptor")}`);
    });
    webSockets.handleUpgrade(req, socket, head, (ws) => {
      ws.once("message", (message) => {
        const link = new WebSocketLink(ws, socket as Socket, "none");
        expect(proofs.open(String(message), "dialer")).toBeDefined();
        serve(link, (json) => proofs.sign("answer", JSON.stringify(json)));
      });
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  closing({
    close() {
      for (const socket of sockets) socket.destroy();
      http.close();
    },
  });
  return { address: `127.0.0.1:${(http.address() as AddressInfo).port}`, kinds };
}

/** Links `a` to the relay. */
async function linkTo({ address }: OtherRelay): Promise<TestRelay> {
  const a = await closing(new TestRelay("a")).listen();
  a.links.setNodes([nodeAt("b", address)]);
  return a;
}

/** Serves a session as the protocol's least has it. */
function serveSession(link: Link, sign: (json: object) => string, more: object = {}): void {
  link.send(sign({ session: "1", window: 65_536, ...more }));
  new V1ClientSession(echo, { onClose: () => {} }, { receiveWindow: 65_536 }).attach(link, 0);
}

describe("a relay of another release", () => {
  it("gets nothing that it has not announced", async () => {
    const old = await otherRelay("", serveSession);
    const a = await linkTo(old);
    const peer = await a.linked("b");
    expect((await request(peer, Buffer.from("x".repeat(200_000)))).body).toHaveLength(200_000);
    await expect(peer.ask("tunnels", null, 1_000)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("it takes no questions"),
    });
    const hello = { session: "b.1", secret: "s", address: "192.0.2.1", isAtDomain: true };
    await expect(peer.splice(hello)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("it takes no spliced clients"),
    });
    expect(peer.session?.streamCount).toBe(0);
    expect(old.kinds).toEqual(["streams"]);
  });

  it("may announce and answer more than this one knows", async () => {
    const newer = await otherRelay("later, questions, splice", (link, sign) => {
      serveSession(link, sign, { later: { is: "ignored" } });
    });
    const a = await linkTo(newer);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
  });

  it("is no peer if it chooses a version that was not offered", async () => {
    const a = await linkTo(await otherRelay("", serveSession, 2));
    await a.log.line(/no link to another relay.*no relay's peer port is there/);
  });

  it("is no peer if its answer is of no known form", async () => {
    const a = await linkTo(await otherRelay("", (link, sign) => link.send(sign({ session: 1 }))));
    await a.log.line(/no link to another relay.*the answer to the handshake is of no known form/);
  });

  it("is no peer if its answer has no proof", async () => {
    const a = await linkTo(await otherRelay("", (link) => link.send('{"session":"1","window":65536}')));
    await a.log.line(/no link to another relay.*the answer to the handshake has no valid proof/);
  });

  it("is dialled again when it breaks the protocol, or resumes what is not there", async () => {
    let links = 0;
    const broken = await otherRelay("", (link, sign) => {
      links += 1;
      if (links === 1) {
        link.send(sign({ session: "1", window: 65_536 }));
        link.send("a text in a session");
      } else if (links === 2) link.send(sign({ session: "1", window: 65_536, resumed: { received: 7 } }));
      else serveSession(link, sign);
    });
    const a = await linkTo(broken);
    await a.log.line(/the session with another relay is over.*a text message in a version 1 session/);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
    expect(links).toBe(3);
  });
});

describe("a proof", () => {
  it("is the HMAC that PEERS.md describes", () => {
    const proofs = new Proofs(Buffer.from("0123456789abcdef0123456789abcdef"), {
      version: 1,
      kind: "splice",
      from: "node-a",
      to: "node-b",
      offeredVersions: "1, 2",
      dialerFeatures: "questions",
      acceptorFeatures: "questions, splice",
      dialerNonce: "N".repeat(43),
      acceptorNonce: "M".repeat(43),
      binding: "B".repeat(43),
    });
    // Computed with Python's hmac from the lines that section 2 lists.
    const proof = "7-KeZId-f4TO41wUxOxtZU5MxqudqYVXVFVerlR3BUc";
    expect(proofs.of("dialer", '{"a":1}')).toBe(proof);
    expect(proofs.open(`${proof}\n{"a":1}`, "dialer")).toBe('{"a":1}');
    for (const [message, speaker] of [
      [`${proof}\n{"a":2}`, "dialer"],
      [`${proof}\n{"a":1}`, "answer"],
      [`${proof}{"a":1}`, "dialer"],
      [`${proof.replace("7", "8")}\n{"a":1}`, "dialer"],
      ["", "dialer"],
    ] as const) {
      expect(proofs.open(message, speaker)).toBeUndefined();
    }
  });
});
