import { connect } from "node:tls";
import { once } from "node:events";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type Authority,
  createAuthority,
  createFolder,
  type Pair,
} from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import { createRelay } from "../src/index.js";
import { SharedRotation } from "../src/tls/shared-rotation.js";
import { TicketKeys } from "../src/tls/ticket-keys.js";
import { FakeCluster } from "./fake-cluster.js";

// Visitors resume their TLS sessions at any relay of a cluster.

const opened = closingAfterEach();
afterEach(() => void vi.useRealTimers());
let authority: Authority;
let pair: Pair;
beforeAll(async () => {
  authority = await createAuthority();
  pair = await authority.issue(["tunnel.test", "*.tunnel.test"]);
});

async function startRelay(cluster: FakeCluster, node: string) {
  const folder = opened(createFolder());
  const files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  const member = cluster.member(node);
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    tls: { files: [files] },
    member,
  });
  const { port } = await relay.listen();
  opened({ close: () => relay.close(0) });
  return port;
}

async function handshake(port: number, session?: Buffer): Promise<{ isResumed: boolean; session: Buffer }> {
  const socket = connect({
    ...{ host: "127.0.0.1", port, servername: "app.tunnel.test", ca: authority.cert },
    ...(session === undefined ? {} : { session }),
  });
  opened({ close: () => socket.destroy() });
  const told = session === undefined ? once(socket, "session") : Promise.resolve([session]);
  const [[given]] = (await Promise.all([told, once(socket, "secureConnect")])) as [[Buffer], unknown];
  return { isResumed: socket.isSessionReused(), session: given };
}

it("a session begun at one relay is resumed at the other", async () => {
  const cluster = new FakeCluster();
  const [a, b] = [await startRelay(cluster, "a"), await startRelay(cluster, "b")];
  const first = await handshake(a);
  expect(first.isResumed).toBe(false);
  expect((await handshake(b, first.session)).isResumed).toBe(true);
  const alone = await startRelay(new FakeCluster(), "alone");
  expect((await handshake(alone, first.session)).isResumed).toBe(false);
});

describe("the keys of tickets", () => {
  /** Relays whose clock the test has. */
  function setUp() {
    vi.useFakeTimers();
    const cluster = new FakeCluster();
    const start = async (node: string) => {
      const [keys, log] = [new TicketKeys(), new LogWatch()];
      const rotation = opened(new SharedRotation(keys, cluster.member(node).store, log.logger));
      await rotation.load();
      rotation.start();
      return { keys, log };
    };
    return { cluster, start };
  }

  it("are those of all relays, and change twice a day for all of them", async () => {
    const { cluster, start } = setUp();
    const [a, b] = [await start("a"), await start("b")];
    const first = a.keys.current;
    expect(b.keys.current).toEqual(first);
    await vi.advanceTimersByTimeAsync(12 * 3_600_000 - 60_000);
    expect([a.keys.current, b.keys.current]).toEqual([first, first]);
    await vi.advanceTimersByTimeAsync(70_000);
    expect(a.keys.current).not.toEqual(first);
    expect(b.keys.current).toEqual(a.keys.current);
    // One of them has drawn them.
    expect(cluster.texts.get("tls-ticket-keys")?.revision).toBe(2);
  });

  it("are drawn by another relay if the one that has the lock is gone", async () => {
    const { cluster, start } = setUp();
    const a = await start("a");
    const first = a.keys.current;
    cluster.locks.set("tls-ticket-keys", "gone");
    await vi.advanceTimersByTimeAsync(13 * 3_600_000);
    expect(a.keys.current).toEqual(first);
    cluster.locks.clear();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(a.keys.current).not.toEqual(first);
  });

  it("are a relay's own as long as it does not know the others', which is told once", async () => {
    const { cluster, start } = setUp();
    cluster.isStoreDown = true;
    const [a, b] = [await start("a"), await start("b")];
    expect(a.keys.current).not.toEqual(b.keys.current);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(a.log.json).toMatchObject([{ msg: expect.stringContaining("keys of TLS tickets cannot be had") }]);
    cluster.isStoreDown = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(a.keys.current).toEqual(b.keys.current);
  });

  it.each([undefined, "no JSON", "null", '{"keys":"AAAA","at":1}', `{"keys":"${"A".repeat(64)}"}`])(
    "that cannot be read are replaced: %s",
    async (text) => {
      const { cluster, start } = setUp();
      cluster.texts.set("tls-ticket-keys", { text, revision: 7 });
      const [a, b] = [await start("a"), await start("b")];
      expect(cluster.texts.get("tls-ticket-keys")?.revision).toBe(8);
      expect(a.keys.current).toEqual(b.keys.current);
    },
  );
});
