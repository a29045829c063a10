import { TunnelError } from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import type { Folder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import { onWindows } from "../../../test/support/systems.js";
import type { CliCommand } from "../src/commands/command.js";
import { config } from "../src/commands/config.js";
import { start } from "../src/commands/start.js";
import type { CommandOutput } from "../src/output/output.js";

// Configurations of the client that cannot work. `config check` and `start` tell everything that is wrong
// with each, with its line. Nothing is started and no relay is asked.

/** A config file, and all that is told of it. FOLDER stands for its folder, `file:` for its path. */
interface Broken {
  readonly yaml: string;
  readonly told: readonly string[];
}

const closing = closingAfterEach();
let folder: Folder;
beforeEach(() => {
  folder = closing(createFolder());
  for (const name of Object.keys(process.env)) if (/^MCP_TUNNEL_|_proxy$/i.test(name)) vi.stubEnv(name, "");
  vi.stubEnv("XDG_CONFIG_HOME", folder.path);
  vi.stubEnv("APPDATA", folder.path);
  vi.stubEnv("PATH", folder.path);
  folder.write("keys", "laptop:abcdefghijklmnop\n");
  folder.write("short", "# keys\nshort\nother:tiny\n");
  folder.write("users", "nobody\n");
  folder.write("empty", "\n");
  folder.write("token", "s3cret\n");
  folder.write(
    "mcp.json",
    JSON.stringify({
      mcpServers: {
        lost: { command: "no-such-program" },
        away: { command: process.execPath, cwd: "no-such-folder" },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: hosts put variables in.
        unset: { command: process.execPath, args: ["${NO_SUCH_A}"], env: { KEY: "${env:NO_SUCH_B}" } },
        neither: {},
        old: { type: "sse", url: "http://localhost:3000/sse" },
        known: { url: "https://x.test/mcp", headers: { Authorization: "s3cret" } },
      },
    }),
  );
  folder.write("broken.json", "{mcpServers:");
});
afterEach(() => vi.unstubAllEnvs());

const broken: Readonly<Record<string, Broken>> = {
  "keys that are none, and values that are none": {
    yaml: "tunnels:\n  web:\n    relay: x\n    lokal: 3000\n    host-haeder: x\n    origin: maybe\n  api: {relay: x, port: 1}\n",
    told: [
      "file:4: unknown key 'tunnels.web.lokal'; did you mean 'local'?",
      "file:5: unknown key 'tunnels.web.host-haeder'; did you mean 'host-header'?",
      "file:6: tunnels.web.origin: Allowed choices are keep, rewrite, drop.",
      "file:7: unknown key 'tunnels.api.port'; did you mean 'local'?",
    ],
  },
  "no relay, and two things to serve": {
    yaml: "tunnels:\n  web:\n    local: 3000\n    command: [node]\n    visitor-auth: basic\n",
    told: [
      "file:2: web: no relay is given: add --relay <url>, set MCP_TUNNEL_RELAY, or keep one with mcp-tunnel-client login",
      "file:4: web: a tunnel has one of the keys local, command and mcp-config",
      "file:5: web: --visitor-auth basic lets nobody in: add --visitor-user-file <path>, or --visitor-user",
    ],
  },
  "relays whose URLs are none, one for several": {
    yaml: "defaults: {relay: 'ftp://x'}\ntunnels:\n  web: {local: 3000}\n  api: {local: 3001}\n  other: {local: 1, relay: 'https://u:s3cret@x', proxy: 'socks://y'}\n",
    told: [
      "file:1: defaults: the relay URL 'ftp://x' has the scheme 'ftp': use https, http, wss or ws",
      "file:5: other: the relay URL 'https://x' may hold a scheme, a host, a port and a path, and nothing else",
      "file:5: other: the proxy 'socks://y' is not the URL of an HTTP proxy, such as http://proxy.lan:3128",
    ],
  },
  "a local service that is none, beside a token that is there twice": {
    yaml: "tunnels:\n  web: {relay: x, local: 70000, token: s3cret, token-file: token}\n",
    told: [
      "file:2: web: --token and --token-file exclude each other",
      "file:2: web: port is 70000; it must be a whole number from 1 to 65535",
    ],
  },
  "files that are not there, all at once": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    token-file: none\n    visitor-auth: bearer,basic\n    visitor-key-file: none-2\n    visitor-user-file: none-3\n",
    told: [
      "file:5: web: cannot read --token-file: ENOENT: no such file or directory, open 'FOLDER/none'",
      "file:7: web: cannot read --visitor-key-file: ENOENT: no such file or directory, open 'FOLDER/none-2'",
      "file:8: web: cannot read --visitor-user-file: ENOENT: no such file or directory, open 'FOLDER/none-3'",
    ],
  },
  "files that hold nothing, or nothing of use": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    token-file: empty\n    visitor-auth: bearer,basic\n    visitor-key-file: short\n    visitor-user-file: users\n",
    told: [
      "file:5: web: --token-file FOLDER/empty is empty",
      "file:7: web: line 2 of --visitor-key-file FOLDER/short: a key has at least 16 visible characters of ASCII, without spaces",
      "file:7: web: line 3 of --visitor-key-file FOLDER/short: a key has at least 16 visible characters of ASCII, without spaces",
      "file:8: web: line 1 of --visitor-user-file FOLDER/users is not NAME:PASSWORD",
    ],
  },
  "a folder for a file": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    token-file: .\n    visitor-auth: bearer\n    visitor-key-file: .\n",
    told: [
      "file:5: web: token-file: FOLDER is not a regular file",
      "file:7: web: visitor-key-file: FOLDER is not a regular file",
    ],
  },
  "two tunnels of one name": {
    yaml: "defaults: {relay: x}\ntunnels:\n  web: {local: 3000}\n  api: {local: 3000, subdomain: web}\n  other: {local: 3000, subdomain: a.b}\n",
    told: [
      "file:4: api: 'web' at x is already the name of the tunnel 'web'",
      "file:5: tunnels.other.subdomain: the subdomain 'a.b' is not a name: up to 63 letters, digits and inner hyphens",
    ],
  },
  "names that no relay takes": {
    yaml: "tunnels:\n  my.app: {relay: x, local: 3000}\n  a/b: {relay: x, local: 3000}\n",
    told: [
      "file:2: my.app: the subdomain 'my.app' is not a name: up to 63 letters, digits and inner hyphens: the tunnel needs a 'subdomain'",
      "file:3: a/b: the name of a tunnel has 1 to 63 letters, digits, dots, hyphens and underscores",
    ],
  },
  "a program that is not there, and a folder in its place": {
    yaml: "defaults: {relay: x}\ntunnels:\n  tools: {command: [no-such-program, --x]}\n  path: {command: [/no/such/program]}\n  folder: {command: [FOLDER]}\n  text: {command: npx server}\n",
    told: [
      "file:3: tools: The command 'no-such-program' was not found on the PATH. Install it, or write its whole path. The PATH is FOLDER",
      "file:4: path: There is no program '/no/such/program'.",
      "file:5: folder: 'FOLDER' is no program.",
      "file:6: text: command: has to be a list, such as [npx, -y, server]",
    ],
  },
  "MCP servers that cannot be started or read": {
    yaml: "tunnels:\n  desktop:\n    relay: x\n    mcp-config: mcp.json\n    server: [lost, away, unset, neither, old]\n",
    told: [
      "file:4: desktop: FOLDER/mcp.json: the server 'unset': args.0 uses ${NO_SUCH_A}, and the environment has no variable NO_SUCH_A: set it, or write ${NO_SUCH_A:-default}",
      "file:4: desktop: FOLDER/mcp.json: the server 'unset': env.KEY uses ${env:NO_SUCH_B}, and the environment has no variable NO_SUCH_B: set it, or write ${NO_SUCH_B:-default}",
      "file:4: desktop: FOLDER/mcp.json: the server 'neither': it has neither 'command' nor 'url': one of them says what the server is",
      "file:4: desktop: FOLDER/mcp.json: the server 'old': type is 'sse', the transport of 2024-11-05, which does not work below another path: forward that server alone, with mcp-tunnel-client <host:port>",
      "file:4: desktop: FOLDER/mcp.json: the server 'lost': The command 'no-such-program' was not found on the PATH. Install it, or write its whole path. The PATH is FOLDER",
      "file:4: desktop: FOLDER/mcp.json: the server 'away': The command 'NODE' was not started: its working directory 'FOLDER/no-such-folder' does not exist.",
    ],
  },
  "a server elsewhere that knows the person, for everybody": {
    yaml: "tunnels:\n  desktop:\n    relay: x\n    mcp-config: mcp.json\n    server: [known, lost]\n    visitor-auth: none\n",
    told: [
      "file:4: desktop: FOLDER/mcp.json: the server 'lost': The command 'no-such-program' was not found on the PATH. Install it, or write its whole path. The PATH is FOLDER",
      "file:6: desktop: FOLDER/mcp.json: the server 'known' has 'headers': without a proof of visitors everybody could use that server as you. Leave --visitor-auth at its default, or name the servers that everybody may use: --server <name>",
    ],
  },
  "servers and files of servers that are not there": {
    yaml: "defaults: {relay: x}\ntunnels:\n  a: {mcp-config: none.json}\n  b: {mcp-config: broken.json}\n  c: {mcp-config: mcp.json, server: other}\n  d: {local: 1, server: other}\n",
    told: [
      "file:3: a: cannot read the MCP servers in FOLDER/none.json: ENOENT: no such file or directory, open 'FOLDER/none.json'",
      "file:4: b: FOLDER/broken.json is not JSON: invalid symbol at line 1, column 2",
      "file:5: c: FOLDER/mcp.json has no server 'other'; it has 'lost', 'away', 'unset', 'neither', 'old', 'known'",
      "file:6: d: --server names a server in a file: add --mcp-config <file>",
    ],
  },
  "a gate that contradicts itself": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    visitor-auth: oauth\n    visitor-key-file: keys\n    visitor-user: 'a:s3cret'\n    allow-email: a@b.test\n    oidc-client-id: x\n",
    told: [
      "file:6: web: --visitor-key-file has no effect without --visitor-auth bearer",
      "file:7: web: --visitor-user has no effect without --visitor-auth basic",
      "file:8: web: --allow-email has no effect without --oidc-issuer",
      "file:9: web: --oidc-client-id has no effect without --oidc-issuer",
    ],
  },
  "a provider that lets nobody in": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    visitor-auth: oauth\n    oidc-issuer: https://id.test\n    oidc-client-secret-file: none\n",
    told: [
      "file:6: web: --oidc-issuer needs --oidc-client-id",
      "file:6: web: --oidc-issuer lets nobody in: say whom, by --allow-email <address>",
      "file:7: web: cannot read --oidc-client-secret-file: ENOENT: no such file or directory, open 'FOLDER/none'",
    ],
  },
  "a gate for nobody, and addresses that are none": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    visitor-auth: basic\n    allow-ip: [nowhere, 10.0.0.0/33]\n",
    told: [
      "file:5: web: --visitor-auth basic lets nobody in: add --visitor-user-file <path>, or --visitor-user",
      "file:6: web: the allowed address 'nowhere' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8",
    ],
  },
  "a pool that is none": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    pool: true\n    visitor-auth: oauth\n",
    told: [
      "file:5: web: --pool needs a token, by which the clients of a pool know one another: add --token-file",
      "file:6: web: --pool cannot be used with --visitor-auth oauth: each client knows only the visitors that it has let in itself. Use --visitor-auth bearer or basic, with the same keys for all of them (--visitor-key-file)",
    ],
  },
  "options that have no effect": {
    yaml: "defaults: {relay: x}\ntunnels:\n  web: {local: 3000, stdio-idle: 5m, stdio-sessions: 3}\n  tools: {command: [FOLDER/run], host-header: x, oauth-metadata: keep}\n",
    told: [
      "file:3: web: --stdio-sessions has no effect without --stdio or --mcp-config",
      "file:3: web: --stdio-idle has no effect without --stdio or --mcp-config",
      "file:4: tools: --host-header has no effect with --stdio: no HTTP goes to that server",
      "file:4: tools: --oauth-metadata has no effect with --stdio: no HTTP goes to that server",
      "file:4: tools: There is no program 'FOLDER/run'.",
    ],
  },
  "certificates that are none, and fields that no relay takes": {
    yaml: "tunnels:\n  web:\n    local: 3000\n    relay: ftp://x\n    relay-ca: none.pem\n    service-ca: keys\n    relay-header: [s3cret, 'Host: x', 'X-A: 1', 'x-a: 2']\n  api:\n    local: https://localhost:8443\n    relay: http://x\n    relay-ca: keys\n    service-ca: keys\n    relay-header-file: users\n  none:\n    relay: x\n    service-ca: users\n",
    told: [
      "file:4: web: the relay URL 'ftp://x' has the scheme 'ftp': use https, http, wss or ws",
      "file:5: web: cannot read --relay-ca: ENOENT: no such file or directory, open 'FOLDER/none.pem'",
      "file:6: web: --service-ca has no effect with http://localhost:3000, which has no TLS",
      "file:7: web: --relay-header, number 1 is not 'Name: value'",
      "file:7: web: --relay-header, number 2: the field 'Host' cannot be given: the client writes it itself, or the relay would refuse it",
      "file:7: web: --relay-header, number 4: the field 'x-a' is there twice",
      "file:11: api: --relay-ca has no effect with http://x, which has no TLS",
      "file:12: api: --service-ca has no certificate in PEM form (-----BEGIN CERTIFICATE-----): FOLDER/keys",
      "file:13: api: line 1 of --relay-header-file FOLDER/users is not 'Name: value'",
      "file:14: none: a tunnel has one of the keys local, command and mcp-config",
      "file:16: none: --service-ca has no certificate in PEM form (-----BEGIN CERTIFICATE-----): FOLDER/users",
    ],
  },
  "sizes and times out of their range": {
    yaml: "tunnels:\n  web:\n    relay: x\n    local: 3000\n    max-response-head: 1\n    shutdown-grace: soon\n    max-reconnect-time: 600h\n    takeover: maybe\n",
    told: [
      "file:5: tunnels.web.max-response-head: It takes a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes (at least 1KiB, at most 256KiB).",
      "file:6: tunnels.web.shutdown-grace: It takes a number with a unit, such as 500ms, 90s, 1.5m, 2h or 1d; without one it is seconds (at most 24d).",
      "file:7: tunnels.web.max-reconnect-time: It takes a number with a unit, such as 500ms, 90s, 1.5m, 2h or 1d; without one it is seconds (at most 24d).",
      "file:8: tunnels.web.takeover: Allowed choices are never, ask, always.",
    ],
  },
  "an outline that is none": {
    yaml: "tunnel: {}\ndefaults: {local: 1, inspect: true}\ntunnels:\n  web: 3000\n  api: {relay: x, local: [1, 2]}\n",
    told: [
      "file:1: unknown key 'tunnel'; did you mean 'tunnels'?",
      "file:2: unknown key 'defaults.local'; each tunnel has its own",
      "file:2: unknown key 'defaults.inspect'; --inspect is an option of mcp-tunnel-client start",
      "file:4: tunnels.web has to be a list of 'name: value' lines",
      "file:5: tunnels.api.local: takes one value, not a list",
    ],
  },
};
const cases = Object.entries(broken);

