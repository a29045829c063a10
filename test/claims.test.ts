import { createHash } from "node:crypto";
import { createRelay, type RelayOptions, staticAuthenticator } from "mcp-tunnel";
import {
  checkRegistration,
  type ClientEvents,
  startTunnelClient,
  TunnelClient,
  type TunnelClientOptions,
} from "mcp-tunnel-client";
import { describe, expect, it, vi } from "vitest";
import { ByteChecker } from "./support/bytes.js";
import { createAuthority, createFolder } from "./support/certificates.js";
import { closingAfterEach } from "./support/cleanup.js";
import { startOriginalRelay } from "./support/original-relay.js";
import { startUpstream } from "./support/upstream.js";
import { createVisitor } from "./support/visitor.js";

// What a client asks before it takes a name, with relay and clients as they are.

const closing = closingAfterEach();
const tokens = staticAuthenticator([
  { token: "one", subdomains: ["demo"] },
  { token: "two", subdomains: ["demo", "other-*"] },
]);

interface LogLine {
  name?: string;
  message: string;
}

async function startRelay(options: Partial<RelayOptions> = {}) {
  const log: LogLine[] = [];
  const events: string[] = [];
  const take = (fields: object, message: string): void => void log.push({ ...fields, message });
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    logger: { debug: take, info: take, warn: take, error: take },
    observers: [{ onEnd() {}, onTunnelEvent: ({ type }) => events.push(type) }],
    ...options,
  });
  const { port } = await relay.listen();
  closing({ close: () => relay.close(0) });
  const relayUrl = `http://127.0.0.1:${port}`;
  const newClient = (more: Partial<TunnelClientOptions>): TunnelClient =>
    closing(
      new TunnelClient({ fetch: () => new Response("another"), relayUrl, shutdownGraceMs: 0, ...more }),
    );
  return { relay, port, relayUrl, log, events, newClient };
}

const downloadBytes = 20_000_000;

/** Runs `action` so many times, eight at a time. */
async function many(times: number, action: (nth: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < times) await action(next++);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

describe("a tunnel under traffic", () => {
  it("notices nothing of 100 checks, and of 100 clients that want its name if it is free", async () => {
    const { relay, port, relayUrl, log, events, newClient } = await startRelay({
      authenticator: tokens,
      maxResponseBodyBytes: downloadBytes,
    });
    const upstream = closing(await startUpstream());
    const holder = newClient({ fetch: undefined as never, port: upstream.port, token: "one" });
    const noticed: (keyof ClientEvents)[] = [];
    for (const name of ["disconnected", "reconnecting", "evicted", "fault", "closed"] as const) {
      holder.on(name, () => noticed.push(name));
    }
    await holder.start();
    const visitor = closing(createVisitor(port));

    // A download goes on all the time, longer than what fits into the buffers on its way, and other visitors
    // come and go.
    const download = await visitor.visit("demo", `/bytes/${downloadBytes}`);
    const pieces = download.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const checker = new ByteChecker();
    checker.update((await pieces.next()).value as Buffer);
    const status = () => {
      const [row, ...others] = relay.tunnels();
      const { name, url, state, since, address, client, wire, gate, streams } = row ?? {};
      return { row: { name, url, state, since, address, client, wire, gate, streams }, others };
    };
    const before = status();
    expect(before).toMatchObject({ row: { name: "demo", state: "online", streams: 1 }, others: [] });
    const logged = log.length;
    const told = events.length;

    await many(100, async (nth) => {
      const token = nth % 2 === 0 ? "one" : "two";
      const checked = await checkRegistration({ relayUrl, token, subdomain: "demo" });
      expect(checked).toMatchObject({ subdomain: "demo", url: `http://demo.localhost:${port}`, inUse: true });
      const late = newClient({ token, subdomain: "demo", claim: "if_free" });
      await expect(late.start()).rejects.toMatchObject({ code: "taken" });
      if (nth % 10 !== 0) return;
      expect((await visitor.text("demo", "/echo")).status).toBe(200);
      checker.update((await pieces.next()).value as Buffer);
    });

    await vi.waitFor(() => expect(status()).toEqual(before));
    expect(noticed).toEqual([]);
    expect(holder.state).toBe("online");
    const lines = new Set(log.slice(logged).map(({ message }) => message));
    expect(lines).toEqual(new Set(["registration checked", "registration refused"]));
    expect(events.slice(told)).toEqual(new Array(100).fill("refused"));
    for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
      checker.update(piece.value);
    }
    expect(checker.length).toBe(downloadBytes);
    expect(log.filter(({ message }) => message === "tunnel registered")).toHaveLength(1);
  });
});

