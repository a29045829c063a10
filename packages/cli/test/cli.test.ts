import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import type { RunningCommand } from "../../../test/support/commands.js";
import { startRawServer } from "../../../test/support/raw-server.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { endedBy, onWindows } from "../../../test/support/systems.js";
import type { Upstream } from "../../../test/support/upstream.js";
import { nameFault, pickAtTerminal } from "../src/tunnel/pick.js";
import { printable } from "mcp-tunnel-shared";
import { visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";

const closing = closingAfterEach();

function run(args: readonly string[], env?: NodeJS.ProcessEnv): RunningCommand {
  return closing(runClient(args, env));
}

// Those that many make are in test/commands/mistakes.test.ts.
describe("mistakes on the command line", () => {
  const mistakes: [string[], RegExp, NodeJS.ProcessEnv?][] = [
    [
      ["service", "--relay", "x"],
      /'service' is invalid.*port, such as 3000, host:port, such as localhost:3000 or \[::1\]:3000, or http/,
    ],
    [["http://localhost/app", "--relay", "x"], /nothing else: paths pass unchanged/],
    [["3000", "--relay", ""], /relay URL is empty/],
    [["3000", "--relay"], /argument missing/],
    [["node", "server.js"], /too many arguments.*; an MCP server's command goes to the end/],
    [["3000", "--relay", "x", "--strict-subdomain"], /--strict-subdomain has no effect without --subdomain/],
    [["3000", "--relay", "x", "--takeover", "now"], /--takeover.*never, ask, always/],
    [["login", "--relay", "ftp://x", "--token", "t"], /scheme 'ftp'/],
    [["login", "--token", "t"], /no relay is given/],
    [["login", "now"], /too many arguments.*\(see mcp-tunnel-client login --help\)/],
    [["logout"], /no token is kept: there was no login/],
    [["logout", "--relay", "x"], /no token is kept for https:\/\/x$/],
    [["whoami"], /no relay is given/],
    [["3000", "--relay", "x", "--host-header", "a b"], /host header 'a b'/],
    [["3000", "--relay", "x", "--host-header", "Rewrite"], /host header 'Rewrite' is neither 'rewrite' nor/],
    [["3000", "--relay", "x", "--origin", "other"], /--origin.*keep, rewrite, drop/],
    [["3000", "--relay", "x", "--forwarded-headers", "port"], /forwarded headers are 'all', 'none' or some/],
    [["3000", "--relay", "x", "--oauth-metadata", "drop"], /--oauth-metadata.*rewrite, keep/],
    [["3000", "--relay", "x", "--max-reconnect-time", "soon"], /--max-reconnect-time.*number with a unit/],
    [
      ["3000", "--relay", "x", "--max-response-head", "257KiB"],
      /such as 64KiB.*at least \w+, at most 256KiB\)/,
    ],
    [
      ["3000"],
      /MCP_TUNNEL_CLIENT_JSON must be true or false/,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_CLIENT_JSON: "maybe", MCP_TUNNEL_JSON: "on" },
    ],
    [
      ["3000"],
      /MCP_TUNNEL_SHUTDOWN_GRACE.*number with a unit/s,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_SHUTDOWN_GRACE: "x" },
    ],
    [
      ["3000"],
      /'port' from env 'MCP_TUNNEL_FORWARDED_HEADERS' is invalid\. the forwarded headers are 'all'/,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_FORWARDED_HEADERS: "port" },
    ],
    [
      ["3000"],
      /'port' from env 'MCP_TUNNEL_CLIENT_FORWARDED_HEADERS' is invalid/,
      {
        MCP_TUNNEL_RELAY: "x",
        MCP_TUNNEL_CLIENT_FORWARDED_HEADERS: "port",
        MCP_TUNNEL_FORWARDED_HEADERS: "all",
      },
    ],
    [
      ["3000"],
      /MCP_TUNNEL_TOKEN and MCP_TUNNEL_CLIENT_TOKEN_FILE exclude each other/,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_TOKEN: "t", MCP_TUNNEL_CLIENT_TOKEN_FILE: "f" },
    ],
    [
      ["3000"],
      /'a b' from env 'MCP_TUNNEL_HOST_HEADER' is invalid/,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_HOST_HEADER: "a b" },
    ],
    [
      ["3000"],
      /cannot read MCP_TUNNEL_CLIENT_TOKEN_FILE: ENOENT/,
      { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_CLIENT_TOKEN_FILE: "no-such-file" },
    ],
    // An empty variable counts as none.
    [["3000"], /no relay is given/, { MCP_TUNNEL_RELAY: "", MCP_TUNNEL_CLIENT_RELAY: "" }],
    [
      ["--inspect", "3000", "--relay", "x"],
      /such as 127\.0\.0\.1:3000\. If 3000 is the service, put it first: mcp-tunnel-client 3000 --inspect/,
    ],
    [
      ["3000", "--relay", "x", "--inspect", "example.com:4040"],
      /an address of this machine alone and a port/,
    ],
    [["3000", "--relay", "x", "--inspect", "127.0.0.1:65536"], /an address of this machine alone and a port/],
    [["3000", "--relay", "x", "--inspect", "::1:4040"], /an address of this machine alone and a port/],
    [["3000"], /MCP_TUNNEL_INSPECT.*is invalid/, { MCP_TUNNEL_RELAY: "x", MCP_TUNNEL_INSPECT: "maybe" }],
    [["3000", "--relay", "x", "--record", ""], /--record names no file/],
  ];
  it.each(mistakes)("%j: one line, and status 2", async (args, message, env) => {
    const command = run(args, env);
    expect(await command.exited).toEqual({ code: 2, signal: null });
    expect(command.stderr.length, command.output).toBe(1);
    expect(command.stderr[0]).toMatch(/^error: /);
    expect(command.stderr[0]).toMatch(message);
    expect(command.stdout).toEqual([]);
  });

  it("are not --help and --version", async () => {
    const help = run(["--help"]);
    expect(await help.exited).toEqual({ code: 0, signal: null });
    for (const word of ["--relay", "MCP_TUNNEL_TOKEN", "Exit status", "Examples"])
      expect(help.output).toContain(word);
    const version = run(["--version"]);
    expect(await version.exited).toEqual({ code: 0, signal: null });
    expect(version.stdout[0]).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("a running client", () => {
  let relay: TestRelay;
  let upstream: Upstream;
  beforeEach(async () => {
    upstream = closing(await startUpstream());
    relay = closing(await new TestRelay().listen());
  });

  it("prints the URL, a line for each request, and what went wrong", async () => {
    // Not a terminal: no colours, although a CI asks for some.
    const client = run([String(upstream.port), "--relay", relay.url, "--subdomain", "demo"], { CI: "true" });
    await client.waitFor("the URL", () =>
      client.stdout.find((line) => line.includes("https://demo.relay.test")),
    );
    expect(client.output).toContain(`-> http://localhost:${upstream.port}`);
    await visit(relay.session as never, { path: "/status/404" }).complete();
    await client.waitFor("a request", () =>
      client.stdout.find((line) => /^\d\d:\d\d:\d\d GET {2}\/status\/404 404 [\d.]+ ms$/.test(line)),
    );
    await upstream.close();
    await visit(relay.session as never, { path: "/" }).cut();
    await client.waitFor("a failure", () =>
      client.stdout.find((line) => line.includes("connection refused")),
    );
    relay.cut();
    await client.waitFor("the loss", () => client.stderr.find((line) => line.startsWith("disconnected: ")));
    await client.waitFor("the return", () =>
      client.stdout.find((line) => line === "connected again, nothing lost"),
    );
    client.child.kill("SIGINT");
    expect(await client.exited).toEqual(endedBy("SIGINT", 0));
    upstream = closing(await startUpstream(upstream.port));
  });

  it("prints one JSON object per event with --json", async () => {
    const client = run([`127.0.0.1:${upstream.port}`], {
      MCP_TUNNEL_RELAY: relay.url,
      MCP_TUNNEL_TOKEN: "from the environment",
      MCP_TUNNEL_SUBDOMAIN: "demo",
      MCP_TUNNEL_JSON: "1",
    });
    expect(await client.waitForJson({ event: "connected" })).toEqual({
      event: "connected",
      url: "https://demo.relay.test",
      subdomain: "demo",
      wire: "v1",
      resumed: false,
    });
    expect(relay.registrations[0]?.token).toBe("from the environment");
    await visit(relay.session as never, {
      method: "POST",
      path: "/echo?q=1",
      body: Buffer.from("hello"),
    }).complete();
    expect(await client.waitForJson({ event: "request" })).toEqual({
      event: "request",
      method: "POST",
      path: "/echo?q=1",
      status: 200,
      durationMs: expect.any(Number),
      bytes: 5,
      requestBytes: 5,
      id: 1,
      kind: "http",
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    relay.cut();
    await client.waitForJson({ event: "disconnected", code: "session_lost" });
    await client.waitForJson({ event: "reconnecting", attempt: 1 });
    await client.waitForJson({ event: "connected", resumed: true });
    expect(client.stdout.length).toBe(client.json.length);
    expect(client.stderr).toEqual([]);
  });

  it("tells once that metadata is signed", async () => {
    const body = (port: number) =>
      JSON.stringify({ resource: `http://localhost:${port}/`, signed_metadata: "x" });
    const service = closing(
      await startRawServer((socket) => {
        socket.on("data", () => {
          const text = body(service.port);
          const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`;
          socket.write(`${head}\r\n\r\n${text}`);
        });
      }),
    );
    const path = "/.well-known/oauth-protected-resource";
    const message =
      `${path} is signed, so visitors are told http://localhost:${service.port}, ` +
      "where they cannot reach the service: set its public URL to https://demo.relay.test";
    const person = run([String(service.port), "--relay", relay.url, "--subdomain", "demo"]);
    await person.waitFor("the URL", () => person.stdout.find((line) => line.includes("demo.relay.test")));
    for (const _ of [1, 2]) await visit(relay.session as never, { path }).complete();
    await person.waitFor("both requests", () => person.stdout.filter((line) => line.includes(path))[1]);
    // The warning comes over another pipe, which may be read later. The rest of that pipe comes before the
    // end.
    await person.waitFor("the warning", () => person.stderr[0]);
    await person.close();
    expect(person.stderr.filter((line) => line.includes("warning"))).toEqual([`warning: ${message}`]);

    const program = run([String(service.port), "--relay", relay.url, "--subdomain", "demo", "--json"]);
    await program.waitForJson({ event: "connected" });
    await visit(relay.session as never, { path }).complete();
    expect(await program.waitForJson({ event: "warning" })).toEqual({
      event: "warning",
      code: "signed_metadata",
      message,
    });
  });

  it.skipIf(onWindows)("lets open requests finish on SIGTERM, and cuts them on a second one", async () => {
    const client = run([String(upstream.port), "--relay", relay.url, "--json"]);
    await client.waitForJson({ event: "connected" });
    const slow = visit(relay.session as never, { path: "/slow?ms=500" });
    await upstream.nextRequest();
    client.child.kill("SIGTERM");
    await client.waitForJson({ event: "closing", openRequests: 1 });
    expect((await slow.complete()).text).toBe("slow\n");
    expect(await client.exited).toEqual({ code: 0, signal: null });

    const other = run([String(upstream.port), "--relay", relay.url, "--json"]);
    await other.waitForJson({ event: "connected" });
    visit(relay.session as never, { path: "/hang" });
    await upstream.nextRequest();
    other.child.kill("SIGTERM");
    await other.waitForJson({ event: "closing" });
    const aborted = upstream.nextAbort();
    other.child.kill("SIGTERM");
    await aborted;
    expect(await other.exited).toEqual({ code: 0, signal: null });
  });

  // The lines about its end fail too, and must not be taken for another reason to end.
  it("ends when nobody reads its lines any more", async () => {
    await relay.close();
    const client = run([String(upstream.port), "--relay", relay.url, "--json"]);
    await client.waitForJson({ event: "reconnecting" });
    client.child.stdout?.destroy();
    client.child.stderr?.destroy();
    expect(await client.exited).toEqual({ code: 0, signal: null });
  });

  it("ends with 3 when refused, 4 when evicted, 1 when the relay stays away", async () => {
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    const refused = run([String(upstream.port), "--relay", relay.url, "--json", "--token", "t"]);
    expect(await refused.exited).toEqual({ code: 3, signal: null });
    expect(refused.json).toEqual([
      { event: "error", code: "refused", message: expect.stringContaining("invalid token") },
    ]);

    relay.answer = () => ({ accept: "demo" });
    const evicted = run([String(upstream.port), "--relay", relay.url, "--json"]);
    await evicted.waitForJson({ event: "connected" });
    relay.session?.close(4002, "evicted: another client registered with the same tunnel");
    expect(await evicted.exited).toEqual({ code: 4, signal: null });
    expect(evicted.json.at(-1)).toMatchObject({ event: "evicted" });

    await relay.crash();
    const alone = run([String(upstream.port), "--relay", relay.url, "--max-reconnect-time", "200ms"]);
    expect(await alone.exited).toEqual({ code: 1, signal: null });
    expect(alone.stderr.at(-1)).toMatch(
      /^error: cannot reach the relay at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/,
    );
  });

  it("says what could be picked where nobody can be asked", async () => {
    relay.answer = () => ({ offer: ["app-*", "other"] });
    const client = run([String(upstream.port), "--relay", relay.url]);
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([expect.stringMatching(/'app-\*', 'other'.*subdomain/)]);
  });

  it("takes the token from a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mcp-tunnel-client-"));
    closing({ close: () => rm(folder, { recursive: true }) });
    const file = join(folder, "token");
    await writeFile(file, "s3cret\n");
    // The command line wins over the environment.
    const client = run([String(upstream.port), "--relay", relay.url, "--json", "--token-file", file], {
      MCP_TUNNEL_TOKEN: "other",
    });
    await client.waitForJson({ event: "connected" });
    expect(relay.registrations[0]?.token).toBe("s3cret");
  });

  it("does not obey what visitors and relays say", async () => {
    relay.answer = () => ({ close: 4001, reason: "\u001b[2Jgone\r\nurl: https://evil.test" });
    const client = run([String(upstream.port), "--relay", relay.url]);
    expect((await client.exited).code).toBe(3);
    expect(client.output).not.toContain("\u001b");
    expect(client.stderr.length).toBe(1);
    expect(printable("a\u009bb\u202ec\u2028d é 漢")).toBe("a\\u009bb\\u202ec\\u2028d é 漢");
  });
});

describe("picking at a terminal", () => {
  it("does not ask where there is no choice", async () => {
    expect(await pickAtTerminal(["only"])).toBe("only");
    await expect(pickAtTerminal([])).rejects.toMatchObject({ code: "refused" });
  });

  it.each([
    ["app-x", "app-*", true],
    ["app-", "app-*", false],
    ["x-app", "app-*", false],
    ["pr-1-corp", "pr-*-corp", true],
    ["pr-corp", "pr-*-corp", false],
    ["anything", "*", true],
    ["-x", "*", false],
    ["a.b", "*", false],
    ["x".repeat(64), "*", false],
  ])("%s for %s: %s", (name, pattern, fits) => {
    expect(nameFault(name, pattern) === undefined).toBe(fits);
  });
});