/** Runs a command of the client in this process. Nothing of what it prints is lost. */
async function run(command: CliCommand, args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const output: CommandOutput = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    colors: false,
    onReaderGone: () => {},
  };
  const status = await command.run(args, output, {});
  return { status, out, err };
}

/** The lines of a message below its headline, without what differs from machine to machine. */
function linesOf(message: string, file: string): string[] {
  const [headline = "", ...lines] = message.split("\n");
  expect(headline).toBe("the config file has mistakes");
  return lines.map((line) =>
    line.replaceAll(file, "file").replaceAll(folder.path, "FOLDER").replaceAll(process.execPath, "NODE"),
  );
}

function write(yaml: string): string {
  return folder.write("tunnels.yaml", yaml.replaceAll("FOLDER", folder.path));
}

// Paths and programs have other names on Windows, and so have the errors about them.
describe.skipIf(onWindows)("a configuration that cannot work", () => {
  it.each(cases)("(%s): config check tells all of it", async (_, { yaml, told }) => {
    const file = write(yaml);
    const { status, out, err } = await run(config, ["check", file]);
    expect({ status, out }).toEqual({ status: 1, out: [] });
    const message = err.join("\n");
    expect(linesOf(message.replace(/^error: /, ""), file)).toEqual(told);
    expect(message).not.toContain("s3cret");
  });

  it.each(cases)("(%s): so does start, and ends", async (_, { yaml, told }) => {
    const file = write(yaml);
    const error: unknown = await run(start, ["--all", "--config", file]).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TunnelError);
    expect(linesOf((error as TunnelError).message, file)).toEqual(told);
  });

  it("is told as JSON, too", async () => {
    const file = write("tunnels:\n  web: {relay: x, local: 3000}\n  api: {relay: x, local: 0}\n");
    const { status, out, err } = await run(config, ["check", file, "--json"]);
    expect({ status, err }).toEqual({ status: 1, err: [] });
    const message = "api: port is 0; it must be a whole number from 1 to 65535";
    expect(JSON.parse(out.join("\n"))).toEqual({
      verdict: "failed",
      problems: [{ verdict: "failed", file, line: 3, message }],
    });
  });

  it("is told all of it where the command line has it", async () => {
    const args = ["3000", "--relay", "ftp://x", "--proxy", "socks://y", "--visitor-auth", "basic", "--pool"];
    const client = closing(runClient([...args, "--visitor-key", "abcdefghijklmnop"]));
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([
      "error: the options have mistakes",
      "--visitor-key has no effect without --visitor-auth bearer",
      "--visitor-auth basic lets nobody in: add --visitor-user-file <path>, or --visitor-user",
      "the relay URL 'ftp://x' has the scheme 'ftp': use https, http, wss or ws",
      "the proxy 'socks://y' is not the URL of an HTTP proxy, such as http://proxy.lan:3128",
    ]);
  });

  it("is told before anything is started: a program that is not there", async () => {
    const client = closing(runClient(["--stdio", "--relay", "http://127.0.0.1:9", "--", "no-such-program"]));
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([
      expect.stringMatching(/^error: The command 'no-such-program' was not found on the PATH\./),
    ]);
  });
});

describe("a configuration that works", () => {
  it.each([
    ["a service", "web: {relay: x, local: 3000}", "web"],
    [
      "one service of two tunnels",
      "web: {relay: x, local: 3000}\n  api: {relay: x, local: 3000}",
      "web, api",
    ],
    [
      "one name at two relays",
      "web: {relay: x, local: 1}\n  api: {relay: y, local: 1, subdomain: web}",
      "web, api",
    ],
    ["a relay below a path", "web: {relay: 'https://x.test/relay', local: 3000}", "web"],
    ["a server on stdio", `tools: {relay: x, command: ['${process.execPath}', server.js]}`, "tools"],
    ["a guarded server elsewhere", "a: {relay: x, mcp-config: mcp.json, server: known}", "a"],
    [
      "a gate",
      "web: {relay: x, local: 1, token-file: token, visitor-auth: bearer, visitor-key-file: keys}",
      "web",
    ],
  ])("(%s) is said to", async (_, tunnels, names) => {
    const file = write(`tunnels:\n  ${tunnels}\n`);
    expect(await run(config, ["check", file])).toEqual({
      status: 0,
      out: [`${file}: ok (${names})`],
      err: [],
    });
  });
});
