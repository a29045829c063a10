import { connect } from "node:tls";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { ask, Scrape } from "../admin/support.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startClientCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { startCrew, visitOnce } from "./support.js";

// Several processes as one relay: what visitors, clients and the operator have of it.

const opened = closingAfterEach();

describe.skipIf(process.platform === "win32")("a relay with two workers", { timeout: 90_000 }, () => {
  it("serves every visitor, and is one relay to its operator", async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startCrew(["--local-port", "one=0"]));
    for (const name of ["one", "two"]) {
      opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", name]));
    }
    const visits = 20;
    for (let i = 0; i < visits; i++) {
      expect((await visitOnce(relay.port, i % 2 === 0 ? "one" : "two", "/status/201")).status).toBe(201);
    }
    // Each worker has had its part, and each line says which.
    await relay.waitFor("the last line", () => {
      const lines = relay.json.filter(({ msg }) => msg === "request");
      return lines.length === visits ? lines : undefined;
    });
    const by = (worker: number): number =>
      relay.json.filter((line) => line["msg"] === "request" && line["worker"] === worker).length;
    expect([by(1), by(2)]).toEqual([visits / 2, visits / 2]);
    expect(relay.stdout.filter((line) => !line.startsWith("{"))).toEqual([]);
    expect(relay.json.filter(({ msg }) => msg === "listening")).toHaveLength(1);

    const metrics = await Scrape.of(relay);
    const completed = { status: "2xx", outcome: "completed" };
    expect(metrics.value("mcp_tunnel_requests_total", completed)).toBe(visits);
    expect(metrics.value("mcp_tunnel_tunnels", { state: "online" })).toBe(2);
    expect(metrics.value("mcp_tunnel_info")).toBe(1);
    expect(metrics.value("mcp_tunnel_workers")).toBe(2);
    expect(metrics.value("mcp_tunnel_cluster_nodes")).toBe(2);
    expect(metrics.value("mcp_tunnel_draining")).toBe(0);

    const { json = {} } = await ask(`${relay.admin}/api/tunnels`);
    expect(json).toMatchObject({
      relay: {
        workers: [
          { worker: 1, ready: true },
          { worker: 2, ready: true },
        ],
      },
    });
    const rows = json["tunnels"] as { name: string; requests: number }[];
    const requests = Object.fromEntries(rows.map((row) => [row.name, row.requests]));
    expect(requests).toEqual({ one: visits / 2, two: visits / 2 });
    const local = await ask(`${relay.admin}/api/tunnels?scope=local`);
    expect(local.json?.["tunnels"]).toHaveLength(2);
    expect((await ask(`${relay.admin}/readyz`)).json).toEqual({ status: "ready" });

    // The port of one tunnel is shared too.
    const { localPorts } = json["relay"] as { localPorts: { one: number } };
    for (let i = 0; i < 2; i++) {
      const answer = await ask(`http://127.0.0.1:${localPorts.one}/status/202`, {
        headers: { host: `localhost:${localPorts.one}`, connection: "close" },
      });
      expect(answer.status).toBe(202);
    }

    const status = runRelay(["status", "--admin", relay.admin]);
    await status.exited;
    expect(status.stdout[0]).toMatch(/, 2 workers: 2 tunnels$/);
    expect(status.output).toMatch(/one +worker [12] /);
    expect((await ask(`${relay.admin}/api/tunnels/two`, { method: "DELETE" })).status).toBe(200);
    expect((await ask(`${relay.admin}/api/tunnels/two`)).status).toBe(404);
  });

  it("keeps the session of a client that comes back to the other worker", async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startCrew());
    const proxy = opened(await startFaultProxy(relay.port));
    opened(await startClientCommand(upstream.port, proxy.port, ["--subdomain", "demo"]));
    const before = await relay.workerOf("demo");
    const visitor = opened(createVisitor(relay.port));
    const open = visitor.text("demo", "/slow?ms=3000");
    await upstream.nextRequest();
    // Connections go to the worker that waits for one for longest, which may be the client's own again.
    for (let cuts = 1, splices = 0; splices === 0; cuts++) {
      expect(cuts).toBeLessThan(6);
      proxy.cut();
      await relay.waitForJson({ msg: "tunnel resumed" }, cuts);
      splices = (await Scrape.of(relay)).value("mcp_tunnel_cluster_splices", { direction: "in" });
      if (cuts % 2 === 0) await visitOnce(relay.port, "none", "/");
    }
    expect(await open).toMatchObject({ status: 200 });
    expect(await relay.workerOf("demo")).toEqual(before);
    expect((await visitOnce(relay.port, "demo", "/status/203")).status).toBe(203);
  });

  it("resumes TLS sessions whichever worker a visitor reaches, and redirects at one port", async () => {
    const authority = await createAuthority();
    const folder = opened(createFolder());
    const { cert, key } = await authority.issue(["tunnel.test", "*.tunnel.test"]);
    const files = ["--tls-cert", folder.write("cert.pem", cert), "--tls-key", folder.write("key.pem", key)];
    const relay = opened(await startCrew([...files, "--domain", "tunnel.test", "--http-redirect", "0"]));
    const resumed: boolean[] = [];
    let session: Buffer | undefined;
    for (let i = 0; i < 6; i++) {
      const socket = connect({
        ...{ host: "127.0.0.1", port: relay.port, servername: "app.tunnel.test", ca: authority.cert },
        ...(session === undefined ? {} : { session }),
      });
      const ticket = session === undefined ? once(socket, "session") : Promise.resolve([session]);
      await once(socket, "secureConnect");
      resumed.push(socket.isSessionReused());
      [session] = (await ticket) as [Buffer];
      socket.destroy();
      await once(socket, "close");
    }
    expect(resumed).toEqual([false, true, true, true, true, true]);
    const ports = relay.json.filter(({ msg }) => msg === "redirecting to HTTPS").map(({ port }) => port);
    expect(ports).toHaveLength(2);
    expect(new Set(ports).size).toBe(1);
  });

  it("reads tokens again at every worker", async () => {
    const upstream = opened(await startUpstream());
    const folder = opened(createFolder());
    const file = folder.write("tokens.yaml", "tokens: []\n");
    const create = runRelay(["token", "create", "--token-file", file, "--subdomain", "*"]);
    await create.exited;
    const token = create.output.match(/mtt_\S+/)?.[0] ?? "";
    const relay = opened(await startCrew(["--token-file", file]));
    for (let i = 0; i < 4; i++) {
      const args = ["--subdomain", `name${i}`, "--token", token];
      opened(await startClientCommand(upstream.port, relay.port, args));
    }
    const more = runRelay(["token", "create", "--token-file", file, "--subdomain", "*"]);
    await more.exited;
    const second = more.output.match(/mtt_\S+/)?.[0] ?? "";
    const read = (worker: number, nth: number) =>
      relay.waitForJson({ msg: "token file read again", worker, tokens: 2 }, nth);
    await Promise.all([read(1, 1), read(2, 1)]);
    for (let i = 4; i < 8; i++) {
      const args = ["--subdomain", `name${i}`, "--token", second];
      opened(await startClientCommand(upstream.port, relay.port, args));
    }
    // The file is as it was, so it is read only because somebody says so.
    relay.child.kill("SIGHUP");
    await Promise.all([read(1, 2), read(2, 2)]);
  });
});
