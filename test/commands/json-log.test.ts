import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { asksForJson } from "../../packages/relay/src/cli/output/asks-for-json.js";
import { createProgram } from "../../packages/relay/src/cli/program.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, type RunningCommand } from "../support/commands.js";

// Whoever asks for JSON gets lines of JSON and nothing else, from the first one on: collectors of logs take
// both outputs of a process for one.

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-json-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const domain = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0"];
const json = ["--log-format", "json"];

/** All lines of both outputs as JSON. */
function linesOf({ stdout, stderr }: RunningCommand): { level: number; msg: string; error?: string }[] {
  return [...stdout, ...stderr].map((line) => JSON.parse(line));
}

describe("a relay that does not start", () => {
  const mistakes: [string, string[], NodeJS.ProcessEnv, number, RegExp][] = [
    ["no domain", [...json], {}, 2, /^no domain is given/],
    [
      "a mistake before the option",
      [...domain, "--port", "x", ...json],
      {},
      2,
      /^option '--port <PORT>' argument 'x'/,
    ],
    ["a mistake after it", ["--log-format=json", "--prot", "1"], {}, 2, /^unknown option '--prot' \(Did you/],
    ["the format in the environment", ["--prot"], { MCP_TUNNEL_LOG_FORMAT: "json" }, 2, /^unknown option/],
    [
      "options that do not go together",
      [...domain, ...json, "--tls-key", "x"],
      {},
      2,
      /each --tls-cert needs/,
    ],
    [
      "a file that is not there",
      [...domain, ...json, "--token-file", "/nowhere"],
      {},
      2,
      /\/nowhere is not there/,
    ],
    [
      "workers that cannot start",
      [...domain, "--host", "192.0.2.1", ...json, "--log-level", "error", "--workers", "2"],
      {},
      1,
      /^cannot listen on 192\.0\.2\.1/,
    ],
  ];
  it.each(mistakes)("says so in a line of JSON: %s", async (_, args, env, status, error) => {
    const relay = closing(runRelay(args, env));
    expect((await relay.exited).code).toBe(status);
    expect(linesOf(relay), relay.output).toEqual([
      expect.objectContaining({
        level: 50,
        msg: "the relay does not start",
        error: expect.stringMatching(error),
        status,
      }),
    ]);
  });

  it("tells the mistakes of a config file in one line, in the format that the same file names", async () => {
    const config = write("mistakes.yaml", "log-format: json\nport: x\nhots: 1\ndomain: localhost\n");
    const relay = closing(runRelay(["--config", config]));
    expect((await relay.exited).code).toBe(2);
    const [line, ...others] = linesOf(relay);
    expect(others).toEqual([]);
    expect(line?.error?.split("\n").slice(1)).toEqual([
      `${config}:2: port: Expected a port from 0 to 65535.`,
      `${config}:3: unknown key 'hots'; did you mean 'host'?`,
    ]);
  });

  it("speaks to a person where nobody has asked for JSON", async () => {
    const relay = closing(runRelay(["--domain", "localhost", "--acme-email", "a@example.com"]));
    expect((await relay.exited).code).toBe(2);
    expect(relay.output).toMatch(/^error: --acme-email and --acme-hook go together/);
  });
});

describe("a relay that runs", () => {
  /** Raises a warning of Node in the process and in its workers, and writes to their standard error. */
  const noise = write(
    "noise.mjs",
    `setImmediate(() => {
      const wait = setInterval(() => {
        if (process.listeners("warning").every((one) => one.name === "onWarning")) return;
        clearInterval(wait);
        process.emitWarning("too many of them", "MaxListenersExceededWarning");
        if (process.send !== undefined) process.stderr.write("FATAL ERROR: out of something\\n");
      }, 5).unref();
    });`,
  );

  it.each([[[]], [["--workers", "2"]]])(
    "writes JSON alone, with %j: warnings of Node, and what workers say",
    {
      timeout: 60_000,
    },
    async (more) => {
      const isCrew = more.length > 0;
      const relay = closing(
        runRelay([...domain, ...json, ...more], {
          NODE_OPTIONS: `--import=${new URL(`file://${noise}`).href}`,
        }),
      );
      await relay.waitForJson({ msg: "listening" });
      await relay.waitFor("warnings", () => {
        const warned = relay.json.filter((line) => line["msg"] === "a warning of Node.js");
        return warned.length >= (isCrew ? 3 : 1) ? warned : undefined;
      });
      if (isCrew) {
        await relay.waitFor("a worker's words", () =>
          relay.stderr.find((line) => line.includes("FATAL ERROR: out of something")),
        );
      }
      expect(await relay.close()).toEqual({ code: 0, signal: null });
      const lines = linesOf(relay);
      expect(lines.every((line) => typeof line.level === "number" && typeof line.msg === "string")).toBe(
        true,
      );
      if (!isCrew) return;
      const said = lines.filter(({ msg }) => msg === "a worker says");
      expect(said).toContainEqual(
        expect.objectContaining({ level: 50, worker: 1, text: "FATAL ERROR: out of something" }),
      );
    },
  );
});

describe("the form of an error", () => {
  it.each<[string[], NodeJS.ProcessEnv, boolean]>([
    [["--log-format", "json"], {}, true],
    [["--log-format", "json", "--log-format", "pretty"], {}, false],
    [["--log-format", "pretty"], { MCP_TUNNEL_LOG_FORMAT: "json" }, false],
    [[], { MCP_TUNNEL_LOG_FORMAT: "json" }, true],
    [[], {}, false],
    [["--log-format"], {}, false],
    // These speak to a person, whatever the relay beside them does.
    [["status"], { MCP_TUNNEL_LOG_FORMAT: "json" }, false],
    [["stauts", "--log-format", "json"], {}, false],
    [["token", "create"], { MCP_TUNNEL_LOG_FORMAT: "json" }, false],
  ])("of %j with %j is JSON: %s", (args, env, isJson) => {
    // Nothing is parsed, as when the first option is wrong.
    expect(asksForJson(createProgram(), args, env)).toBe(isJson);
  });
});
