import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand } from "../support/commands.js";

// A package more is a decision: each takes milliseconds from every start, and memory from every relay. One
// that only some options need is imported where they are read.

const closing = closingAfterEach();

/** Writes a line for each package of which a file is loaded: of ES modules then, of CommonJS at the end. */
const watch = `import { createRequire, register } from "node:module";
import { writeSync } from "node:fs";
register("data:text/javascript," + encodeURIComponent(\`
  import { writeSync } from "node:fs";
  export async function load(url, context, next) {
    writeSync(2, "LOADED " + url + "\\\\n");
    return next(url, context);
  }\`));
process.on("exit", () => {
  const { cache } = createRequire(process.execPath);
  writeSync(2, Object.keys(cache).map((file) => "LOADED " + file + "\\n").join(""));
});`;
const preload = `data:text/javascript,${encodeURIComponent(watch)}`;

const root = fileURLToPath(new URL("../..", import.meta.url)).replaceAll("\\", "/");

function run(command: string, args: readonly string[]): RunningCommand {
  const env = { NO_COLOR: "1", XDG_CONFIG_HOME: "/nowhere", MCP_TUNNEL_STATE_DIR: "/nowhere" };
  return closing(new RunningCommand(process.execPath, ["--import", preload, command, ...args], { env }));
}

/** A program that imports a module, in a folder in which our packages are found. */
function importing(module: string): RunningCommand {
  const args = ["--import", preload, "--input-type=module", "--eval", `import ${JSON.stringify(module)}`];
  return closing(new RunningCommand(process.execPath, args, { cwd: join(root, "test") }));
}

/** The packages that the command has loaded, ours by their folders, and how many files of ours. */
async function loadedBy(
  command: RunningCommand,
): Promise<{ packages: string[]; ownFiles: number; files: ReadonlySet<string> }> {
  await command.close();
  const files = new Set(
    command.stderr
      .filter((line) => line.startsWith("LOADED "))
      .map((line) => decodeURI(line.replace("LOADED ", "").replace(/^file:\/\//, "")).replaceAll("\\", "/"))
      .filter((file) => file.includes("/packages/") || file.includes("/node_modules/")),
  );
  const named = Array.from(files, (file) => {
    const [, ofOthers] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
    return (
      ofOthers ??
      file
        .slice(file.indexOf(root) + root.length)
        .split("/", 2)
        .join("/")
    );
  });
  const packages = [...new Set(named)].toSorted();
  return { packages, ownFiles: named.filter((name) => name.startsWith("packages/")).length, files };
}

const own = ["packages/config", "packages/protocol", "packages/relay", "packages/shared"];
const relayArgs = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0"];
const clientAtFirst = [
  ...["commander", "leven", "packages/cli", "packages/client", "packages/gate", "packages/protocol"],
  ...["packages/shared", "picocolors", "proxy-from-env"],
];

describe("nothing is loaded that is not needed", () => {
  it("by a relay that listens", async () => {
    const relay = run(commands.relay, relayArgs);
    await relay.waitForJson({ msg: "listening" });
    const { packages, files } = await loadedBy(relay);
    expect(packages).toEqual(["commander", "leven", "lru-cache", ...own, "ws"]);
    // The page, what orders certificates, and what other commands do.
    const ofOthers =
      /\/(admin\/requests|shared\/dist\/page|tls\/(acme\/(?!options)|shared-)|cli\/.*-(table|actions)\.js)/;
    expect([...files].filter((file) => ofOthers.test(file))).toEqual([]);
  });

  it("by a relay with a listener for its operator, until somebody asks for the page", async () => {
    const relay = run(commands.relay, [...relayArgs, "--admin-listen", "127.0.0.1:0"]);
    const { port } = await relay.waitForJson({ msg: "admin API listening" });
    const admin = `http://127.0.0.1:${port}`;
    expect((await fetch(`${admin}/api/tunnels`)).status).toBe(200);
    const loaded = (): boolean => relay.output.includes("/packages/dashboard/");
    expect(loaded()).toBe(false);
    const page = await fetch(`${admin}/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("<script")]);
    const { packages } = await loadedBy(relay);
    const metrics = ["@opentelemetry/api", "bintrees", "prom-client", "tdigest"];
    const all = ["commander", "leven", "lru-cache", ...metrics, ...own, "packages/dashboard", "ws"];
    expect(packages).toEqual(all.toSorted());
  });

  it("by a client that is connected", async () => {
    const relay = closing(new RunningCommand(process.execPath, [commands.relay, ...relayArgs]));
    const { port } = await relay.waitForJson({ msg: "listening" });
    const client = run(commands.client, ["9", "--relay", `http://127.0.0.1:${port}`, "--json"]);
    await client.waitForJson({ event: "connected" });
    const { packages } = await loadedBy(client);
    expect(packages).toEqual([...clientAtFirst, "packages/inspector", "undici", "ws"].toSorted());
  });

  const relayAtFirst = ["commander", "leven", "packages/protocol", "packages/relay", "packages/shared"];

  it.each<["relay" | "client", string[], string[]]>([
    ["relay", ["--help"], relayAtFirst],
    ["client", ["--help"], clientAtFirst],
    ["client", ["--version"], clientAtFirst],
    ["client", ["doctor", "--help"], clientAtFirst],
  ])("by the command of the %s with %j", async (name, args, expected) => {
    const running = run(commands[name], args);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    const { packages, ownFiles } = await loadedBy(running);
    expect(packages).toEqual(expected);
    // The files of sessions, half of the protocol package, are needed only once a tunnel is up.
    expect(ownFiles).toBeLessThan(100);
  });

  const ownOfRelay = ["packages/protocol", "packages/relay", "packages/shared"];

  it.each<[string, string[]]>([
    [
      "mcp-tunnel",
      // The first, `p-retry` and `undici` are for an auth provider.
      ["is-network-error", "leven", "lru-cache", "p-retry", "packages/config", ...ownOfRelay, "undici", "ws"],
    ],
    ["mcp-tunnel/admin", ["leven", ...ownOfRelay]],
    [
      "mcp-tunnel/metrics",
      ["@opentelemetry/api", "bintrees", "leven", ...ownOfRelay, "prom-client", "tdigest"],
    ],
  ])("by a program that imports %s", async (module, expected) => {
    const program = importing(module);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    const { packages } = await loadedBy(program);
    expect(packages).toEqual(expected);
  });
});
