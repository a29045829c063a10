import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Link } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { createAuthority, createFolder, createSelfSigned } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { PeerLinks } from "../src/peers/peer-links.js";
import type { SpliceHello } from "../src/peers/peers.js";
import { deferred, nodeAt, request, secret, TestRelay, type TestRelayOptions } from "./peers-rig.js";

const closing = closingAfterEach();

/** Relays that know one another. */
async function cluster(
  ...all: [id: string, options?: TestRelayOptions][]
): Promise<[TestRelay, TestRelay, TestRelay]> {
  const relays: TestRelay[] = [];
  for (const [id, options] of all) relays.push(await closing(new TestRelay(id, options)).listen());
  const nodes = relays.map(({ info }) => info);
  for (const { links } of relays) links.setNodes(nodes);
  return relays as [TestRelay, TestRelay, TestRelay];
}

/** The next message of a link. */
function nextMessage(link: Link): Promise<Buffer | string> {
  return new Promise((resolve, reject) => {
    link.handler = {
      onMessage(message) {
        link.handler = undefined;
        resolve(message);
      },
      onClose: (code, reason) => reject(new Error(`closed: ${code} ${reason}`)),
    };
  });
}

function closeOf(link: Link): Promise<number> {
  return new Promise((resolve) => {
    link.handler = { onMessage: () => {}, onClose: resolve };
  });
}

const hello: SpliceHello = {
  session: "b.1",
  secret: "the secret of a session",
  address: "192.0.2.1",
  isAtDomain: true,
};

