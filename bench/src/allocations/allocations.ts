import { fileURLToPath } from "node:url";
import { freePort, startChild } from "../child.js";
import { untilServing } from "../endpoint.js";
import { wrk } from "../load/wrk.js";
import { show, table } from "../report.js";
import { mcpTunnel } from "../systems/mcp-tunnel.js";
import { floor } from "../systems/references.js";
import { plainEndpoint, type System } from "../systems/system.js";
import { smallPath } from "../upstreams/static.js";
import { startUpstream, type Upstream } from "../upstreams/upstreams.js";
import { type Place, placesOf } from "./places.js";
import { Recorder } from "./recording.js";

const connections = 64;
const warmUpSeconds = 3;
const seconds = 3;
/** So many functions of each process are shown. */
const shownPlaces = 25;

/** A server in Node that answers by itself. Nothing that is made with `node:http` allocates less. */
const bare: System = {
  name: "bare",
  programs: [],
  async start(_upstreamPort, folder) {
    const main = fileURLToPath(new URL("bare-main.js", import.meta.url));
    const port = await freePort();
    return plainEndpoint(port, [startChild("bare", process.execPath, [main, port], folder)]);
  },
};

/** What a process allocates for each request. */
interface Allocations {
  readonly name: string;
  readonly bytes: number;
  /** Collections for a thousand requests, and their time for each request. */
  readonly collections: number;
  readonly collectionsUs: number;
  readonly places: readonly Place[];
}

/**
 * Prints how many bytes each process allocates for a small request, and where. The figures are nearly the same
 * on a busy machine, unlike those of time.
 */
export async function runAllocations(folder: string): Promise<void> {
  // Every process in Node that the bench starts from here on has a recorder.
  process.env["NODE_OPTIONS"] = `--import ${new URL("recorder-main.js", import.meta.url).href}`;
  process.env["ALLOCATIONS_FOLDER"] = folder;
  const upstream = await startUpstream("static", folder);
  const all: Allocations[] = [];
  for (const system of [bare, floor, mcpTunnel]) all.push(...(await measure(system, upstream, folder)));
  await upstream.child.stop();
  const header = ["GET of 1 KiB", "KB / request", "collections / 1,000 requests", "their time, µs / request"];
  const rows = all.map((one) => [
    one.name,
    show(one.bytes / 1_000),
    show(one.collections),
    show(one.collectionsUs),
  ]);
  console.log(`${table(header, rows)}\n`);
  for (const { name, places } of all) {
    const shown = places.slice(0, shownPlaces).map((place) => [String(Math.round(place.bytes)), place.name]);
    console.log(`${table([`${name}: bytes`, "function"], shown)}\n`);
  }
}

async function measure(system: System, upstream: Upstream, folder: string): Promise<Allocations[]> {
  const endpoint = await system.start(upstream.port, folder);
  try {
    await untilServing(endpoint, upstream.ready);
    await wrk(endpoint, { path: smallPath }, connections, warmUpSeconds, folder);
    const recorders = endpoint.processes.map(({ pid }) => new Recorder(pid, folder));
    await Promise.all(recorders.map((recorder) => recorder.begin()));
    const { requests } = await wrk(endpoint, { path: smallPath }, connections, seconds, folder);
    const recordings = await Promise.all(recorders.map((recorder) => recorder.end()));
    return recordings.map(({ bytes, collections, collectionsUs, profile }, i) => ({
      name: endpoint.processes[i]?.name ?? "",
      bytes: bytes / requests,
      collections: (collections * 1_000) / requests,
      collectionsUs: collectionsUs / requests,
      places: placesOf(profile).map((place) => ({ ...place, bytes: place.bytes / requests })),
    }));
  } finally {
    await Promise.all(endpoint.processes.map((child) => child.stop()));
  }
}
