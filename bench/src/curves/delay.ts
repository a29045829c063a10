import { fileURLToPath } from "node:url";
import { freePort, startChild, type Child } from "../child.js";
import { untilServing, type Endpoint } from "../endpoint.js";
import { Downloads, upload } from "../load/bulk.js";
import { wrk } from "../load/wrk.js";
import { show, table, targetTable } from "../report.js";
import { judgeMode } from "../results.js";
import { median, summarize, type Summary } from "../stats.js";
import { startClient, startRelay } from "../systems/mcp-tunnel.js";
import { fileSizes, sinkPath, smallPath } from "../upstreams/static.js";
import { startUpstream, type Upstream } from "../upstreams/upstreams.js";
import { writePlot } from "./plots.js";

const roundTripsMs = [1, 25, 100, 200];
/** In Mbit/s: a household's line and an office's line. */
const capacities = [100, 1_000];
const rounds = 3;
const uploadBytes = fileSizes["100m"];

interface Point {
  readonly capacity: number;
  readonly roundTripMs: number;
  /** MB/s of the tunnel and of raw TCP. */
  readonly download: readonly [number, number];
  readonly upload: readonly [number, number];
  readonly rate: readonly [number, number];
  /** The tunnel's rates over those of raw TCP. */
  readonly ofRaw: { readonly download: Summary; readonly upload: Summary };
}

/** The cost of a link with a delay between client and relay, against raw TCP over the same link. */
export async function runDelay(folder: string): Promise<void> {
  const upstream = await startUpstream("static", folder);
  const points: Point[] = [];
  for (const capacity of capacities) {
    for (const roundTripMs of roundTripsMs)
      points.push(await measurePoint(upstream, capacity, roundTripMs, folder));
  }
  await upstream.child.stop();
  const pair = ([tunnel, raw]: readonly [number, number]): string[] => [
    show(tunnel),
    show(raw),
    `${Math.round((tunnel / raw) * 100)}%`,
  ];
  const three = (title: string): string[] => [title, "raw", "of raw"];
  console.log(
    `${table(
      [
        "link",
        "round trip",
        ...three("download of 100 MiB, MB/s"),
        ...three("upload of 100 MiB, MB/s"),
        ...three("GET/s, 64 connections"),
      ],
      points.map((p) => [
        `${p.capacity} Mbit/s`,
        `${p.roundTripMs} ms`,
        ...pair(p.download),
        ...pair(p.upload),
        ...pair(p.rate),
      ]),
    )}\n`,
  );
  // The targets are about the longest and fattest of the links.
  const last = points.at(-1);
  if (last !== undefined) console.log(`${targetTable(judgeMode("delay", last.ofRaw))}\n`);
  for (const capacity of capacities) {
    const of = points.filter((p) => p.capacity === capacity);
    writePlot(`delay-${capacity}.svg`, {
      title: `One download of 100 MiB over ${capacity} Mbit/s`,
      x: "round trip between client and relay, ms",
      y: "MB/s",
      series: [
        { name: "mcp-tunnel", points: of.map((p) => [p.roundTripMs, p.download[0]]) },
        { name: "raw TCP", points: of.map((p) => [p.roundTripMs, p.download[1]]) },
      ],
      linearY: true,
    });
  }
}

/** Starts a delay proxy in front of `targetPort`. */
async function startDelay(
  targetPort: number,
  capacity: number,
  roundTripMs: number,
  folder: string,
): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  const main = fileURLToPath(new URL("../delay-proxy-main.js", import.meta.url));
  const args = [main, targetPort, port, roundTripMs / 2, (capacity * 1e6) / 8];
  return { port, child: startChild("delay", process.execPath, args, folder) };
}

async function measurePoint(
  upstream: Upstream,
  capacity: number,
  roundTripMs: number,
  folder: string,
): Promise<Point> {
  // Raw: the load speaks to the upstream over the link. Tunnel: the link lies between client and relay.
  const rawLink = await startDelay(upstream.port, capacity, roundTripMs, folder);
  const relay = await startRelay(folder);
  const tunnelLink = await startDelay(relay.port, capacity, roundTripMs, folder);
  await untilServing({ port: tunnelLink.port, host: "localhost", processes: [tunnelLink.child] }, undefined);
  const client = startClient(tunnelLink.port, upstream.port, folder);
  const raw: Endpoint = { port: rawLink.port, host: "127.0.0.1", processes: [rawLink.child] };
  const tunnel: Endpoint = {
    port: relay.port,
    host: "bench.localhost",
    processes: [relay.child, tunnelLink.child, client],
  };
  try {
    const measured = [];
    for (const endpoint of [tunnel, raw]) {
      await untilServing(endpoint, upstream.ready);
      // Warm code and a measured round trip: a real tunnel is up long before its first large download.
      await wrk(endpoint, { path: smallPath }, 64, 2, folder);
      const downloads = [];
      const uploads = [];
      for (let round = 0; round < rounds; round++) {
        downloads.push(await oneDownload(endpoint));
        uploads.push((await upload(endpoint, sinkPath, uploadBytes, 1, 0)).bytesPerSecond / 1e6);
      }
      const { requestsPerSecond } = await wrk(endpoint, { path: smallPath }, 64, 3, folder);
      measured.push({ downloads, uploads, rate: requestsPerSecond });
    }
    const [ours, bare] = measured as [(typeof measured)[number], (typeof measured)[number]];
    return {
      capacity,
      roundTripMs,
      download: [median(ours.downloads), median(bare.downloads)],
      upload: [median(ours.uploads), median(bare.uploads)],
      rate: [ours.rate, bare.rate],
      ofRaw: {
        download: ratioOfRounds(ours.downloads, bare.downloads),
        upload: ratioOfRounds(ours.uploads, bare.uploads),
      },
    };
  } finally {
    await Promise.all([...raw.processes, ...tunnel.processes].map((child) => child.stop()));
  }
}

/** The rounds are not interleaved here: what limits them is the link, and that does not drift. */
function ratioOfRounds(ours: readonly number[], raw: readonly number[]): Summary {
  return summarize(ours.map((rate, i) => rate / (raw[i] as number)));
}

/** MB/s of a single download of 100 MiB, its request included. */
async function oneDownload(endpoint: Endpoint): Promise<number> {
  const startedAt = performance.now();
  const download = new Downloads(endpoint, "/file/100m", 1, fileSizes["100m"]);
  try {
    await Promise.race([download.complete, download.failed]);
  } finally {
    download.stop();
  }
  return fileSizes["100m"] / 1_000 / (performance.now() - startedAt);
}
