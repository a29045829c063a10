import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { TestRelay } from "../../packages/client/test/test-relay.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, type RunningCommand } from "../support/commands.js";
import { startRawServer } from "../support/raw-server.js";

// A login keeps a token on the disk, and the command then uses it by itself. Whoever wants the token may try
// to have it sent elsewhere: by a relay that has become another's and redirects, by a name that looks alike,
// or by a person who leaves out the s of https. Or he reads it where it is kept, or where it is shown.

const closing = closingAfterEach();
const token = "s3cret-token-of-ada";
let config: string;
let file: string;
let relay: TestRelay;
beforeEach(async () => {
  config = join(closing(createFolder()).path, "config");
  file = join(config, "mcp-tunnel", "credentials.json");
  relay = closing(await new TestRelay().listen());
  relay.features = "claim";
});

function run(args: readonly string[], input?: string): RunningCommand {
  const env = { XDG_CONFIG_HOME: config, MCP_TUNNEL_STATE_DIR: join(config, "state") };
  return closing(runClient(args, env, input === undefined ? {} : { input }));
}

/** As a login leaves it. */
function keep(...relayUrls: readonly string[]): void {
  const relays = relayUrls.map((url) => ({ relay: url, token }));
  mkdirSync(join(config, "mcp-tunnel"), { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify({ version: 1, relays }), { mode: 0o600 });
}

/** The relay answers a check with this. */
function checkedAs(about: object): void {
  const terms = {
    requiresVisitorAuth: false,
    protocols: [1],
    relay: { version: "1.0.0" },
    resumeTimeoutMs: 60_000,
    maxResponseBody: 1,
  };
  relay.answer = () => ({ say: JSON.stringify({ checked: { ...about, ...terms } }) });
}

describe("a token that is kept", () => {
  it("goes to its own relay", async () => {
    keep(relay.url);
    const client = run(["3000", "--json"]);
    await client.waitForJson({ event: "connected" });
    expect(relay.registrations[0]?.token).toBe(token);
  });

  it("does not go to another relay, nor over plain http if it was kept for https", async () => {
    const { port, url } = relay;
    keep("http://localhost:1", `https://127.0.0.1:${port}`, `${url}/below`, `${url}0`, "https://127.0.0.1");
    const client = run(["3000", "--relay", url, "--json"]);
    await client.waitForJson({ event: "connected" });
    expect(relay.registrations.length).toBe(1);
    expect(JSON.stringify(relay.registrations)).not.toContain(token);
  });

  it.each([302, 308])("does not follow a redirect (%i), at a login and later", async (status) => {
    const reached: string[] = [];
    const elsewhere = closing(await startRawServer(() => reached.push("connected")));
    const to = `http://127.0.0.1:${elsewhere.port}`;
    const said: string[] = [];
    const redirecting = closing(
      await startRawServer((socket) => {
        socket.on("data", (data) => {
          said.push(data.toString("latin1"));
          socket.end(
            `HTTP/1.1 ${status} Moved\r\nLocation: ${to}/_tunnel/register\r\nContent-Length: 0\r\n\r\n`,
          );
        });
      }),
    );
    const from = `http://127.0.0.1:${redirecting.port}`;
    keep(from);
    const kept = readFileSync(file, "utf8");
    const login = run(["login", "--relay", from], "another token");
    const client = run(["3000", "--max-reconnect-time", "1ms"]);
    expect((await login.exited).code).not.toBe(0);
    expect((await client.exited).code).not.toBe(0);
    expect(login.stderr.at(-1)).toContain(`is the relay at ${to} now?`);
    expect(readFileSync(file, "utf8")).toBe(kept);
    expect(said.length).toBeGreaterThan(1);
    // Before the relay has opened the WebSocket, not even the relay is told the token.
    expect(said.join("")).not.toContain("token");
    expect(reached).toEqual([]);
  });

  it.runIf(process.platform === "linux")("is not in the process list, nor in the environment", async () => {
    keep(relay.url);
    const client = run(["3000", "--json"]);
    await client.waitForJson({ event: "connected" });
    for (const name of ["cmdline", "environ"]) {
      const text = readFileSync(`/proc/${client.pid}/${name}`, "utf8");
      expect(text).toContain(name === "cmdline" ? "3000" : "XDG_CONFIG_HOME");
      expect(text).not.toContain(token);
    }
  });

  it("is shown by nothing: no command, no mistake, no refusal", async () => {
    const said: string[] = [];
    const statuses = async (...commands: readonly RunningCommand[]): Promise<(number | null)[]> => {
      const ends = await Promise.all(commands.map((command) => command.exited));
      said.push(...commands.map(({ output }) => output));
      return ends.map(({ code }) => code);
    };
    checkedAs({ subdomain: "demo", url: "https://demo.test", inUse: false });
    expect(await statuses(run(["login", "--relay", relay.url], token))).toEqual([0]);
    expect(await statuses(run(["whoami"]), run(["whoami", "--json"]))).toEqual([0, 0]);
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    const again = run(["login", "--relay", relay.url], token);
    expect(await statuses(again, run(["whoami"]), run(["3000", "--json"]))).toEqual([3, 3, 3]);
    expect(said.at(-1)).toContain("mcp-tunnel-client login has kept the token");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, -5));
    expect(await statuses(run(["3000"]), run(["logout"]))).toEqual([2, 2]);
    expect(said.at(-1)).toContain("is broken");
    expect(said.join("\n")).not.toContain(token);
  });
});