describe("what a client is told before it takes a name", () => {
  it("follows the tunnel from its start to its end", async () => {
    const { port, relayUrl, newClient } = await startRelay({ authenticator: tokens });
    const check = () => checkRegistration({ relayUrl, token: "two", subdomain: "demo" });
    expect(await check()).toMatchObject({ subdomain: "demo", inUse: false });
    const first = newClient({ token: "one", claim: "if_free" });
    await first.start();
    expect(await check()).toMatchObject({ inUse: true });
    await first.close();
    expect(await check()).toMatchObject({ inUse: false });
    const second = newClient({ token: "two", subdomain: "demo", claim: "if_free" });
    await second.start();
    expect(second.url).toBe(`http://demo.localhost:${port}`);
    // Whoever takes a name takes it from this client as from any other.
    const evicted = new Promise((resolve) => second.on("evicted", resolve));
    await newClient({ token: "one" }).start();
    await evicted;
  });

  it("is what the relay would offer, and how the token was refused", async () => {
    const { relayUrl } = await startRelay({ authenticator: tokens });
    expect(await checkRegistration({ relayUrl, token: "two" })).toMatchObject({
      subdomain: undefined,
      patterns: ["demo", "other-*"],
    });
    await expect(checkRegistration({ relayUrl, token: "three" })).rejects.toMatchObject({
      code: "refused",
      message: "the relay refused the registration: invalid token",
    });
  });
});

describe.each(["0.1", "0.2"] as const)("an original relay %s", (version) => {
  it("is asked nothing, and gives its tunnel to the first that asks for one", async () => {
    const original = closing(await startOriginalRelay({ version }));
    const relayUrl = `http://127.0.0.1:${original.port}`;
    const common = { relayUrl, subdomain: "app", fetch: () => new Response() };
    const unsupported = { code: "unsupported" };
    await expect(checkRegistration({ relayUrl, token: "check" })).rejects.toMatchObject(unsupported);
    await expect(
      startTunnelClient({ ...common, token: "if free", claim: "if_free", waitForRelay: true }),
    ).rejects.toMatchObject(unsupported);
    closing(await startTunnelClient({ ...common, token: "take", shutdownGraceMs: 0 }));
    expect((await original.nextTunnel()).registration).toMatchObject({ token: "take" });
  });
});

describe("a relay with TLS that serves a package of the client", () => {
  const clientPackage = { version: "9.9.9", file: Buffer.from("an archive") };
  const hash = createHash("sha256").update(clientPackage.file).digest("hex").slice(0, 12);

  it("says so to clients that use its own domain", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    closing({ close: () => vi.unstubAllEnvs() });
    const folder = closing(createFolder());
    const { cert, key } = await (await createAuthority()).issue(["localhost", "*.localhost"]);
    const files = [{ cert: folder.write("relay.pem", cert), key: folder.write("relay.key", key) }];
    const { port, newClient } = await startRelay({ clientPackage, tls: { files } });
    const relayUrl = `https://localhost:${port}`;
    const relayClient = { version: "9.9.9", url: `${relayUrl}/client-9.9.9-${hash}.tgz` };
    const client = newClient({ relayUrl, subdomain: "demo" });
    const connected = new Promise<ClientEvents["connected"][0]>((resolve) => client.on("connected", resolve));
    await client.start();
    expect(await connected).toMatchObject({ subdomain: "demo", relayClient });
    expect(await checkRegistration({ relayUrl })).toMatchObject({ relayClient });
    // This name is the tunnel's own, and so is the file at the path.
    const ofTunnel = await checkRegistration({ relayUrl: `https://demo.localhost:${port}` });
    expect(ofTunnel).toMatchObject({ relayClient: undefined });
  });
});
