import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findProgram, freePort } from "../child.js";
import type { BenchOptions } from "../options.js";
import { show, table, targetTable } from "../report.js";
import { failsGate, judgeMode, type Verdict } from "../results.js";
import { median, quantile, summarize, type Summary } from "../stats.js";
import { checkoutAt, here, startRelay, type Checkout } from "../systems/mcp-tunnel.js";
import { beginClient, beginServer, runCommand, type Server, type Start } from "./begin.js";

/** A start takes half a second, so there is time for so many turns in each round. */
const turnsInRound = 3;

const mebibyte = 1_048_576;

/** What each start is measured over: Node with a socket that listens, and Node that ends at once. */
const bareServer: Server = {
  name: "bare Node",
  command: process.execPath,
  argsFor: (port) => ["-e", `require("net").createServer().listen(${port}, "127.0.0.1")`],
};
const bareCommand = "node -e 0";

const relay = relayOf("mcp-tunnel", here);

function relayOf(name: string, checkout: Checkout): Server {
  return {
    name,
    command: process.execPath,
    argsFor: (port) => [checkout.relay, "--domain", "localhost", "--host", "127.0.0.1", "--port", port],
  };
}

/** The row of the client, which listens at no port. */
const client = "mcp-tunnel-client, connected";

const contenders: readonly Server[] = [
  {
    name: "frps",
    command: "frps",
    async argsFor(port, folder) {
      const file = join(folder, `frps-${port}.toml`);
      const control = await freePort();
      const ports = `bindPort = ${control}\nvhostHTTPPort = ${port}\n`;
      writeFileSync(file, `bindAddr = "127.0.0.1"\nproxyBindAddr = "127.0.0.1"\n${ports}`);
      return ["-c", file];
    },
  },
  {
    name: "piko",
    command: "piko",
    argsFor: (port) => [
      ...["server", `--proxy.bind-addr=127.0.0.1:${port}`, "--upstream.bind-addr=127.0.0.1:0"],
      ...["--admin.bind-addr=127.0.0.1:0", "--cluster.gossip.bind-addr=127.0.0.1:0"],
    ],
  },
];

/** Commands that say something and end, by their titles. */
const commands: Readonly<Record<string, readonly string[]>> = {
  [bareCommand]: ["-e", "0"],
  "mcp-tunnel --help": [here.relay, "--help"],
  "mcp-tunnel --version": [here.relay, "--version"],
  "mcp-tunnel-client --help": [here.client, "--help"],
  "mcp-tunnel-client --version": [here.client, "--version"],
  "mcp-tunnel-client doctor --help": [here.client, "doctor", "--help"],
};

/**
 * Measures the starts of the commands in turns with bare Node. `against`: the folder of another checkout,
 * whose relay takes part. Returns whether the gate fails.
 */
export async function runStart(
  folder: string,
  { rounds, against }: Pick<BenchOptions, "rounds" | "against">,
): Promise<boolean> {
  const present = contenders.filter(({ command }) => findProgram(command) !== undefined);
  const other = against === undefined ? [] : [relayOf("against", checkoutAt(resolve(against)))];
  const servers = [bareServer, relay, ...other, ...present];
  const starts = new Map<string, Start[]>();
  const times = new Map<string, number[]>();
  const local = await startRelay(folder);
  const clientArgs = ["--relay", `http://127.0.0.1:${local.port}`, "--subdomain", "start", "--json", "9"];
  const turns = [
    ...servers.map((server) => async () => add(starts, server.name, await beginServer(server, folder))),
    async () => add(starts, client, await beginClient([here.client, ...clientArgs], local.child)),
    ...Object.entries(commands).map(
      ([title, args]) =>
        async () =>
          add(times, title, runCommand(args)),
    ),
  ];
  // The first turn of each finds no file in the memory of the system.
  for (const turn of turns) await turn();
  for (const list of [...starts.values(), ...times.values()]) list.length = 0;
  for (let round = 0; round < rounds * turnsInRound; round++) for (const turn of turns) await turn();
  await local.child.stop();
  print(starts, times);
  if (against !== undefined) console.log(`\n${besideOther(starts.get(relay.name), starts.get("against"))}`);
  const verdicts = judgeStarts(starts, times);
  console.log(`\n${targetTable(verdicts)}`);
  return verdicts.some(failsGate);
}

function add<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name) ?? [];
  lists.set(name, list);
  list.push(value);
}

function print(starts: ReadonlyMap<string, Start[]>, times: ReadonlyMap<string, number[]>): void {
  const rows = Array.from(starts, ([name, list]) => [
    name,
    quartiles(list.map(({ ms }) => ms)),
    quartiles(list.map(({ cpuMs }) => cpuMs)),
    quartiles(list.map(({ bytes }) => bytes / mebibyte)),
  ]);
  console.log(`${table(["start", "ms until it listens", "CPU, ms", "idle memory, MiB"], rows)}\n`);
  const base = times.get(bareCommand) ?? [];
  const lines = Array.from(times, ([title, list]) => [title, quartiles(list), show(ratio(list, base))]);
  console.log(table(["command", "ms", `over ${bareCommand}`], lines));
}

/** How the relay's start stands to that of the other checkout, turn by turn. */
function besideOther(own: readonly Start[] = [], other: readonly Start[] = []): string {
  const row = (title: string, pick: (start: Start) => number): string[] => [
    title,
    show(ratio(own.map(pick), other.map(pick))),
  ];
  return table(
    ["relay, over the other checkout", "ratio"],
    [
      row("until it listens", ({ ms }) => ms),
      row("CPU", ({ cpuMs }) => cpuMs),
      row("idle memory", ({ bytes }) => bytes),
    ],
  );
}

/** The median, and the quartiles around it. */
function quartiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `${show(median(values))} (${show(quantile(sorted, 0.25))} to ${show(quantile(sorted, 0.75))})`;
}

/** Turn by turn, because the machine's speed drifts. */
function ratio(values: readonly number[], bases: readonly number[]): Summary {
  return summarize(values.map((value, i) => value / (bases[i] as number)));
}

function judgeStarts(starts: ReadonlyMap<string, Start[]>, times: ReadonlyMap<string, number[]>): Verdict[] {
  const [own = [], bare = []] = [starts.get(relay.name), starts.get(bareServer.name)];
  const over = (pick: (start: Start) => number): Summary => ratio(own.map(pick), bare.map(pick));
  const base = times.get(bareCommand) ?? [];
  const helps = ["mcp-tunnel --help", "mcp-tunnel-client --help"].map((title) =>
    ratio(times.get(title) ?? [], base),
  );
  return judgeMode("start", {
    listening: over(({ ms }) => ms),
    cpu: over(({ cpuMs }) => cpuMs),
    memory: over(({ bytes }) => bytes),
    help: helps.reduce((worse, one) => (one.median > worse.median ? one : worse)),
  });
}
