import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createMetrics, type MetricData, type MetricsSource } from "../src/admin/metrics.js";
import { createCommand } from "../src/cli/options/options.js";
import { readOptions } from "../src/cli/options/read-options.js";
import { clusterSettingsOf } from "../src/cli/options/cluster-options.js";
import { workerCount, workersOption } from "../src/cli/options/workers-option.js";
import { eachLine } from "../src/cli/workers/lines.js";
import { MetricsSum } from "../src/cli/workers/metrics-sum.js";
import { Scrape } from "../../../test/admin/support.js";

// The parts of a relay of several processes that need no process. test/workers has the rest.

describe("--workers", () => {
  const parse = (...args: string[]): { workers: number | "auto" } =>
    createCommand("1")
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .parse(args, { from: "user" })
      .opts();

  it("is one process unless it says otherwise", () => {
    expect(workerCount(parse())).toBe(1);
    expect(workerCount(parse("--workers", "7"))).toBe(7);
    expect(parse("--workers", "auto").workers).toBe("auto");
    expect(workerCount({ workers: "auto" })).toBeGreaterThanOrEqual(1);
    expect(workersOption.write("auto")).toBe("auto");
  });

  it.each(["0", "257", "-1", "two", "1.5", ""])("refuses %j", async (value) => {
    const command = createCommand("1").parse([`--workers=${value}`, "--domain", "localhost"], {
      from: "user",
    });
    await expect(readOptions(command)).rejects.toThrow(/Expected/);
  });

  it("needs a system with unix sockets", () => {
    expect(workerCount({ workers: 1 }, "win32")).toBe(1);
    expect(() => workerCount({ workers: 2 }, "win32")).toThrow(/--workers needs unix sockets/);
  });

  it("gives each relay of a cluster a port of its own", () => {
    const args = ["--cluster", "redis://redis.test", "--peer-listen", "0.0.0.0:7000"];
    const command = createCommand("1").parse([...args, "--peer-advertise", "relay.test:65534"], {
      from: "user",
    });
    command.setOptionValue("clusterSecret", "a secret of the cluster, long enough");
    expect(clusterSettingsOf(command, 1)?.links).toMatchObject({
      listen: { host: "0.0.0.0", port: 7_001 },
      advertise: "relay.test:65535",
    });
    expect(() => clusterSettingsOf(command, 2)).toThrow(/--peer-advertise .* leaves no port/);
  });
});

describe("the lines of workers", () => {
  it("stay whole, however they come", async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    const over = eachLine(stream, (line) => lines.push(line));
    const text = Buffer.from("one\ntwö\n\nthree\nnot end");
    for (const byte of text) stream.write(Buffer.from([byte]));
    stream.end("ed");
    await over;
    expect(lines).toEqual(["one\n", "twö\n", "\n", "three\n", "not ended\n"]);
  });

  it("are broken off when they do not end", async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    const over = eachLine(stream, (line) => lines.push(line));
    for (let i = 0; i < 20; i += 1) stream.write("x".repeat(65_536));
    stream.end();
    await over;
    expect(lines.map(({ length }) => length)).toEqual([1_048_577, 262_145]);
  });
});

describe("the metrics of workers", () => {
  const counts = { listening: 2, deaths: 0 };

  async function dataOf(requests: number, expiry: Date, draining = false): Promise<MetricData[]> {
    const metrics = createMetrics("1.2.3");
    const exchange = {
      status: 200,
      outcome: "completed",
      durationMs: 20,
      requestBytes: 1,
      responseBytes: 10,
    };
    for (let i = 0; i < requests; i += 1) metrics.observer.onEnd(exchange as never);
    const source: MetricsSource = {
      ...{ draining, openExchanges: 3, certificateExpiry: expiry, cluster: undefined },
      stale: [{ kind: "tokens", name: "file", problem: "gone", since: 0 }],
      openTraffic: () => ({ requestBytes: 0, responseBytes: 5 }),
      tunnels: () => [],
    };
    const data = await metrics.data(source);
    metrics.close();
    // They come as JSON.
    return JSON.parse(JSON.stringify(data)) as MetricData[];
  }

  it("are put together as each of them says, and counts do not fall when a worker has gone", async () => {
    const sum = new MetricsSum();
    const one = await dataOf(2, new Date(5_000));
    const two = await dataOf(3, new Date(4_000), true);
    const completed = { status: "2xx", outcome: "completed" };
    const first = new Scrape(
      await sum.text(
        new Map([
          [11, one],
          [12, two],
        ]),
        new Set([11, 12]),
        counts,
      ),
    );
    expect(first.value("mcp_tunnel_requests_total", completed)).toBe(5);
    expect(first.value("mcp_tunnel_response_bytes_total")).toBe(60);
    expect(first.value("mcp_tunnel_requests_open")).toBe(6);
    expect(first.value("mcp_tunnel_stale_sources", { kind: "tokens" })).toBe(1);
    expect(first.value("mcp_tunnel_draining")).toBe(1);
    expect(first.value("mcp_tunnel_certificate_expiry_timestamp_seconds")).toBe(4);
    expect(first.value("mcp_tunnel_info", { version: "1.2.3" })).toBe(1);
    expect(first.value("mcp_tunnel_workers")).toBe(2);
    expect(first.value("process_start_time_seconds")).toBeGreaterThan(1_600_000_000);

    // 12 has died, 13 is new, and 11 does not answer this time.
    const three = await dataOf(1, new Date(9_000));
    const deaths = { listening: 2, deaths: 1 };
    for (let again = 0; again < 2; again += 1) {
      const later = new Scrape(await sum.text(new Map([[13, three]]), new Set([11, 13]), deaths));
      expect(later.value("mcp_tunnel_requests_total", completed)).toBe(6);
      expect(later.value("mcp_tunnel_request_duration_seconds")).toBe(6);
      expect(later.value("mcp_tunnel_requests_open")).toBe(6);
      expect(later.value("mcp_tunnel_draining")).toBe(0);
      expect(later.value("mcp_tunnel_worker_deaths_total")).toBe(1);
    }
    sum.close();
  });
});
