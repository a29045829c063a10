import { X509Certificate } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noRedis, redisEngine, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { SealedStore } from "../../packages/cluster/src/store.js";
import { createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, runRelay, startRelayCommand } from "../support/commands.js";
import { type Pebble, startPebble } from "../support/pebble.js";
import { missingProgram } from "../support/requires.js";
import { certificateFor } from "../support/secure.js";
import { writeHook } from "../tls/hooks.js";

// Relays of one cluster have one certificate, which one of them gets.

const opened = closingAfterEach();
const secret = "a secret of the cluster, long enough";
const noAuthority = missingProgram("pebble") || missingProgram("pebble-challtestsrv");

describe.skipIf(noAuthority || noRedis)("relays of a cluster with ACME", { timeout: 60_000 }, () => {
  let folder: Folder;
  let pebble: Pebble;
  let hook: string;

  beforeAll(async () => {
    folder = createFolder();
    pebble = await startPebble(folder);
    hook = writeHook(folder, pebble);
  }, 60_000);

  afterAll(async () => {
    await pebble.close();
    folder.close();
  });

  const argsFor = (redis: RedisServer, program: string): string[] => [
    ...["--domain", "tunnel.test", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"],
    ...["--public-url", "https://{subdomain}.{domain}:{port}"],
    ...["--acme-email", "operator@tunnel.test", "--acme-hook", program, "--acme-dir", pebble.directory],
    ...["--acme-wait", "100ms", "--cluster", redis.url, "--peer-listen", "127.0.0.1:0"],
  ];

  const envOf = (log: string, clusterSecret = secret) => ({
    NODE_EXTRA_CA_CERTS: pebble.caFile,
    HOOK_LOG: join(folder.path, log),
    MCP_TUNNEL_CLUSTER_SECRET: clusterSecret,
  });

  async function start(redis: RedisServer, log: string, program = hook): Promise<RelayCommand> {
    return opened(await startRelayCommand(argsFor(redis, program), envOf(log)));
  }

  /** Where the certificate is kept, as the relays name it. */
  const storedAt = (): string => `acme.${new URL(pebble.directory).host.replace(":", "-")}-dir.tunnel.test`;

  const inUse = (relay: RelayCommand, nth = 1) => relay.waitForJson({ msg: "certificate in use" }, nth);
  const asked = (relays: readonly RelayCommand[]) =>
    relays.flatMap(({ json }) => json.filter(({ msg }) => msg === "asking for a certificate"));
  const fingerprint = async ({ port }: RelayCommand) =>
    (await certificateFor(port, "demo.tunnel.test")).fingerprint256;

  it("order once, and all serve what came, also one that starts later", async () => {
    const redis = opened(await RedisServer.start());
    const relays = await Promise.all([1, 2, 3].map(() => start(redis, "once.log")));
    await Promise.all(relays.map((relay) => inUse(relay)));
    expect(asked(relays)).toHaveLength(1);
    const calls = readFileSync(join(folder.path, "once.log"), "utf8").trim().split("\n").toSorted();
    expect(calls.map((call) => call.split(" ")[0])).toEqual(["clear", "clear", "set", "set"]);
    const [first, ...others] = await Promise.all(relays.map(fingerprint));
    expect(others).toEqual([first, first]);

    const late = await start(redis, "once.log");
    expect(late.json.findIndex(({ msg }) => msg === "certificate in use")).toBeLessThan(
      late.json.findIndex(({ msg }) => msg === "listening"),
    );
    expect(await fingerprint(late)).toBe(first);
    expect(asked([...relays, late])).toHaveLength(1);

    // Whoever reads Redis learns no key.
    const keys = (await redis.command("KEYS", "*text:*")) as string[];
    expect(keys.toSorted()).toEqual(
      [
        `{mcp-tunnel}:text:${storedAt()}`,
        `{mcp-tunnel}:text:${storedAt().replace("tunnel.test", "account")}`,
        "{mcp-tunnel}:text:tls-ticket-keys",
      ].toSorted(),
    );
    for (const key of keys) {
      // oxlint-disable-next-line no-await-in-loop -- three of them
      expect(await redis.command("GET", key)).toMatch(/^1 1\.[\da-f]{16}\.[\w-]+$/);
    }
  });

  it("renew once what is due, and all have the new one within seconds", async () => {
    const redis = opened(await RedisServer.start());
    const { engine } = opened(redisEngine({ url: redis.url }));
    // The certificate is valid since yesterday, for a day and some minutes more.
    const old = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"], { days: 1.01 });
    await new SealedStore(engine, "test", secret).write(storedAt(), old.key + "\n" + old.cert, 0);
    const relays = await Promise.all([1, 2, 3].map(() => start(redis, "due.log")));
    await Promise.all(relays.map((relay) => inUse(relay, 2)));
    expect(asked(relays)).toHaveLength(1);
    const [first, ...others] = await Promise.all(relays.map(fingerprint));
    expect(others).toEqual([first, first]);
    expect(first).not.toBe(new X509Certificate(old.cert).fingerprint256);
  });

  it("ask through one relay as long as it fails, and through another once it is gone", async () => {
    const redis = opened(await RedisServer.start());
    const broken = folder.write("broken.sh", "#!/bin/sh\nexit 3\n");
    chmodSync(broken, 0o755);
    const failing = await start(redis, "gone.log", broken);
    await failing.waitForJson({ msg: "no new certificate" });
    const other = await start(redis, "gone.log");
    await other.waitForJson({ msg: "no certificate yet: HTTPS begins to work when the first one is there" });
    // It has looked whether it is its turn once it has tried to take the lock.
    const lock = `{mcp-tunnel}:lock:${storedAt()}`;
    const holder = await redis.command("GET", lock);
    expect(holder).toBe(failing.json.find(({ msg }) => msg === "cluster joined")?.["node"]);
    expect(asked([other])).toEqual([]);
    await failing.close();
    await inUse(other);
    expect(asked([failing, other])).toHaveLength(2);
  }, 60_000);

  it("say so if one has another secret than the relay that stored the certificate", async () => {
    const redis = opened(await RedisServer.start());
    const relay = await start(redis, "secret.log");
    await inUse(relay);
    const stranger = opened(
      runRelay(argsFor(redis, hook), envOf("secret.log", "another secret of a cluster, long enough")),
    );
    expect((await stranger.exited).code).toBe(1);
    expect(stranger.output).toContain(`the cluster's ${storedAt()} was stored with another --cluster-secret`);
  });
});
