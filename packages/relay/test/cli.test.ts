import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runRelay, startRelayCommand } from "../../../test/support/commands.js";
import { createProgram, type Failure, failureOf } from "../src/cli/program.js";
import { RawVisitor, ScriptedClient } from "./support.js";

const opened = closingAfterEach();

/** The program runs in this process, because a process for each mistake takes longer than all other tests. */
async function failureFor(args: readonly string[]): Promise<Partial<Failure>> {
  const failure = await createProgram()
    .parseAsync(args, { from: "user" })
    .then(() => undefined, failureOf);
  return failure ?? {};
}

describe("a mistake on the command line", () => {
  const domain = ["--domain", "localhost"];
  it.each<[string, string[], string]>([
    ["no domain", [], "--domain"],
    ["a domain that is a URL", ["--domain", "https://a.test"], "'https://a.test'"],
    ["a port that is none", [...domain, "--port", "http"], "--port"],
    ["a port out of range", [...domain, "--port", "65536"], "--port"],
    ["a negative port", [...domain, "--port=-1"], "--port"],
    ["a static token without a colon", [...domain, "--static-token", "s3cret"], "colon"],
    ["a static token without a token", [...domain, "--static-token", ":app"], "token is empty"],
    ["a static token without a name", [...domain, "--static-token", "s3cret:"], "pattern ''"],
    ["a pattern with two stars", [...domain, "--static-token", "s3cret:a*b*"], "'a*b*'"],
    [
      "two ways to know tokens",
      [...domain, "--static-token", "t:a", "--auth-url", "http://a.test", "--auth-secret", "s"],
      "--static-token",
    ],
    ["a provider without its secret", [...domain, "--auth-url", "http://a.test"], "--auth-secret"],
    ["a secret without its provider", [...domain, "--auth-secret", "s"], "--auth-url"],
    ["a provider that is no URL", [...domain, "--auth-url", "a.test", "--auth-secret", "s"], "'a.test'"],
    ["a size that is none", [...domain, "--max-request-body", "5 m"], "--max-request-body"],
    ["a negative size", [...domain, "--max-response-body=-5"], "--max-response-body"],
    ["a duration that is none", [...domain, "--response-timeout", "1h30m"], "--response-timeout"],
    ["no time at all", [...domain, "--response-timeout", "0"], "--response-timeout"],
    ["a duration beyond what a timer can wait", [...domain, "--shutdown-grace", "600h"], "--shutdown-grace"],
    ["a proxy that is no address", [...domain, "--trusted-proxy", "10.0.0/8"], "'10.0.0/8'"],
    ["a header that is none", [...domain, "--trusted-proxy-headers", "x-real-ip,x_y"], "'x_y'"],
    ["a mode that is none", [...domain, "--interim-to-proxies", "some"], "--interim-to-proxies"],
    ["a URL without the name in it", [...domain, "--public-url", "https://a.test"], "'https://a.test'"],
    [
      "a URL with something unknown in it",
      [...domain, "--public-url", "https://{subdomain}.{host}"],
      "{host}",
    ],
    ["a local port without a name", [...domain, "--local-port", "4001"], "'4001'"],
    ["a local port of a name that is none", [...domain, "--local-port", "a.b=4001"], "'a.b=4001'"],
    ["a local port out of range", [...domain, "--local-port", "a=65536"], "'a=65536'"],
    [
      "two local ports of one name",
      [...domain, "--local-port", "a=1", "--local-port", "A=2"],
      "'A' has two local ports",
    ],
    [
      "one local port of two names",
      [...domain, "--local-port", "a=4001", "--local-port", "b=4001"],
      "both 'a' and 'b'",
    ],
    ["a reserved name that is none", [...domain, "--reserved-names", "a,b_c"], "'b_c'"],
    ["a log format that is none", [...domain, "--log-format", "xml"], "--log-format"],
    ["a log level that is none", [...domain, "--log-level", "loud"], "--log-level"],
    ["an unknown option", [...domain, "--prot", "1"], "--prot"],
    ["an option without its value", ["--domain"], "--domain"],
    ["an argument", [...domain, "8080"], "8080"],
  ])("(%s) gets one clear line and status 2", async (_, args, mention) => {
    const failure = await failureFor(args);
    expect(failure).toEqual({ status: 2, message: expect.stringMatching(/^[^\n]+$/) });
    expect(failure?.message).toContain(mention);
    expect(failure?.message).not.toContain("s3cret");
  });

  it.each<[string, string[], string]>([
    ["a command with a slip", ["stauts"], "unknown command 'stauts' (Did you mean status?)"],
    ["its options", ["stauts", "--json"], "unknown command 'stauts' (Did you mean status?)"],
    ["options before it", ["--port", "0", "Stauts"], "unknown command 'Stauts' (Did you mean status?)"],
    ["a command that does not exist", ["publish"], "unknown command 'publish'; commands are token, status, "],
    ["a port", ["8080"], "unexpected argument '8080': a port is given as --port 8080"],
    [
      "a file",
      ["relay.yaml"],
      "unexpected argument 'relay.yaml': a config file is given as --config relay.yaml",
    ],
    ["a URL", ["https://a.test"], "unexpected argument 'https://a.test'"],
    ["an option with a slip", ["--domian", "a.test"], "unknown option '--domian' (Did you mean --domain?)"],
    ["help of none", ["help", "stauts"], "unknown command 'stauts' (Did you mean status?)"],
  ])("(%s) is told what was probably meant", async (_, args, said) => {
    const { status, message } = await failureFor(args);
    expect(status).toBe(2);
    expect(message?.startsWith(said), message).toBe(true);
    expect(message).toMatch(/ \(see mcp-tunnel --help\)$/);
  });

  it.each<[string[], string]>([
    [["token", "craete"], "unknown command 'craete' (Did you mean create?) (see mcp-tunnel token --help)"],
    [
      ["help", "token", "craete"],
      "unknown command 'craete' (Did you mean create?) (see mcp-tunnel token --help)",
    ],
    [
      ["token", "list", "--jsn"],
      "unknown option '--jsn' (Did you mean --json?) (see mcp-tunnel token list --help)",
    ],
    [["status", "--intervall", "2"], "(Did you mean --interval?) (see mcp-tunnel status --help)"],
    [["config", "check"], "missing required argument 'FILE' (see mcp-tunnel config check --help)"],
  ])("of a subcommand points to its own help: %j", async (args, said) => {
    const { status, message } = await failureFor(args);
    expect(status).toBe(2);
    expect(message?.endsWith(said), message).toBe(true);
  });

  it("is told on stderr, and nothing else", async () => {
    const relay = opened(runRelay([...domain, "--port", "http"]));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr).toEqual([expect.stringMatching(/^error: option '--port <PORT>' argument 'http'/)]);
    expect(relay.stdout).toEqual([]);
  });

  it("is a command without the one that it groups: they are listed", async () => {
    const relay = opened(runRelay(["token"]));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr[0]).toBe("Usage: mcp-tunnel token [options] [command]");
    expect(relay.output).not.toContain("error");
  });

  it("is found in the environment as well", async () => {
    const relay = opened(runRelay(domain, { MCP_TUNNEL_PORT: "x" }));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr).toHaveLength(1);
    expect(relay.stderr[0]).toContain("MCP_TUNNEL_PORT");
  });

  it("is a variable of a switch that says neither yes nor no", async () => {
    const relay = opened(runRelay(domain, { MCP_TUNNEL_REQUIRE_VISITOR_AUTH: "bearer" }));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr).toEqual(["error: MCP_TUNNEL_REQUIRE_VISITOR_AUTH must be true or false"]);
  });

  it("does not open the relay to everybody: tokens of the environment that are none", async () => {
    const relay = opened(runRelay(domain, { MCP_TUNNEL_STATIC_TOKEN: " ; " }));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr[0]).toContain("MCP_TUNNEL_STATIC_TOKEN");
  });

  it("such as a port that is taken, gets status 1", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    opened(taken);
    await once(taken, "listening");
    const port = String((taken.address() as AddressInfo).port);
    const relay = opened(runRelay([...domain, "--host", "127.0.0.1", "--port", port]));
    expect((await relay.exited).code).toBe(1);
    expect(relay.stderr).toEqual([
      `error: cannot listen on 127.0.0.1, port ${port}: another program listens there; ` +
        "stop it or choose another port",
    ]);
    const local = opened(
      runRelay([...domain, "--host", "127.0.0.1", "--port", "0", "--local-port", `a=${port}`]),
    );
    expect((await local.exited).code).toBe(1);
    expect(local.stderr).toEqual([expect.stringContaining("stop it or choose another local port")]);
  });
});

