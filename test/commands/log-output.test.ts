import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, type Visitor } from "../support/visitor.js";

const closing = closingAfterEach();
let port: number;
let visitor: Visitor;

beforeEach(async () => {
  port = await freePort();
  visitor = closing(createVisitor(port));
});

/**
 * A relay that writes its log to `stdout`. The test does not read that: it asks the relay until it answers.
 */
async function startRelay(stdout: "pipe" | number, args: readonly string[] = []): Promise<ChildProcess> {
  const options = [
    "--domain",
    "localhost",
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
    "--startup-hold",
    "0",
  ];
  const relay = spawn(process.execPath, [commands.relay, ...options, ...args], {
    stdio: ["ignore", stdout, "inherit"],
  });
  closing({ close: () => relay.kill("SIGKILL") });
  for (const deadline = performance.now() + 15_000; ; ) {
    try {
      await visit("/");
      return relay;
    } catch (error) {
      if (performance.now() > deadline || relay.exitCode !== null) throw error;
      await delay(20);
    }
  }
}

async function visit(path: string): Promise<number> {
  return (await visitor.text("nobody", path)).status;
}

describe("a relay whose log is not taken", () => {
  it.skipIf(!existsSync("/dev/full"))("serves with a full disk, and ends when it is told to", async () => {
    const full = openSync("/dev/full", "w");
    const relay = await startRelay(full, ["--log-format", "json"]);
    closeSync(full);
    expect(await visit("/")).toBe(502);
    relay.kill("SIGTERM");
    expect(await once(relay, "exit")).toEqual([0, null]);
  });

  it.each(["json", "pretty"])("serves with a reader who has stopped, in the form %s", async (format) => {
    const relay = await startRelay("pipe", ["--log-format", format]);
    // More bytes than the pipe and the relay hold for the reader.
    const path = `/${"x".repeat(16_000)}`;
    for (let i = 0; i < 25; i++) {
      const statuses = await Promise.all(Array.from({ length: 20 }, () => visit(path)));
      expect(new Set(statuses)).toEqual(new Set([502]));
    }
    const lines = createInterface({ input: relay.stdout as NodeJS.ReadableStream });
    const told = new Promise<string>((resolve) => {
      lines.on("line", (line) => line.includes("lines of the log are lost") && resolve(line));
    });
    expect(await told).toMatch(/"lines":\s*[1-9]\d*/);
    relay.kill("SIGTERM");
    expect(await once(relay, "exit")).toEqual([0, null]);
  });

  it("ends all the same when it is told to", async () => {
    const relay = await startRelay("pipe", ["--log-format", "json"]);
    const path = `/${"x".repeat(16_000)}`;
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 20 }, () => visit(path)));
    relay.kill("SIGTERM");
    expect(await once(relay, "exit")).toEqual([0, null]);
  });
});

interface RunningClient extends ChildProcess {
  upstream: Upstream;
  /** The status of a visit to the client's tunnel. */
  visit(path: string): Promise<number>;
}

async function startClient(stdout: "pipe" | number, args: readonly string[] = []): Promise<RunningClient> {
  const upstream = closing(await startUpstream());
  const relay = closing(await startRelayCommand());
  const where = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "demo"];
  const client = spawn(process.execPath, [commands.client, ...where, ...args], {
    stdio: ["ignore", stdout, "pipe"],
  });
  closing({ close: () => client.kill("SIGKILL") });
  await relay.waitForJson({ msg: "tunnel registered" });
  const visitors = closing(createVisitor(relay.port));
  return Object.assign(client, {
    upstream,
    visit: async (path: string) => (await visitors.text("demo", path)).status,
  });
}

describe("a client whose lines are not taken", () => {
  it.skipIf(!existsSync("/dev/full"))("serves with a full disk, and says so", async () => {
    const full = openSync("/dev/full", "w");
    const client = await startClient(full);
    closeSync(full);
    const lines = createInterface({ input: client.stderr as NodeJS.ReadableStream });
    const [said] = (await once(lines, "line")) as [string];
    expect(said).toMatch(/^cannot write to the standard output \(ENOSPC: .*\): lines are lost$/);
    expect(await client.visit("/status/200")).toBe(200);
    client.kill("SIGTERM");
    expect(await once(client, "exit")).toEqual([0, null]);
  });

  it("serves with a reader who has stopped, and tells what is lost", async () => {
    const client = await startClient("pipe");
    // More bytes than the pipe and the client hold for the reader.
    const path = `/status/200?${"x".repeat(14_000)}`;
    for (let i = 0; i < 10; i++) {
      const statuses = await Promise.all(Array.from({ length: 20 }, () => client.visit(path)));
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
    client.stdout?.resume();
    const lines = createInterface({ input: client.stderr as NodeJS.ReadableStream });
    const [said] = (await once(lines, "line")) as [string];
    expect(said).toMatch(/^lines lost because nobody read them in time: [1-9]/);
  });

  it("ends all the same when it is told to", async () => {
    const client = await startClient("pipe");
    const path = `/status/200?${"x".repeat(14_000)}`;
    for (let i = 0; i < 3; i++) await Promise.all(Array.from({ length: 20 }, () => client.visit(path)));
    client.kill("SIGTERM");
    expect(await once(client, "exit")).toEqual([0, null]);
  });
});

it("Ctrl-C, which ends the reader of a pipeline too, lets the client finish what is open", async () => {
  const client = await startClient("pipe", ["--json"]);
  const arrived = client.upstream.nextRequest();
  const status = client.visit("/slow?ms=700");
  await arrived;
  client.stdout?.destroy();
  client.kill("SIGINT");
  expect(await status).toBe(200);
  expect(await once(client, "exit")).toEqual([0, null]);
});

it.each([
  [commands.relay, ["--help"]],
  [commands.client, ["--help"]],
])("a reader who leaves before the end of %s %s is no failure", async (command, args) => {
  const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  expect(await once(child, "close")).toEqual([0, null]);
  expect(said).toBe("");
});
