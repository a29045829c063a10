import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { startOriginalClient } from "../support/original-client.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { type AdminRelay, Scrape, startAdminRelay } from "./support.js";

const closing = closingAfterEach();

const startRelay = async (args: readonly string[] = []): Promise<AdminRelay> =>
  closing(await startAdminRelay(args));

const connect = async (relay: AdminRelay, subdomain: string, token = "t") =>
  closing(await startOriginalClient({ version: "0.2", relayPort: relay.port, token, subdomain }));

describe("the metrics", () => {
  it("count requests by status and end, their bytes and how long they took", async () => {
    const relay = await startRelay(["--max-request-body", "1000"]);
    const upstream = closing(await startUpstream());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    await visitor.text("app", "/echo", { method: "POST", body: "12345" });
    await visitor.text("app", "/status/404");
    await visitor.text("app", "/status/999");
    await visitor.text("nobody", "/");
    await visitor.text("app", "/echo", { method: "POST", body: "x".repeat(1001) });

    const after = await Scrape.of(relay);
    expect(after.value("mcp_tunnel_requests_total", { status: "2xx", outcome: "completed" })).toBe(1);
    expect(after.value("mcp_tunnel_requests_total", { status: "4xx", outcome: "completed" })).toBe(1);
    // RFC 9110 section 15: a recipient takes a status above 599 for one of these.
    expect(after.value("mcp_tunnel_requests_total", { status: "5xx", outcome: "completed" })).toBe(1);
    expect(after.value("mcp_tunnel_requests_total", { status: "5xx", outcome: "refused" })).toBe(1);
    expect(after.value("mcp_tunnel_requests_total", { status: "4xx", outcome: "refused" })).toBe(1);
    expect(after.value("mcp_tunnel_refusals_total", { code: "tunnel_not_found" })).toBe(1);
    expect(after.value("mcp_tunnel_refusals_total", { code: "request_too_large" })).toBe(1);
    expect(after.value("mcp_tunnel_refusals_total", { code: "tunnel_timeout" })).toBe(0);
    expect(after.value("mcp_tunnel_request_bytes_total")).toBeGreaterThanOrEqual(5);
    expect(after.value("mcp_tunnel_response_bytes_total")).toBeGreaterThanOrEqual(5);
    expect(after.value("mcp_tunnel_request_duration_seconds")).toBe(5);
    const { buckets } = after.family("mcp_tunnel_request_duration_seconds").metrics[0] ?? {};
    expect(buckets?.["600"]).toBe("5");
  });

  it("tell what is open: tunnels, requests, streams", async () => {
    const relay = await startRelay();
    const upstream = closing(await startUpstream());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    await connect(relay, "other");
    const visitor = closing(createVisitor(relay.port));
    const stream = await visitor.visit("app", "/sse");
    const open = await Scrape.of(relay);
    expect(open.value("mcp_tunnel_tunnels", { state: "online" })).toBe(2);
    expect(open.value("mcp_tunnel_tunnels", { state: "away" })).toBe(0);
    expect(open.value("mcp_tunnel_requests_open")).toBe(1);
    expect(open.value("mcp_tunnel_streams")).toBe(1);
    expect(open.value("mcp_tunnel_queued_bytes")).toBeGreaterThanOrEqual(0);
    expect(open.value("mcp_tunnel_draining")).toBe(0);
    expect(open.family("mcp_tunnel_info").metrics[0]?.labels?.["version"]).toMatch(/^\d/);
    stream.body.on("error", () => {});
    const aborted = upstream.nextAbort();
    stream.body.destroy();
    await aborted;
    const closed = await Scrape.of(relay);
    expect(closed.value("mcp_tunnel_requests_open")).toBe(0);
    expect(closed.value("mcp_tunnel_requests_total", { status: "2xx", outcome: "cancelled" })).toBe(1);
  });

  it("count bytes while they flow, and once", async () => {
    const relay = await startRelay();
    const upstream = closing(await startUpstream());
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    const visitor = closing(createVisitor(relay.port));
    const received = async (): Promise<number> =>
      (await Scrape.of(relay)).value("mcp_tunnel_response_bytes_total");
    const stream = await visitor.visit("app", "/sse");
    stream.body.on("error", () => {});
    expect(await received()).toBe(0);
    upstream.emit("12345678");
    await once(stream.body, "data");
    expect(await received()).toBe(16);
    expect(await received()).toBe(16);
    const aborted = upstream.nextAbort();
    stream.body.destroy();
    await aborted;
    expect(await received()).toBe(16);

    const headers = { host: "app.localhost", connection: "Upgrade", upgrade: "echo" };
    const upgrade = request({ host: "127.0.0.1", port: relay.port, headers }).end();
    const [, socket] = (await once(upgrade, "upgrade")) as [unknown, Socket];
    closing({ close: () => socket.destroy() });
    socket.write("1234");
    await once(socket, "data");
    const both = await Scrape.of(relay);
    expect(both.value("mcp_tunnel_request_bytes_total")).toBe(4);
    expect(both.value("mcp_tunnel_response_bytes_total")).toBe(16 + 4);
  });

  it("count what happens to tunnels, a lost and a resumed connection among it", async () => {
    const relay = await startRelay(["--static-token", "good:*", "--resume-timeout", "500ms"]);
    const proxy = closing(await startFaultProxy(relay.port));
    const client = closing(
      await startClientCommand(9, proxy.port, ["--subdomain", "app", "--token", "good"]),
    );
    await expect(connect(relay, "app", "bad")).rejects.toThrow("invalid token");

    proxy.cut();
    await relay.waitForJson({ msg: "tunnel resumed" });
    const evictee = await connect(relay, "evictee", "good");
    await connect(relay, "evictee", "good");
    await evictee.closed;
    client.child.kill("SIGKILL");
    await relay.waitForJson({ msg: "tunnel closed", name: "app" });

    const scrape = await Scrape.of(relay);
    const count = (event: string): number => scrape.value("mcp_tunnel_events_total", { event });
    expect(count("registered")).toBe(3);
    expect(count("refused")).toBe(1);
    expect(count("resumed")).toBe(1);
    expect(count("evicted")).toBe(1);
    expect(count("away")).toBe(2);
    expect(count("lost")).toBe(1);
    expect(count("revoked")).toBe(0);
    expect(count("closed")).toBe(2);
  });

  it("have no label that a stranger chooses, however many try", async () => {
    const relay = await startRelay();
    const ours = (scrape: Scrape) =>
      scrape.families.filter(({ name }) => name.startsWith("mcp_tunnel_")).flatMap(({ metrics }) => metrics);
    const before = ours(await Scrape.of(relay));
    const visitor = closing(createVisitor(relay.port));
    for (let i = 0; i < 20; i++) {
      await visitor.text(`name-${i}`, `/path-${i}"} 1\nmcp_tunnel_fake 1`.replaceAll(/[\n ]/g, "%0a"));
    }
    const after = await Scrape.of(relay);
    expect(ours(after)).toHaveLength(before.length);
    expect(JSON.stringify(after.families)).not.toMatch(/name-|path-|fake/);
    expect(after.value("mcp_tunnel_refusals_total", { code: "tunnel_not_found" })).toBe(20);
  });

  it("count the limits that took effect, each of which is documented", async () => {
    const relay = await startRelay(["--max-request-body", "10"]);
    await connect(relay, "app");
    const visitor = closing(createVisitor(relay.port));
    await visitor.text("app", "/", { method: "POST", body: "longer than that" });
    const scrape = await Scrape.of(relay);
    expect(scrape.value("mcp_tunnel_limits_hit_total", { limit: "request_body" })).toBe(1);
    expect(scrape.value("mcp_tunnel_limits_hit_total", { limit: "connections" })).toBe(0);
    const documented = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    for (const { labels } of scrape.family("mcp_tunnel_limits_hit_total").metrics) {
      expect(documented).toContain(`| \`${labels?.["limit"]}\` | \`--`);
    }
  });

  it("come with those of the process and of the event loop, and each of ours is documented", async () => {
    const relay = await startRelay();
    const { families } = await Scrape.of(relay);
    const names = families.map(({ name }) => name);
    for (const name of [
      "nodejs_eventloop_lag_p99_seconds",
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
    ]) {
      expect(names).toContain(name);
    }
    const documented = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    const dashboard = readFileSync(
      new URL("../../examples/grafana/mcp-tunnel.json", import.meta.url),
      "utf8",
    );
    // This relay does not speak TLS, so it has no certificate that expires.
    expect(families.find(({ name }) => name.includes("certificate_expiry"))?.metrics).toEqual([]);
    const ours = names.filter((name) => name.startsWith("mcp_tunnel_"));
    for (const name of ours) expect(documented).toContain(`\`${name}\``);
    // And the other way round: the documents and the dashboard name no metric that does not exist.
    const known = new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
    // test/workers has a relay of several processes.
    for (const name of ["mcp_tunnel_workers", "mcp_tunnel_worker_deaths_total"]) known.add(name);
    const mentioned = (documented + dashboard).match(/\b(?:mcp_tunnel|nodejs|process)_[a-z0-9_]+\b/g) ?? [];
    expect(mentioned.filter((name) => !known.has(name))).toEqual([]);
  });
});