describe("relays that are linked", () => {
  it("carry streams both ways, and none to themselves", async () => {
    const [a, b, c] = await cluster(["a"], ["b"], ["c"]);
    const body = randomBytes(3_000_000);
    for (const [from, to] of [
      [a, "b"],
      [b, "a"],
      [c, "a"],
      [a, "c"],
    ] as const) {
      const answer = await request(await from.linked(to), body);
      expect(answer.status).toBe(200);
      expect(answer.body.equals(body)).toBe(true);
    }
    expect([...a.links.all()].map(({ node }) => node)).toEqual(["b", "c"]);
    expect(a.links.get("a")).toBeUndefined();
  });

  it("are reached over unix sockets", async () => {
    const folder = closing(createFolder());
    const [a, b] = await cluster(
      ["a", { listen: { path: `${folder.path}/run/a.sock` } }],
      ["b", { listen: { path: `${folder.path}/run/b.sock` } }],
    );
    expect(b.address).toBe(`unix:${folder.path}/run/b.sock`);
    const peer = await a.linked("b");
    expect((await request(peer, Buffer.from("hello"))).body.toString()).toBe("hello");
  });

  it("ask each other, and learn of an answer that fails only that it did", async () => {
    const answer = (about: string, body: unknown, from: string): Promise<unknown> => {
      if (about === "fails") return Promise.reject(new Error("the reason is nobody's business"));
      if (about === "never") return new Promise(() => {});
      return Promise.resolve(about === "nothing" ? undefined : { about, body, from });
    };
    const [a, b] = await cluster(["a"], ["b", { handler: { answer } }]);
    const peer = await a.linked("b");
    const text = "ä".repeat(4_000_000);
    expect(await peer.ask("tunnels", { text }, 20_000)).toEqual({
      about: "tunnels",
      body: { text },
      from: "a",
    });
    expect(await peer.ask("nothing", undefined, 5_000)).toBeNull();
    await expect(peer.ask("never", null, 30)).rejects.toMatchObject({ code: "timeout" });
    await expect(peer.ask("too long", "x".repeat(17_000_000), 5_000)).rejects.toMatchObject({
      code: "invalid_option",
    });
    const failing = peer.ask("fails", null, 5_000);
    await expect(failing).rejects.toMatchObject({ code: "unavailable" });
    await expect(failing).rejects.not.toThrow(/business/);
    expect(b.log.matching(/was not answered.*business/)).toHaveLength(1);
    await b.close();
    await expect(peer.ask("tunnels", null, 5_000)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("refuse an answer that is over 16 MiB", async () => {
    const [a] = await cluster(
      ["a"],
      ["b", { handler: { answer: () => Promise.resolve("x".repeat(17_000_000)) } }],
    );
    const peer = await a.linked("b");
    await expect(peer.ask("tunnels", null, 5_000)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("splice a client to the relay that has its session", async () => {
    const spliced: [Link, SpliceHello][] = [];
    const [a] = await cluster(
      ["a"],
      [
        "b",
        {
          handler: {
            onSplice: ({ session }) =>
              session === "b.1"
                ? "known"
                : session === "b.2"
                  ? "unknown"
                  : { refused: { code: 4002, reason: "r" } },
            onSpliced: (link, said) => {
              spliced.push([link, said]);
              link.send("welcome");
              link.send(Buffer.from([1, 2, 3]));
            },
          },
        },
      ],
    );
    const peer = await a.linked("b");
    expect(await peer.splice({ ...hello, session: "b.2" })).toBe("unknown");
    expect(await peer.splice({ ...hello, session: "b.3" })).toEqual({ refused: { code: 4002, reason: "r" } });
    const link = (await peer.splice(hello)) as Link;
    // The owner of the link comes late, and has lost nothing.
    expect(await nextMessage(link)).toBe("welcome");
    expect(await nextMessage(link)).toEqual(Buffer.from([1, 2, 3]));
    const [[far, said]] = spliced as [[Link, SpliceHello]];
    expect(said).toEqual(hello);
    link.send("from the client");
    expect(await nextMessage(far)).toBe("from the client");
    const closed = [closeOf(link), closeOf(far)];
    a.links.cutSplices();
    expect(await Promise.all(closed)).toEqual([1006, 1006]);
    // The session with the other relay is another link.
    expect((await request(peer, Buffer.from("still there"))).status).toBe(200);
  });

  it("splice a thousand clients that come at once", async () => {
    let known = 0;
    const onSplice = (): "known" => "known";
    const [a, b] = await cluster(["a"], ["b", { handler: { onSplice, onSpliced: () => (known += 1) } }]);
    const peer = await a.linked("b");
    await Promise.all(Array.from({ length: 1_000 }, () => peer.splice(hello)));
    expect(known).toBe(1_000);
    expect(b.log.matching(/refused/)).toEqual([]);
  });

  it("say what to do when a splice cannot be had", async () => {
    const relay = await closing(new TestRelay("a")).listen();
    relay.links.setNodes([nodeAt("b", "127.0.0.1:1")]);
    const peer = relay.links.get("b");
    await expect(peer?.splice(hello)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("cannot reach relay b at 127.0.0.1:1: connect ECONNREFUSED"),
    });
    await expect(peer?.ask("tunnels", null, 100)).rejects.toMatchObject({ code: "unavailable" });
    expect(peer?.session).toBeUndefined();
  });

  it("may be closed twice at once", async () => {
    const [a] = await cluster(["a"], ["b"]);
    await a.linked("b");
    await Promise.all([a.close(), a.close()]);
  });

  it.each(["TCP", "TLS"])("leave nothing open when they are closed (%s)", async (kind) => {
    const pair = await createSelfSigned("relays.example");
    const tls = kind === "TLS" ? { ...pair, ca: pair.cert } : undefined;
    await expectNoLeaks(async () => {
      const relays: TestRelay[] = [];
      for (const id of ["a", "b", "c"]) {
        const handler = { onSplice: (): "known" => "known" };
        relays.push(await new TestRelay(id, { handler, tls }).listen());
      }
      const nodes = [...relays.map(({ info }) => info), nodeAt("gone", "127.0.0.1:1")];
      for (const { links } of relays) links.setNodes(nodes);
      const [a] = relays as [TestRelay, TestRelay, TestRelay];
      const peer = await a.linked("b");
      const stranger = connect(Number(a.address.split(":")[1]), "127.0.0.1");
      await once(stranger, "connect");
      const { promise: reset, resolve } = deferred<string>();
      const { promise: answered, resolve: onAnswer } = deferred<undefined>();
      peer.session?.open({ method: "POST", path: "/", headers: [] }, false, {
        onHead: () => onAnswer(undefined),
        onData: () => {},
        onEnd: () => {},
        onReset: ({ code }) => resolve(code),
      });
      await answered;
      await peer.splice(hello);
      await Promise.all(relays.map((relay) => relay.close()));
      await a.close();
      expect(await reset).toBe("session_lost");
      expect(peer.session).toBeUndefined();
      await expect(peer.splice(hello)).rejects.toMatchObject({ code: "unavailable" });
    });
  });
});

describe("relays that come and go", () => {
  it("are given up when their streams have ended", async () => {
    const [a, b] = await cluster(["a"], ["b"]);
    const peer = await a.linked("b");
    const { session } = peer;
    let body = "";
    const ended = new Promise<void>((resolve, reject) => {
      const stream = session?.open({ method: "POST", path: "/", headers: [] }, false, {
        onHead: () => {
          // The relay is gone for the others, and the stream goes on.
          a.links.setNodes([]);
          expect(a.links.get("b")).toBeUndefined();
          stream?.write(Buffer.from("later"));
          stream?.end();
        },
        onData: (chunk) => {
          body += chunk.toString();
        },
        onEnd: () => resolve(),
        onReset: reject,
      });
    });
    await ended;
    expect(body).toBe("later");
    await b.log.line(/session of a relay is over/);
    expect(a.log.matching(/lost/)).toEqual([]);
  });

  it("are given up at once when they are dead", async () => {
    const [a, b] = await cluster(["a"], ["b"]);
    await a.linked("b");
    await b.close();
    await expectNoLeaks(async () => {
      a.links.setNodes([]);
      await Promise.resolve();
    });
    expect([...a.links.all()]).toEqual([]);
  });

  it("come back at the same address with another id", async () => {
    const [a, b] = await cluster(["a"], ["b"]);
    const old = await a.linked("b");
    const port = Number(b.address.split(":")[1]);
    await b.close();
    const next = await closing(new TestRelay("b2", { listen: { host: "127.0.0.1", port } })).listen();
    // The others do not know of it yet, and must not take it for its predecessor.
    await a.log.line(/no link to another relay.*another relay is at this address now/);
    await next.log.line(/refused.*a call for another relay.*"for":"b"/);
    expect(old.session).toBeUndefined();
    await expect(old.splice(hello)).rejects.toMatchObject({ code: "unavailable" });
    a.links.setNodes([a.info, next.info]);
    expect((await request(await a.linked("b2"), Buffer.from("x"))).body.toString()).toBe("x");
    expect(a.links.get("b")).toBeUndefined();
  });

  it("keep no connection to one whose id is none, as other programs may write", async () => {
    const a = await closing(new TestRelay("a")).listen();
    const server = createServer().listen(0, "127.0.0.1");
    closing(server);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    a.links.setNodes([
      nodeAt("b\r\nX-Tunnel-Peer-To: c", `127.0.0.1:${port}`),
      nodeAt("__proto__", "nowhere"),
    ]);
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {}).resume();
    await once(socket, "close");
    await a.log.line(/no link to another relay.*Invalid character/);
    await a.log.line(/no link to another relay.*'nowhere' is no address of a relay/);
  });

  it("are found again when they move", async () => {
    const [a, b] = await cluster(["a"], ["b"]);
    await a.linked("b");
    await b.close();
    await a.log.line(/no link to another relay/);
    const moved = await closing(new TestRelay("b")).listen();
    a.links.setNodes([moved.info]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
  });
});

describe("links with TLS", () => {
  it("carry streams between relays whose certificates name their addresses", async () => {
    const authority = await createAuthority();
    const tls = { ...(await authority.issue(["127.0.0.1"])), ca: authority.cert };
    const [a] = await cluster(["a", { tls }], ["b", { tls }]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
  });

  it("pin a certificate that has signed itself, whatever it names", async () => {
    const pair = await createSelfSigned("relays.example");
    const tls = { ...pair, ca: pair.cert };
    const [a] = await cluster(["a", { tls }], ["b", { tls }]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
  });

  it("are not made to a relay for whose certificate nobody vouches, or which has another name", async () => {
    const [ours, theirs] = [await createAuthority(), await createAuthority()];
    const named = { ...(await ours.issue(["relay.example"])), ca: ours.cert };
    const strange = { ...(await theirs.issue(["127.0.0.1"])), ca: ours.cert };
    const [a] = await cluster(["a", { tls: named }], ["b", { tls: named }], ["c", { tls: strange }]);
    await a.log.line(/no link to another relay.*relay b at .*does not match certificate's altnames/);
    await a.log.line(/no link to another relay.*relay c at .*is the certificate.*in the file of authorities/);
  });

  it("are not made between relays of which only one has TLS, and both say so", async () => {
    const authority = await createAuthority();
    const tls = { ...(await authority.issue(["127.0.0.1"])), ca: authority.cert };
    const [plain, secure] = await cluster(["a"], ["b", { tls }]);
    await secure.log.line(/no link to another relay.*TLS on its peer port/);
    await plain.log.line(/refused.*TLS, which this relay was not told to use/);
    await plain.log.line(/no link to another relay/);
    await secure.log.line(/refused.*no TLS.*ERR_SSL_HTTP_REQUEST/);
  });
});

describe("the options", () => {
  const handler = new TestRelay("x").links;
  const make = (options: object): PeerLinks =>
    new PeerLinks(
      { node: "a", secret, listen: { host: "127.0.0.1", port: 0 }, ...options },
      handler as never,
    );

  it.each([
    [{ secret: "short" }, /has 5 characters, and needs 32/],
    [{ node: "a.b" }, /no id of a relay/],
    [{ listen: { host: "0.0.0.0", port: 0 } }, /say where other relays reach this one/],
    [{ listen: { host: "::", port: 7_000 } }, /\[::\]:7000 is all addresses/],
    [{ advertise: "nowhere" }, /'nowhere' is no address of a relay/],
    [{ listen: { path: "/tmp/x" }, tls: { cert: "", key: "" } }, /no TLS/],
    [{ tls: { cert: "no", key: "no" } }, /certificates .* cannot be used/],
    [{ liveness: { pingTimeoutMs: -1 } }, /pingTimeoutMs/],
  ])("%j is refused", (options, message) => {
    expect(() => make(options)).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.stringMatching(message) }),
    );
  });

  it("say where others reach the relay", async () => {
    const relay = closing(make({ listen: { host: "0.0.0.0", port: 0 }, advertise: "relay-1.example:7000" }));
    expect(await relay.listen()).toBe("relay-1.example:7000");
  });

  it("name a port that is taken", async () => {
    const first = await closing(new TestRelay("a")).listen();
    const second = closing(
      make({ listen: { host: "127.0.0.1", port: Number(first.address.split(":")[1]) } }),
    );
    await expect(second.listen()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/cannot listen for other relays on .*: another program has it/),
    });
  });
});