describe.runIf(process.getuid !== undefined)("the file with the token", () => {
  it("can be read by its owner alone, whatever the umask", async () => {
    checkedAs({ subdomain: "demo", url: "https://demo.test", inUse: false });
    const before = process.umask(0);
    const login = run(["login", "--relay", relay.url], token);
    process.umask(before);
    expect((await login.exited).code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(config, "mcp-tunnel")).mode & 0o777).toBe(0o700);
  });

  it("is not used if others can read it: its token may be known", async () => {
    keep(relay.url);
    chmodSync(file, 0o640);
    const client = run(["3000"]);
    // Whoever gives all that is needed does not need the file.
    const given = run(["3000", "--relay", relay.url, "--token", "other", "--json"]);
    expect((await client.exited).code).toBe(2);
    expect(client.stderr).toEqual([
      expect.stringMatching(/^error: .*credentials\.json is open to others .*600/),
    ]);
    await given.waitForJson({ event: "connected" });
    expect(relay.registrations.map((message) => message.token)).toEqual(["other"]);
  });

  it("is not written through a link that somebody has put in its place", async () => {
    keep(relay.url);
    const target = join(config, "target");
    writeFileSync(target, "untouched", { mode: 0o600 });
    rmSync(file);
    symlinkSync(target, file);
    const login = run(["login", "--relay", relay.url, "--token", token]);
    expect((await login.exited).code).not.toBe(0);
    expect(login.stderr.at(-1)).toContain("symbolic link");
    expect(readFileSync(target, "utf8")).toBe("untouched");
  });
});

describe("what a relay says to a login", () => {
  const evil = "\u001b[2J\u009b31mgone\r\nurl: https://evil.test\u202e";

  it("is not obeyed by the terminal", async () => {
    relay.answer = () => ({ close: 4001, reason: evil });
    const login = run(["login", "--relay", relay.url], token);
    expect((await login.exited).code).toBe(3);
    checkedAs({ subdomains: [evil, "*"], refused: { code: 4001, reason: evil } });
    const taken = run(["login", "--relay", relay.url], token);
    expect((await taken.exited).code).toBe(0);
    checkedAs({
      subdomain: evil,
      url: "https://demo.test",
      inUse: true,
      refused: { code: 4001, reason: evil },
    });
    const whoami = run(["whoami"]);
    expect((await whoami.exited).code).toBe(0);
    for (const { output, stdout, stderr } of [login, taken, whoami]) {
      expect(output).not.toMatch(/[\u001b\u009b\u202e\r]/);
      expect([...stdout, ...stderr].filter((line) => line.startsWith("url:"))).toEqual([]);
    }
  });
});