describe("the command", () => {
  it("explains itself", async () => {
    const help = opened(runRelay(["--help"]));
    expect((await help.exited).code).toBe(0);
    const text = help.stdout.join("\n");
    for (const flag of [
      "--domain <DOMAIN>",
      "--port <PORT>",
      "--static-token <TOKEN:SUB[,SUB...]>",
      "--auth-url <URL>",
      "--auth-secret <SECRET>",
      "--max-request-body <BYTES>",
      "--max-response-body <BYTES>",
      "MCP_TUNNEL_MAX_REQUEST_BODY",
      "Examples:",
    ]) {
      expect(text).toContain(flag);
    }
    // The help is read on terminals of 80 columns.
    expect(help.stdout.filter((line) => line.length > 80)).toEqual([]);
    const short = opened(runRelay(["-h"]));
    expect((await short.exited).code).toBe(0);
    expect(short.stdout).toEqual(help.stdout);
  });

  it("explains its commands, and those below them", async () => {
    const help = opened(runRelay(["help", "token", "create"]));
    expect((await help.exited).code).toBe(0);
    expect(help.stdout[0]).toBe("Usage: mcp-tunnel token create [options]");
    expect(help.stdout.filter((line) => line.length > 80)).toEqual([]);
  });

  it("tells its version", async () => {
    const version = opened(runRelay(["--version"]));
    expect((await version.exited).code).toBe(0);
    expect(version.stdout).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+/)]);
    const short = opened(runRelay(["-V"]));
    expect((await short.exited).code).toBe(0);
    expect(short.stdout).toEqual(version.stdout);
  });

  it("warns that it is open", async () => {
    const relay = opened(await startRelayCommand());
    const warning = await relay.waitFor("warning", () => relay.json.find((line) => line["level"] === 40));
    expect(warning["msg"]).toContain("open mode");
  });

  it("says how to run the client on the machine that it is alone for", async () => {
    const relay = opened(await startRelayCommand());
    const line = await relay.waitForJson({ msg: "the client, on this machine" });
    expect(line["command"]).toBe(
      `mcp-tunnel-client 3000 --relay http://localhost:${relay.port} --subdomain myapp`,
    );
  });

  it("reads its options from the environment, empty ones aside", async () => {
    const relay = opened(
      await startRelayCommand([], {
        MCP_TUNNEL_STATIC_TOKEN: "one:app\ntwo:dev-*,x ; three:y",
        MCP_TUNNEL_AUTH_URL: "",
      }),
    );
    const listening = await relay.waitForJson({ msg: "listening" });
    expect(listening).toMatchObject({ auth: "static", domain: "localhost" });
    const client = opened(await ScriptedClient.connect(relay.port));
    client.send({ token: "two", subdomain: "dev-1" });
    expect(await client.next()).toEqual({
      subdomain: "dev-1",
      url: `http://dev-1.localhost:${relay.port}`,
    });
    const stranger = opened(await ScriptedClient.connect(relay.port));
    stranger.send({ token: "s3cret of a stranger" });
    expect((await stranger.closed).code).toBe(4001);
    await relay.waitForJson({ msg: "registration refused" });
    expect(relay.output).not.toContain("s3cret");
  });

  it("ends with status 0 when it is told to, and so do its tunnels", async () => {
    const relay = opened(await startRelayCommand());
    const client = opened(await ScriptedClient.registered(relay.port, { token: "t", subdomain: "app" }));
    // A service manager's "reload", which finds nothing to read again, is no reason to end.
    relay.child.kill("SIGHUP");
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("GET / HTTP/1.1\nHost: nobody.localhost\nConnection: close");
    expect(await visitor.all()).toContain("502");
    relay.child.kill("SIGTERM");
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect((await client.closed).code).toBe(1001);
    expect(relay.json.at(-1)).toMatchObject({ msg: "stopped" });
    expect(relay.stderr).toEqual([]);
  });

  it("waits for what is open when it is told to end, and cuts it when it is told again", async () => {
    const relay = opened(await startRelayCommand(["--shutdown-grace", "10m"]));
    const client = opened(await ScriptedClient.registered(relay.port, { token: "t", subdomain: "app" }));
    const visitor = opened(new RawVisitor(relay.port));
    visitor.request("GET /never HTTP/1.1");
    await client.next();
    relay.child.kill("SIGTERM");
    await relay.waitForJson({ msg: "shutting down" });
    relay.child.kill("SIGINT");
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect(await visitor.all()).toMatch(/^HTTP\/1.1 503 .*tunnel draining$/s);
    await relay.waitForJson({ msg: "cutting what is open", signal: "SIGINT" });
  });

  it("writes one line per request, with no query and no token", async () => {
    const pretty = opened(
      runRelay(["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--log-format", "pretty"]),
    );
    const listening = await pretty.waitFor("port", () =>
      pretty.stdout.find((line) => line.includes("listening")),
    );
    const port = Number(/listening on 127\.0\.0\.1:(\d+) /.exec(listening)?.[1]);
    const client = opened(await ScriptedClient.registered(port, { token: "s3cret", subdomain: "app" }));
    void client.serve("ok");
    const visitor = opened(new RawVisitor(port));
    visitor.socket.write(
      "GET /x?s3cret HTTP/1.1\r\nHost: app.localhost\r\nAuthorization: s3cret\r\nConnection: close\r\n\r\n",
      "latin1",
    );
    expect(await visitor.all()).toMatch(/ok$/);
    const line = await pretty.waitFor("request", () => pretty.stdout.find((text) => text.includes("GET")));
    expect(line).toMatch(/INFO: app GET \/x 200 2 B [\d.]+ ms from 127\.0\.0\.1$/);
    expect(pretty.output).not.toContain("s3cret");
  });
});
