import { fileURLToPath } from "node:url";
import { freePort, startChild } from "../child.js";
import { type Endpoint, untilServing } from "../endpoint.js";
import { wrk } from "../load/wrk.js";
import { show, table } from "../report.js";
import { median } from "../stats.js";
import { mcpTunnel } from "../systems/mcp-tunnel.js";
import { floor } from "../systems/references.js";
import { plainEndpoint, startSystem, type System } from "../systems/system.js";
import { smallPath } from "../upstreams/static.js";
import { startUpstream, type Upstream } from "../upstreams/upstreams.js";
import { type Place, placesOf } from "./places.js";
import { Recorder } from "./recording.js";

const connections = 64;
/** Until so many requests V8 has compiled what is to be measured. */
const warmUpRequests = 20_000;
const measuredRequests = 20_000;
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
  /** Collections of the young generation for a thousand requests, and what one of them copies. */
  readonly collections: number;
  readonly keptBytes: number;
  readonly places: readonly Place[];
}

/**
 * Prints how many bytes each process allocates for a small request, and where. The figures are nearly the
 * same on a busy machine, unlike those of time.
 */
export async function runAllocations(folder: string): Promise<void> {
  // Every process in Node that the bench starts from here on has a recorder.
  process.env["NODE_OPTIONS"] = `--import ${new URL("recorder-main.js", import.meta.url).href}`;
  process.env["ALLOCATIONS_FOLDER"] = folder;
  const upstream = await startUpstream("static", folder);
  const all: Allocations[] = [];
  for (const system of [bare, floor, mcpTunnel]) all.push(...(await measure(system, upstream, folder)));
  await upstream.child.stop();
  const header = ["GET of 1 KiB", "KB / request", "scavenges / 1,000 requests", "KB kept by one"];
  const rows = all.map((one) => [
    one.name,
    show(one.bytes / 1_000),
    show(one.collections),
    show(one.keptBytes / 1_000),
  ]);
  console.log(`${table(header, rows)}\n`);
  for (const { name, places } of all) {
    const shown = places.slice(0, shownPlaces).map((place) => [String(Math.round(place.bytes)), place.name]);
    console.log(`${table([`${name}: bytes`, "function"], shown)}\n`);
  }
}

async function measure(system: System, upstream: Upstream, folder: string): Promise<Allocations[]> {
  const endpoint = await startSystem(system, "one", upstream.port, folder);
  try {
    await untilServing(endpoint, upstream.ready);
    await load(endpoint, warmUpRequests, folder);
    const recorders = endpoint.processes.map(({ pid }) => new Recorder(pid, folder));
    await Promise.all(recorders.map((recorder) => recorder.begin()));
    const requests = await load(endpoint, measuredRequests, folder);
    const recordings = await Promise.all(recorders.map((recorder) => recorder.end()));
    return recordings.map(({ bytes, kept, profile }, i) => ({
      name: endpoint.processes[i]?.name ?? "",
      bytes: bytes / requests,
      collections: (kept.length * 1_000) / requests,
      keptBytes: median(kept),
      places: placesOf(profile).map((place) => ({ ...place, bytes: place.bytes / requests })),
    }));
  } finally {
    await Promise.all(endpoint.processes.map((child) => child.stop()));
  }
}

/** Sends at least so many requests, and returns how many they were. */
async function load(endpoint: Endpoint, least: number, folder: string): Promise<number> {
  let requests = 0;
  while (requests < least) {
    requests += (await wrk(endpoint, { path: smallPath }, connections, 3, folder)).requests;
  }
  return requests;
}
