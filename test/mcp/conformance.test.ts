import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type ClientCommand,
  type RelayCommand,
  RunningCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { startConformanceServer } from "./conformance-server.js";
import type { LocalMcpServer } from "./servers.js";

/** The command `conformance`, which the package has instead of an entry point. */
const suite = join(
  dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json")),
  "dist/index.js",
);

const preload = new URL("../support/resolve-localhost.mjs", import.meta.url).href;

/**
 * This scenario demands that a server on this machine refuses other host names. It fails any server whose URL
 * is not of this machine, so its result through a tunnel says nothing. The last test checks the same
 * behaviour through the tunnel.
 */
const localOnly = "dns-rebinding-protection";

/** The checks of a scenario and the result of each, in order. */
type Outcome = string[];

describe("the conformance suite of MCP", () => {
  let relay: RelayCommand;
  let local: LocalMcpServer;
  let tunnel: ClientCommand;
  beforeAll(async () => {
    relay = await startRelayCommand();
    local = await startConformanceServer();
    tunnel = await startClientCommand(local.port, relay.port, ["--subdomain", "mcp"]);
  });
  afterAll(async () => {
    await tunnel.close();
    await local.close();
    await relay.close();
  });
  const closing = closingAfterEach();

  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "conformance-"));
    closing({ close: () => rm(path, { recursive: true }) });
    return path;
  }

  async function run(url: string): Promise<Map<string, Outcome>> {
    const results = await folder();
    const args = [
      "--import",
      preload,
      suite,
      "server",
      "--url",
      url,
      "--suite",
      "all",
      "--output-dir",
      results,
    ];
    const command = closing(new RunningCommand(process.execPath, args));
    // The command's status only tells whether all scenarios succeeded. The test looks at each of them below.
    await command.exited;
    const outcomes = new Map<string, Outcome>();
    for (const name of (await readdir(results)).toSorted()) {
      // server-<scenario>-<time>
      const scenario = /^server-(.*?)-\d{4}-/.exec(name)?.[1] ?? name;
      const checks = JSON.parse(await readFile(join(results, name, "checks.json"), "utf8")) as Check[];
      outcomes.set(
        scenario,
        checks.map(({ id, status, errorMessage = "" }) => `${id}: ${status} ${errorMessage}`.trim()),
      );
    }
    return outcomes;
  }

  it("gives the same result through the tunnel, scenario by scenario", { timeout: 60_000 }, async () => {
    const [directly, through] = await Promise.all([
      run(`http://127.0.0.1:${local.port}/mcp`),
      run(`${tunnel.url}/mcp`),
    ]);
    expect(directly.size).toBeGreaterThanOrEqual(32);
    // All checks succeed, so equal outcomes are not two failures. The suite says that it speaks a revision of
    // MCP to which the SDK sends no priming events, and warns that there are none.
    const complaints = [...directly.values()].flat().filter((check) => /: (FAILURE|WARNING)/.test(check));
    expect(complaints.map((check) => check.split(" ")[0])).toEqual([
      "server-sse-priming-event:",
      "server-sse-retry-field:",
    ]);
    expect(directly.delete(localOnly) && through.delete(localOnly)).toBe(true);
    expect(Object.fromEntries(through)).toEqual(Object.fromEntries(directly));
  });

  it("would find that a tunnel turns away what is sent to another host name", async () => {
    const visitor = closing(createVisitor(relay.port));
    const initialize = {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
    };
    const visit = async (host: string): Promise<number> => {
      const answer = await visitor.text("mcp", "/mcp", {
        method: "POST",
        headers: { host, "content-type": "application/json", accept: "application/json, text/event-stream" },
        body: JSON.stringify(initialize),
      });
      return answer.status;
    };
    expect(await visit("evil.example.com")).toBe(421);
    expect(await visit(`mcp.localhost:${relay.port}`)).toBe(200);
  });
});

interface Check {
  id: string;
  status: string;
  errorMessage?: string;
}
