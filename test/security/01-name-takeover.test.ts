import { createRelay, staticAuthenticator } from "mcp-tunnel";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { once } from "node:events";
import { fuzzTimeoutMs, runs } from "../../packages/protocol/test/support/fuzz.js";
import { RawPeer } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";

/**
 * The attack: get another client's visitors. The thief registers the name while its owner reconnects, evicts
 * the owner and stays, or has the clean-up of his own dead tunnel take the successor's entry away (the
 * original did that).
 *
 * The defence: a token registers only the names that its patterns grant. Among the clients that may have a
 * name, the newest registration has it. A client that only returns evicts nobody. A tunnel that ends gives
 * back only what is still its own.
 */
let port: number;
let stop: () => Promise<void>;
beforeAll(async () => {
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    holdTimeoutMs: 0,
    resumeTimeoutMs: 200,
    authenticator: staticAuthenticator([
      { token: "owner", subdomains: ["app"] },
      { token: "other", subdomains: ["elsewhere"] },
      { token: "team-1", subdomains: ["shared"] },
      { token: "team-2", subdomains: ["shared"] },
    ]),
  });
  ({ port } = await relay.listen());
  stop = () => relay.close(0);
});
afterAll(() => stop());

/** A client that answers every request with its own label. */
class Labelled {
  readonly peer: RawPeer;
  readonly label: string;

  private constructor(peer: RawPeer, label: string) {
    this.peer = peer;
    this.label = label;
    let answered = 0;
    peer.ws.on("message", () => {
      for (; answered < peer.frames.length; answered++) {
        const { type, stream } = peer.frames[answered] as (typeof peer.frames)[number];
        if (type === 2) peer.answer(stream, label);
      }
    });
  }

  /** Registers. Returns the close code if the relay refuses. */
  static async register(label: string, message: object): Promise<Labelled | number> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { perMessageDeflate: false });
    await once(ws, "open");
    const result = Promise.race([
      once(ws, "message").then(() => "in" as const),
      once(ws, "close").then(([code]) => code as number),
    ]);
    ws.send(JSON.stringify({ protocol: [1], ...message }));
    const outcome = await result;
    return outcome === "in" ? new Labelled(new RawPeer(ws), label) : outcome;
  }
}

/** The label of the client that answers for the name. `undefined` when no client does. */
async function answerer(name: string): Promise<string | undefined> {
  const visitor = new RawVisitor({ port });
  visitor.send(`GET / HTTP/1.1\r\nHost: ${name}.tunnel.test\r\nConnection: close\r\n\r\n`);
  const received = await visitor.all();
  return statuses(received)[0] === 200 ? received.slice(received.indexOf("\r\n\r\n") + 4) : undefined;
}

describe("a token without a right to the name", () => {
  it("does not get it: not from its owner, not while the owner is away, not when nobody has it", async () => {
    const attempt = { token: "other", subdomain: "app" };
    expect(await Labelled.register("thief", attempt)).toMatchObject({ label: "thief" });
    // The thief got a name of its own.
    expect(await answerer("elsewhere")).toBe("thief");
    expect(await answerer("app")).toBeUndefined();
    const owner = (await Labelled.register("owner", { token: "owner" })) as Labelled;
    await Labelled.register("thief", attempt);
    expect(await answerer("app")).toBe("owner");
    owner.peer.ws.terminate();
    await Labelled.register("thief", attempt);
    expect(await answerer("app")).toBeUndefined();
    await Labelled.register("owner again", { token: "owner" });
    expect(await answerer("app")).toBe("owner again");
  });

  it("cannot resume the owner's session without its secret, nor learn which sessions there are", async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`, { perMessageDeflate: false });
    await once(ws, "open");
    ws.send(JSON.stringify({ token: "owner", protocol: [1] }));
    const [data] = (await once(ws, "message")) as [Buffer];
    const { session } = JSON.parse(data.toString()) as { session: { id: string; secret: string } };
    const guess = { session: session.id, secret: "x".repeat(session.secret.length), received: 0 };
    const unknown = { ...guess, session: "00000000-0000-4000-8000-000000000000" };
    for (const resume of [guess, unknown]) {
      // The relay treats it as a new registration, to which this token has no right.
      const result = await Labelled.register("thief", { token: "nobody's", resume });
      expect(result).toBe(4001);
    }
    ws.terminate();
  });
});

describe("two who may both have the name", () => {
  /** Two clients with tokens of their own do these things in turns, without waiting for each other. */
  const action = fc.record({
    who: fc.constantFrom("team-1", "team-2"),
    does: fc.constantFrom("register", "return", "cut", "leave"),
  });

  it(
    "race for it: the last fresh registration has it, one who returns evicts nobody, no clean-up takes it away",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 2, maxLength: 10 }), async (actions) => {
          /**
           * The client that holds the name by the rules. A lost client keeps the name from clients that
           * return.
           */
          let holder: { client: Labelled; who: string } | undefined;
          const all: Labelled[] = [];
          for (const [i, { who, does }] of actions.entries()) {
            if (does === "register" || does === "return") {
              const message = {
                token: who,
                instance: `${who}-${"i".repeat(20)}`,
                returning: does === "return",
              };
              const result = await Labelled.register(`${who} ${i}`, message);
              const isOthers = holder !== undefined && holder.who !== who;
              if (does === "return" && isOthers) {
                expect(result).toBe(4002);
                continue;
              }
              if (typeof result === "number") throw new Error(`refused with ${result}`);
              if (holder !== undefined && isOthers) expect((await holder.client.peer.closed).code).toBe(4002);
              all.push(result);
              holder = { client: result, who };
            } else if (holder?.who === who) {
              const { peer } = holder.client;
              if (does === "leave") {
                peer.ws.close(1000);
                await peer.closed;
                holder = undefined;
              } else {
                peer.ws.terminate();
                // The relay keeps the lost client's session for a while, and the name with it. Then both are
                // gone.
                while (await isHeld());
                holder = undefined;
              }
            }
          }
          expect(await answerer("shared")).toBe(holder?.client.label);
          for (const client of all) client.peer.ws.close(1000);
          await Promise.all(all.map((client) => client.peer.closed));
          expect(await answerer("shared")).toBeUndefined();
        }),
        runs(25),
      );
    },
    fuzzTimeoutMs * 2,
  );

  /** Whether the relay expects the name's client back: its answer to a visitor shows it. */
  async function isHeld(): Promise<boolean> {
    const visitor = new RawVisitor({ port });
    visitor.send("GET / HTTP/1.1\r\nHost: shared.tunnel.test\r\nConnection: close\r\n\r\n");
    return !(await visitor.all()).includes("tunnel_not_found");
  }
});
