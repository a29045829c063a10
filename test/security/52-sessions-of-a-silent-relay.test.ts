import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { PeerLinks } from "../../packages/cluster/src/peers/peer-links.js";
import { closingAfterEach } from "../support/cleanup.js";

/**
 * The attack: a relay takes a client that comes back to the relay that its session's id names, before it asks
 * for a token. While another relay is silent (it is stopped, or a firewall drops what is sent to it), anybody
 * can name it in an id. 64 handshakes at a time waited for it, each for five seconds, and the others behind
 * them for minutes, even when the engine had long said that the relay is dead. Meanwhile they took up the
 * room of all clients that register. When a machine lost its power, its own clients did the same.
 *
 * The defence: a handshake whose turn has not come is given up when the relay has answered none for the time
 * of one, and all of them are when the relay is gone.
 */
const closing = closingAfterEach();

/** A relay that accepts connections and says nothing, and the links of another with it. */
async function setUp(handshakeTimeoutMs: number) {
  const silent = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    arrived();
  });
  let connections = 0;
  let wake = (): void => {};
  const arrived = (): void => {
    connections += 1;
    wake();
  };
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  closing(silent);
  const links = closing(
    new PeerLinks(
      {
        node: "nown",
        secret: "a secret of the test that is long enough",
        listen: { host: "127.0.0.1", port: 0 },
        handshakeTimeoutMs,
      },
      {
        acceptStream: () => ({ onData() {}, onEnd() {}, onReset() {} }),
        answer: () => Promise.resolve(null),
        onSplice: () => "unknown",
        onSpliced() {},
      },
    ),
  );
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  links.setNodes([{ id: "nsilent", address, version: "1.0.0", draining: false }]);
  const comeBack = async (): Promise<unknown> =>
    await links.get("nsilent")?.splice({ session: "nsilent.1", secret: "s", address: "", isAtDomain: true });
  return {
    links,
    comeBack,
    /** Resolves when the silent relay has had so many connections. */
    async connected(count: number): Promise<void> {
      while (connections < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

describe("clients that name a relay that is silent", () => {
  it("wait for two handshakes at most, however many there are", async () => {
    const { comeBack } = await setUp(200);
    const all = await Promise.allSettled(Array.from({ length: 1_000 }, comeBack));
    const reasons = all.map((one) => (one.status === "rejected" ? String(one.reason) : "taken"));
    const late = reasons.filter((reason) => reason.includes("it is silent, and many clients wait for it"));
    expect(late.length).toBeGreaterThanOrEqual(1_000 - 2 * 64);
    expect(reasons.filter((reason) => reason.includes("no handshake within 200 ms"))).toHaveLength(
      1_000 - late.length,
    );
  });

  it("wait no longer when it is gone", async () => {
    const { links, comeBack, connected } = await setUp(600_000);
    const all = Promise.allSettled(Array.from({ length: 200 }, comeBack));
    // One for streams, and 64 for clients.
    await connected(65);
    links.setNodes([]);
    expect((await all).filter(({ status }) => status === "fulfilled")).toEqual([]);
  });
});
