import { execFileSync } from "node:child_process";
import { chmodSync, lchownSync, mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { onWindows } from "../../../test/support/systems.js";
import { findConfigFile } from "../src/config/find.js";
import { readTunnelsFile } from "../src/config/tunnels-file.js";
import type { NamedTunnel } from "../src/config/tunnels-file.js";
import { readChecked } from "../src/tunnel/check-file.js";

const closing = closingAfterEach();

let folder: ReturnType<typeof createFolder>;
beforeEach(() => {
  folder = closing(createFolder());
  for (const name of Object.keys(process.env)) if (/^MCP_TUNNEL_|_proxy$/i.test(name)) vi.stubEnv(name, "");
  return () => vi.unstubAllEnvs();
});

function tunnelsOf(text: string): ReadonlyMap<string, NamedTunnel> {
  return readTunnelsFile(findConfigFile(folder.write("tunnels.yaml", text))).tunnels;
}

/** The mistakes in a file, as the command tells them. */
async function mistakes(text: string): Promise<string[]> {
  const path = folder.write("tunnels.yaml", text);
  const message = await readChecked(findConfigFile(path)).then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
  const [first, ...lines] = message.split("\n");
  expect(first).toBe("the config file has mistakes");
  return lines.map((line) => line.replace(`${path}:`, ""));
}

describe("a config file", () => {
  it("says what each tunnel serves, and what holds for all", () => {
    folder.write("token", "s3cret\n");
    folder.write("keys", "laptop:abcdefghijklmnop\n");
    folder.write("mcp.json", "{}");
    const tunnels = tunnelsOf(`
defaults:
  relay: tunnel.example.com
  token-file: token
  shutdown-grace: 5s
tunnels:
  web:
    local: localhost:3000
    host-header: preserve
    shutdown-grace: 1m
  tools:
    command: [npx, -y, server, "1.50", 2.50]
    subdomain: alice-tools
    visitor-auth: bearer
    visitor-key-file: keys
  files:
    mcp-config: mcp.json
    server: [one, two]
    allow-ip: [192.0.2.1, 198.51.100.0/24]
`);
    const client = { relayUrl: "tunnel.example.com", token: "s3cret", waitForRelay: "unless_hopeless" };
    expect(tunnels.get("web")?.settings).toMatchObject({
      client: { ...client, subdomain: "web", shutdownGraceMs: 60_000 },
      local: { target: "http://localhost:3000", hostHeader: "preserve" },
      mcp: undefined,
      visitors: undefined,
    });
    expect(tunnels.get("tools")?.settings).toMatchObject({
      client: { ...client, subdomain: "alice-tools", shutdownGraceMs: 5_000 },
      mcp: { servers: { form: "command", command: "npx", args: ["-y", "server", "1.50", "2.50"] } },
      visitors: { keys: [{ name: "laptop", key: "abcdefghijklmnop" }] },
    });
    expect(tunnels.get("files")).toMatchObject({
      mcpConfig: "{}",
      settings: {
        mcp: { servers: { form: "config", file: join(folder.path, "mcp.json"), names: ["one", "two"] } },
        visitors: { allowAddresses: ["192.0.2.1", "198.51.100.0/24"] },
      },
    });
  });

  it("is the same tunnel as long as nothing of it changes", () => {
    const [a, b] = ["web", "web # my site"].map((name) =>
      tunnelsOf(`{"tunnels": {"web": {"relay": "x", "local": "3000"}}} # ${name}`),
    );
    expect(a).toEqual(b);
  });

  /**
   * Variables are set for one tunnel or another. They must not open every tunnel of a file to everybody, give
   * all of them one name, or send a token of theirs in place of the file's.
   */
  it("takes from variables only the relay and the token, and only if it has none", () => {
    for (const [name, value] of [
      ["RELAY", "env.example.com"],
      ["TOKEN", "of-the-environment"],
      ["SUBDOMAIN", "env"],
      ["VISITOR_AUTH", "none"],
      ["STDIO", "1"],
      ["DROP_ORIGIN", "1"],
      ["STRICT_SUBDOMAIN", "1"],
      ["POOL", "1"],
      ["HOST_HEADER", "not a host"],
    ]) {
      vi.stubEnv(`MCP_TUNNEL_${name}`, value);
    }
    folder.write("token", "of-the-file");
    const tunnels = tunnelsOf(`
tunnels:
  web: {local: 3000}
  tools: {command: [server], relay: tunnel.example.com, token-file: token}
`);
    expect(tunnels.get("web")?.settings).toMatchObject({
      client: { relayUrl: "env.example.com", token: "of-the-environment", subdomain: "web" },
      local: { port: 3000, dropOrigin: false, hostHeader: "rewrite" },
    });
    for (const option of ["strictSubdomain", "pool"]) {
      expect(tunnels.get("web")?.settings.client).not.toHaveProperty(option);
    }
    expect(tunnels.get("tools")?.settings).toMatchObject({
      client: { relayUrl: "tunnel.example.com", token: "of-the-file" },
      visitors: { kinds: ["bearer", "oauth"] },
    });
  });

  it("has paths from its own folder, and from the home folder", async () => {
    const path = join(homedir(), "no such file");
    expect(await mistakes("tunnels: {web: {local: 3000, relay: x, token-file: ~/no such file}}")).toEqual([
      `1: web: cannot read --token-file: ENOENT: no such file or directory, open '${path}'`,
    ]);
  });

  it("tells all its mistakes at once, with lines", async () => {
    const text = `defaults:
  relay: ftp://x
  subdomain: all
  shutdown-grace: 5s
tunnel:
  web:
tunnels:
  web:
    local: 3000
    relay: tunnel.example.com
    host-haeder: preserve
    oauth-metadata: maybe
  tools:
    command: npx -y server
    relay: x
  both:
    relay: x
    local: 3000
    command: [server]
  none:
    relay: x
  my.app:
    relay: x
    local: 3000
  other:
    relay: x
    local: 3000
    visitor-key: abcdefghijklmnop
  bearer:
    relay: x
    local: 3000
    visitor-auth: bearer
    visitor-key-file: no-such-file
  stdio:
    stdio: true
`;
    expect(await mistakes(text)).toEqual([
      "2: defaults: the relay URL 'ftp://x' has the scheme 'ftp': use https, http, wss or ws",
      "3: unknown key 'defaults.subdomain'; each tunnel has its own",
      "5: unknown key 'tunnel'; did you mean 'tunnels'?",
      "11: unknown key 'tunnels.web.host-haeder'; did you mean 'host-header'?",
      "12: tunnels.web.oauth-metadata: Allowed choices are rewrite, keep.",
      "14: tools: command: has to be a list, such as [npx, -y, server]",
      "19: both: a tunnel has one of the keys local, command and mcp-config",
      "20: none: a tunnel has one of the keys local, command and mcp-config",
      expect.stringMatching(/^22: my\.app: .*'my\.app' is not a name.*: the tunnel needs a 'subdomain'$/),
      "28: other: --visitor-key has no effect without --visitor-auth bearer",
      expect.stringMatching(/^33: bearer: cannot read --visitor-key-file: .*'\/.*\/no-such-file'$/),
      "35: unknown key 'tunnels.stdio.stdio'; a server on stdio is there by its 'command'",
    ]);
  });

  it("tells what only the parts of a tunnel know", async () => {
    const text = `tunnels:
  a: {relay: ftp://x, local: 3000}
  b: {relay: x, local: 0}
  c: {relay: x, local: 3000, allow-ip: nowhere}
  d:
    relay: x
    mcp-config: mcp.json
    server: missing
`;
    folder.write("mcp.json", '{"mcpServers": {"there": {"command": "node"}}}');
    expect(await mistakes(text)).toEqual([
      expect.stringMatching(/^2: a: .*'ftp'/),
      expect.stringMatching(/^3: b: port is 0/),
      expect.stringMatching(/^4: c: .*nowhere/),
      expect.stringMatching(/^7: d: .*missing/),
    ]);
  });

  it("has no two tunnels of one name at one relay", async () => {
    const text = `defaults: {relay: tunnel.example.com, local: 1}
tunnels:
  web: {local: 3000}
  other: {local: 3001, subdomain: WEB, relay: "https://tunnel.example.com/"}
  elsewhere: {local: 3001, subdomain: web, relay: other.example.com}
`;
    expect(await mistakes(text)).toEqual([
      "1: unknown key 'defaults.local'; each tunnel has its own",
      "4: other: 'WEB' at https://tunnel.example.com/ is already the name of the tunnel 'web'",
    ]);
  });

  it.each([
    ["", "1: there is no tunnel below 'tunnels'"],
    ["tunnels:\n", "1: there is no tunnel below 'tunnels'"],
    ["- web\n", "1: the file has to be a list of 'name: value' lines"],
    [
      "defaults:\ntunnels: [web]\n",
      "2: tunnels has to be a list of 'name:' lines, with the keys of each tunnel below",
    ],
    ["tunnels:\n  web: 3000\n", "2: tunnels.web has to be a list of 'name: value' lines"],
    ["tunnels:\n  a/b: {local: 1, relay: x}\n", expect.stringContaining("2: a/b: the name of a tunnel has")],
    ["tunnels:\n  web: {}\n  web: {}\n", "3: Map keys must be unique"],
  ])("is no config file: %j", async (text, problem) => {
    expect(await mistakes(text)).toEqual([problem]);
  });
});

// The owner and the mode decide. What decides on Windows is in systems.test.ts.
describe.skipIf(onWindows)("a config file is looked for", () => {
  let here: string;
  let home: string;
  beforeEach(() => {
    here = join(folder.path, "here");
    home = join(folder.path, "xdg", "mcp-tunnel");
    mkdirSync(here);
    mkdirSync(home, { recursive: true });
    vi.spyOn(process, "cwd").mockReturnValue(here);
    vi.stubEnv("XDG_CONFIG_HOME", join(folder.path, "xdg"));
    return () => vi.restoreAllMocks();
  });

  it("in the user's own folder, and named in the message if it is not there", () => {
    const own = join(home, "mcp-tunnel-client.yaml");
    expect(() => findConfigFile(undefined)).toThrow(`neither ./mcp-tunnel-client.yaml nor ${own}`);
    folder.write("xdg/mcp-tunnel/mcp-tunnel-client.yaml", "");
    expect(findConfigFile(undefined).path).toBe(own);
    expect(findConfigFile("given.yaml").path).toBe("given.yaml");
    expect(() => findConfigFile("")).toThrow("--config names no file");
  });

  /**
   * The attack: somebody leaves a config file in /tmp, where another user starts his tunnels. It would start
   * commands with his rights.
   */
  it("and is of no use if every user could have written it", () => {
    const own = folder.write("xdg/mcp-tunnel/mcp-tunnel-client.yaml", "");
    chmodSync(own, 0o666);
    const file = findConfigFile(undefined);
    expect(() => readTunnelsFile(file)).toThrow(
      `${own} may start commands, and every user may write to it. If you trust it, name it: --config ${own}`,
    );
    expect(readTunnelsFile(findConfigFile(own)).tunnels.size).toBe(0);
    chmodSync(own, 0o600);
    expect(readTunnelsFile(file).tunnels.size).toBe(0);
  });

  /** The attack goes on: a file that was good at the start is exchanged before it is read again. */
  it("and each time that it is read, it is looked at who could have written it", () => {
    const own = folder.write("xdg/mcp-tunnel/mcp-tunnel-client.yaml", "");
    const file = findConfigFile(undefined);
    expect(readTunnelsFile(file).tunnels.size).toBe(0);
    chmodSync(own, 0o606);
    expect(() => readTunnelsFile(file)).toThrow("every user may write to it");
  });

  it.runIf(process.getuid?.() === 0)("and a link to it has to be the user's own, too", () => {
    const good = folder.write("good.yaml", "");
    const link = join(home, "mcp-tunnel-client.yaml");
    symlinkSync(good, link);
    const file = findConfigFile(undefined);
    expect(readTunnelsFile(file).tunnels.size).toBe(0);
    lchownSync(link, 65_534, 65_534);
    expect(() => readTunnelsFile(file)).toThrow(`${link} may start commands, and it belongs to another user`);
  });
});

describe.skipIf(process.platform === "win32")("a pipe in the place of a file", () => {
  /** Nobody writes to it, and whoever opened it as a file would wait for ever, and its tunnels with him. */
  function pipe(name: string): string {
    const path = join(folder.path, name);
    execFileSync("mkfifo", [path]);
    return path;
  }

  it("or a link that leads nowhere, is told like any file that cannot be read", async () => {
    const link = join(folder.path, "mcp-tunnel", "mcp-tunnel-client.yaml");
    mkdirSync(join(folder.path, "mcp-tunnel"));
    symlinkSync(link, link);
    symlinkSync(join(folder.path, "token"), join(folder.path, "token"));
    vi.stubEnv("XDG_CONFIG_HOME", folder.path);
    expect(() => readTunnelsFile(findConfigFile(undefined))).toThrow("cannot read the config file: ELOOP");
    const text = "tunnels:\n  web: {local: 3000, relay: relay.test, token-file: token}\n";
    expect(await mistakes(text)).toEqual([expect.stringMatching(/^2: web: cannot read --token-file: ELOOP/)]);
  });

  it("is not read as the config file", () => {
    const path = pipe("tunnels.yaml");
    expect(() => readTunnelsFile(findConfigFile(path))).toThrow(
      "cannot read the config file: it is not a regular file",
    );
  });

  it("is not read as a file that the config file names", async () => {
    const path = pipe("token");
    const text = "tunnels:\n  web:\n    local: 3000\n    relay: relay.test\n    token-file: token\n";
    expect(await mistakes(text)).toEqual([`5: web: token-file: ${path} is not a regular file`]);
  });
});
