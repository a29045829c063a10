import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { marked, tellsProcesses } from "../support/processes.js";
import { missingProgram } from "../support/requires.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
/**
 * A fresh clone installs and builds first. Here both have been done already, but a slow machine may still
 * need a while.
 */
const startTimeoutMs = 60_000;

/** The lines of the demo's output that start with `word`. */
const linesWith = (demo: RunningCommand, word: string): string[] =>
  demo.stdout.filter((line) => line.startsWith(`${word} `));

describe.skipIf(missingProgram("curl"))("npm start", () => {
  const closing = closingAfterEach();

  async function start(command: string, args: string[]): Promise<{ demo: RunningCommand; url: URL }> {
    const demo = closing(new RunningCommand(command, args, { cwd: root, ownGroup: true }));
    const line = (text: string): string | undefined => demo.stdout.find((said) => said.includes(text));
    await demo.waitFor("instructions", () => line("Ctrl-C"), startTimeoutMs);
    return { demo, url: new URL(/http:.*/.exec(line("Public URL") ?? "")?.[0] ?? "") };
  }

  it("prints lines that work when pasted, and stops all of it on Ctrl-C", { timeout: 120_000 }, async () => {
    const { demo, url } = await start("npm", ["start"]);
    expect(url.hostname).toBe("demo.localhost");

    expect(demo.stdout.join(" ")).toContain(`open to everybody who reaches port ${url.port}`);
    expect(linesWith(demo, "mcp-tunnel-client")).toEqual([expect.stringContaining("--visitor-auth")]);

    const [curlLine] = linesWith(demo, "curl");
    expect(await paste(curlLine)).toContain('"name":"slow_count"');

    // The server over HTTP, and the one on stdio. Node does not resolve names below localhost.
    const [own = "", ...clients] = linesWith(demo, "node").toReversed();
    expect(clients).toHaveLength(2);
    for (const line of [...clients, ...linesWith(demo, "claude")]) expect(line).not.toContain(".localhost");
    for (const line of clients) {
      const mcp = await paste(line);
      expect(mcp).toContain("tool add: Adds two numbers");
      expect(mcp).toContain("add 2 and 3: 5");
      expect(mcp).toContain("progress: 3 of 3");
      expect(mcp).toContain("slow_count: counted to 3");
    }

    // A service of one's own: here the relay itself stands for it.
    const client = closing(
      new RunningCommand("sh", ["-c", `exec ${own.replace(" 3000 ", ` ${url.port} `)}`], { cwd: root }),
    );
    await client.waitFor("URL", () => client.stdout.find((line) => line.includes("//myapp.localhost:")));
    expect(await client.close()).toEqual({ code: 0, signal: null });

    // One line for each request that went through a tunnel.
    await demo.waitFor("request lines", () => linesWith(demo, "POST /mcp 200")[7]);

    const processes = existsSync("/proc") ? descendants(demo.pid) : [];
    expect(processes.length).toBeGreaterThanOrEqual(existsSync("/proc") ? 2 : 0);
    demo.interrupt();
    // The status is not checked: the shell that npm starts may end by the SIGINT itself, and then npm does
    // too.
    await demo.exited;
    expect(demo.stdout.at(-1)).toBe("Stopped.");
    expect(processes.filter(isAlive)).toEqual([]);
    await expect(once(connect(Number(url.port), "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
  });

  it("stops all of it when npm is ended by SIGTERM, which does not reach what npm's shell has started", {
    timeout: 120_000,
  }, async () => {
    const { demo, url } = await start("npm", ["start"]);
    const processes = existsSync("/proc") ? descendants(demo.pid) : [];
    demo.child.kill("SIGTERM");
    // Its output is closed when the last process that has it is gone.
    await demo.exited;
    expect(demo.stdout.at(-1)).toBe("Stopped.");
    // A process closes its files a moment before it is gone.
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]));
    await expect(once(connect(Number(url.port), "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
  });

  it("ends with status 0 when it is itself told to, with a call that goes on", {
    timeout: 120_000,
  }, async () => {
    const { demo } = await start(process.execPath, ["scripts/start.mjs"]);
    const processes = existsSync("/proc") ? descendants(demo.pid) : [];
    const [url = ""] = linesWith(demo, "claude").map((line) => /http:\S+/.exec(line)?.[0]);
    const params = {
      name: "slow_count",
      arguments: { to: 1_000, pauseMs: 100 },
      _meta: { progressToken: 1 },
    };
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    });
    expect(answer.status).toBe(200);
    const told = performance.now();
    demo.child.kill("SIGTERM");
    await expect(answer.text()).rejects.toThrow();
    expect(await demo.exited).toEqual({ code: 0, signal: null });
    // The commands would give the call half a minute each.
    expect(performance.now() - told).toBeLessThan(25_000);
    expect(demo.stdout.at(-1)).toBe("Stopped.");
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]));
  });

  it.skipIf(!tellsProcesses)(
    "leaves nothing behind when npm is ended while it still builds",
    {
      timeout: 120_000,
    },
    async () => {
      const mark = `MCP_TUNNEL_TEST_MARK=${randomUUID()}`;
      const [name = "", value = ""] = mark.split("=");
      const npm = closing(
        new RunningCommand("npm", ["start"], { cwd: root, ownGroup: true, env: { [name]: value } }),
      );
      // A failure would leave a demo behind.
      closing({ close: () => marked(mark).forEach((pid) => process.kill(pid, "SIGKILL")) });
      const commandLines = () => marked(mark).map((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1"));
      await vi.waitFor(() => expect(commandLines().join()).toContain("typescript"), startTimeoutMs);
      npm.child.kill("SIGTERM");
      await npm.exited;
      await vi.waitFor(() => expect(marked(mark)).toEqual([]), startTimeoutMs);
      expect(npm.output).not.toContain("Public URL");
    },
  );

  it("stops all of it when its terminal is closed", { timeout: 120_000 }, async () => {
    const { demo } = await start(process.execPath, ["scripts/start.mjs"]);
    const processes = existsSync("/proc") ? descendants(demo.pid) : [];
    demo.child.kill("SIGHUP");
    await demo.exited;
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]));
  });

  it("takes the next port when 8080 is taken, and ends with status 0", { timeout: 120_000 }, async () => {
    const blocker = createServer();
    blocker.on("error", () => {}); // Another program has the port: just as well.
    blocker.listen(8080, "127.0.0.1");
    closing(blocker);
    const { demo, url } = await start(process.execPath, ["scripts/start.mjs"]);
    expect(Number(url.port)).toBeGreaterThan(8080);
    demo.interrupt();
    expect(await demo.exited).toEqual({ code: 0, signal: null });
  });
});

/** Runs a printed line in a shell, as a person would paste it. Returns its output; a failure rejects. */
async function paste(line: string | undefined): Promise<string> {
  const { stdout } = await promisify(execFile)("sh", ["-c", line ?? "exit 1"], { cwd: root });
  return stdout;
}

/** Every process below `pid`, from /proc. */
function descendants(pid: number): number[] {
  const parents = new Map(
    readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .map((entry) => [Number(entry), parentOf(entry)]),
  );
  const isBelow = (id: number | undefined): boolean =>
    id !== undefined && (id === pid || isBelow(parents.get(id)));
  return [...parents.keys()].filter((id) => id !== pid && isBelow(id));
}

function parentOf(pid: string): number | undefined {
  const parent = statusFields(Number(pid))?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** A process that has ended stays in the table until its parent takes note, and is no longer alive. */
function isAlive(pid: number): boolean {
  const state = statusFields(pid)?.[0];
  return state !== undefined && state !== "Z";
}

/** The fields of a process from its state on; undefined when there is none. */
function statusFields(pid: number): string[] | undefined {
  try {
    // The name before them stands in parentheses, and may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
  } catch {
    return undefined;
  }
}
