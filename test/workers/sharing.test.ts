import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { Scrape } from "../admin/support.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommandOn } from "../support/commands.js";
import { shareSocket } from "../support/shared-socket.js";
import { startUpstream } from "../support/upstream.js";
import { startCrew, visitOnce } from "./support.js";

// What workers have from elsewhere: sockets of a service manager, and a cluster of other machines.

const opened = closingAfterEach();

describe.skipIf(process.platform === "win32")("workers", { timeout: 90_000 }, () => {
  it("listen at the socket that a service manager has opened", async () => {
    const upstream = opened(await startUpstream());
    const socket = opened(shareSocket());
    const relay = opened(await startRelayCommandOn(socket, ["--workers", "2"]));
    expect(relay.port).toBe(socket.port);
    opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    for (let i = 0; i < 4; i++) {
      expect((await visitOnce(relay.port, "demo", "/status/201")).status).toBe(201);
    }
    await relay.waitForJson({ msg: "request", worker: 1 }, 2);
    await relay.waitForJson({ msg: "request", worker: 2 }, 2);
  });

  it.skipIf(noRedis)("are each a relay of a cluster of Redis, with a port of their own", async () => {
    const upstream = opened(await startUpstream());
    const redis = opened(await RedisServer.start());
    const folder = opened(createFolder());
    const secret = join(folder.path, "secret");
    writeFileSync(secret, "a secret of the cluster, long enough\n");
    const args = ["--cluster", redis.url, "--cluster-secret-file", secret, "--peer-listen", "127.0.0.1:0"];
    const [a, b] = [opened(await startCrew(args)), opened(await startCrew(args))];
    for (const relay of [a, b]) {
      await expect
        .poll(async () => (await Scrape.of(relay)).value("mcp_tunnel_cluster_peers"), { timeout: 20_000 })
        .toBe(3);
    }
    opened(await startClientCommand(upstream.port, a.port, ["--subdomain", "demo"]));
    for (const { port } of [a, a, b, b]) {
      expect((await visitOnce(port, "demo", "/status/202")).status).toBe(202);
    }
  });
});
