import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { serverEnvironment } from "../../src/child/environment.js";
import { openShell, temporaryFolder, TestProcesses } from "./open-server.js";
import { onWindows } from "../../../../test/support/systems.js";

const report = `process.stdout.write(JSON.stringify({
  jsonrpc: "2.0", method: "report", params: { args: process.argv.slice(1), env: process.env, cwd: process.cwd() }
}) + "\\n")`;

interface Report {
  readonly params: {
    readonly args: string[];
    readonly env: Record<string, string>;
    readonly cwd: string;
  };
}

afterEach(() => void vi.unstubAllEnvs());

describe("a server", () => {
  it("gets its arguments, its environment and its working directory as they are", async () => {
    vi.stubEnv("MCP_TUNNEL_TOKEN", "secret");
    vi.stubEnv("TAKEN_OUT", "x");
    vi.stubEnv("with.dots-and-dashes", "$x 'y'");
    const cwd = temporaryFolder();
    const args = ["-n", "", "a b", "$HOME `id` $(id)", "\"'\\", "line\nline", "--", "*", "é😀"];
    const test = new TestProcesses({
      command: process.execPath,
      args: ["-e", report, "--", ...args],
      env: { ADDED: "a\nb", TAKEN_OUT: undefined },
      cwd,
    });
    const server = test.open();
    await server.test.until(() => server.messages.length === 1);
    const { params } = JSON.parse(server.messages.join("")) as Report;
    expect(params.args).toEqual(args);
    expect(params.cwd).toBe(cwd);
    expect(params.env).toMatchObject({
      ADDED: "a\nb",
      "with.dots-and-dashes": "$x 'y'",
    });
    const searched = Object.entries(params.env).find(([name]) => name.toUpperCase() === "PATH");
    expect(searched?.[1]).toBe(process.env["PATH"]);
    expect(Object.keys(params.env)).not.toContain("TAKEN_OUT");
    expect(Object.keys(params.env).filter((name) => name.startsWith("MCP_TUNNEL_"))).toEqual([]);
  });

  it.skipIf(onWindows)(
    "is found on its own PATH, whose relative parts begin at its working directory",
    async () => {
      const cwd = temporaryFolder();
      mkdirSync(join(cwd, "bin"));
      mkdirSync(join(cwd, "first", "mine"), { recursive: true });
      writeFileSync(join(cwd, "bin", "mine"), "#!/bin/sh\necho found >&2\n", { mode: 0o755 });
      for (const command of ["mine", "./bin/mine", join(cwd, "bin", "mine")]) {
        const test = new TestProcesses({ command, cwd, env: { PATH: "first:bin" } });
        await test.open().end;
        expect(test.lines("stderr")).toEqual(["found"]);
      }
    },
  );

  it("is started with a variable of the tunnel if the person names it", () => {
    const environment = serverEnvironment({ MCP_TUNNEL_MINE: "1" }, { MCP_TUNNEL_TOKEN: "x", A: "a" });
    expect(environment).toEqual({ A: "a", MCP_TUNNEL_MINE: "1" });
  });

  it("gets variables whose names have no case on Windows", () => {
    const inherited = { Path: "a", mcp_tunnel_token: "x", OTHER: "b" };
    expect(serverEnvironment({ PATH: "c", other: undefined }, inherited, true)).toEqual({ PATH: "c" });
  });
});

// The commands of these tests are those of POSIX. What Windows starts is in windows.test.ts.
describe.skipIf(onWindows)("a server that cannot be started", () => {
  async function endOf(options: Partial<ConstructorParameters<typeof TestProcesses>[0]>) {
    const test = new TestProcesses({ command: "sh", ...options });
    const opened = test.open();
    const end = await opened.end;
    expect(opened.pipe.send("{}")).toBe(true);
    await opened.pipe.end();
    expect(test.events.at(-1)).toMatchObject({ type: "failed", process: 1, ...end });
    return end;
  }

  it("was not found on the PATH", async () => {
    expect(await endOf({ command: "no-such-program", env: { PATH: "/nowhere:/bin" } })).toEqual({
      code: "not_found",
      message:
        "The command 'no-such-program' was not found on the PATH. Install it, or write its whole path. " +
        "The PATH is /nowhere:/bin",
    });
  });

  it.each([
    ["npx -y server", "The command 'npx -y server' was not found on the PATH."],
    ["/opt/npx -y @scope/server", "There is no program '/opt/npx -y @scope/server'."],
  ])("has its arguments in the name: %s", async (command, what) => {
    const advice = " If the words after its first are arguments, write them as such: each by itself.";
    expect(await endOf({ command })).toEqual({ code: "not_found", message: what + advice });
  });

  it("is not where its path says", async () => {
    expect(await endOf({ command: "/no/such/program" })).toEqual({
      code: "not_found",
      message: "There is no program '/no/such/program'.",
    });
  });

  it("has no working directory", async () => {
    expect(await endOf({ cwd: "/no/such/folder" })).toEqual({
      code: "not_started",
      message: "The command 'sh' was not started: its working directory '/no/such/folder' does not exist.",
    });
  });

  it("is no program", async () => {
    const folder = temporaryFolder();
    expect(await endOf({ command: folder })).toEqual({
      code: "not_started",
      message: `'${folder}' is no program.`,
    });
  });

  it("may not be run", async () => {
    const path = join(temporaryFolder(), "program");
    writeFileSync(path, "#!/bin/sh\n");
    chmodSync(path, 0o644);
    const { code, message } = await endOf({ command: path });
    expect(code).toBe("not_started");
    expect(message).toContain(`'${path}' may not be run by this user`);
  });

  it("is run by a program that does not exist", async () => {
    const path = join(temporaryFolder(), "program");
    writeFileSync(path, "#!/no/such/interpreter\n", { mode: 0o755 });
    const { code, message } = await endOf({ command: path });
    expect(code).toBe("not_started");
    expect(message).toBe(`'${path}' has ended with status 127`);
  });

  it("has an argument that none can be", async () => {
    const { code, message } = await endOf({ args: ["a\0b"] });
    expect(code).toBe("not_started");
    expect(message).toContain("was not started");
  });

  it("has more arguments than fit", async () => {
    const { code } = await endOf({ args: ["x".repeat(8_000_000)] });
    expect(code).toBe("not_started");
  });

  it("ends at once, and says why", async () => {
    const server = openShell(`echo "no token" >&2; echo "set TOKEN" >&2; exit 1`);
    const end = await server.end;
    expect(end.code).toBe("exited");
    expect(end.message).toMatch(/' has ended with status 1$/);
    const stderr = ["no token", "set TOKEN"];
    expect(server.test.lines("stderr")).toEqual(stderr);
    expect(server.test.events.at(-1)).toEqual({ type: "failed", process: 1, ...end, stderr });
  });
});
