import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, it } from "vitest";
import { createAuthority } from "../support/certificates.js";
import { type RelayCommand, runClient, runRelay, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { startCannedServer } from "../support/raw-server.js";

// What a person gets for a mistake: one message that says what was tried, with what, and what to do, and the
// exit status of --help. Another mistake is one more row of the table.

/** Where the rows can go wrong. */
interface Places {
  /** A relay that knows three tokens: `good` for demo, `many` for names like app-*, `all` for any name. */
  readonly relay: string;
  /** A web server that answers with this status. */
  readonly status: (code: number) => string;
  /** Ports with TLS whose certificate is of the tests' own authority, by what is the matter with it. */
  readonly secure: Readonly<Record<"good" | "expired" | "otherName", number>>;
  /** The file of that authority. */
  readonly ca: string;
  /** A port at which nothing listens. */
  readonly closed: number;
  /** A port that speaks SSH. */
  readonly ssh: number;
  /** A proxy that wants a password. */
  readonly proxy: string;
  /** A folder for files, and a file in it with such a text. */
  readonly folder: string;
  readonly file: (text: string) => string;
}

interface Row {
  readonly mistake: string;
  readonly args: (places: Places) => (string | number)[];
  readonly env?: (places: Places) => NodeJS.ProcessEnv;
  readonly status: number;
  /** What stands in a line on stderr: what was tried, with what, and what to do. */
  readonly says: RegExp;
}

const dnsOfTests = fileURLToPath(new URL("../support/resolve-test-names.mjs", import.meta.url));

/** Attempts go on, so the command is told to end. */
const impatient = ["--max-reconnect-time", "300ms"];

const flags: Row[] = [
  {
    mistake: "nothing to serve",
    args: ({ relay }) => ["--relay", relay],
    status: 2,
    says: /missing required argument 'local': give a port, --stdio and a command after --, or --mcp-config <file>/,
  },
  {
    mistake: "no relay",
    args: () => [3000],
    status: 2,
    says: /no relay is given: add --relay <url>, set MCP_TUNNEL_RELAY, or keep one with mcp-tunnel-client login/,
  },
  {
    mistake: "a flag with a slip",
    args: () => [3000, "--rely", "relay.test"],
    status: 2,
    says: /unknown option '--rely' \(Did you mean --relay\?\) \(see mcp-tunnel-client --help\)/,
  },
  {
    mistake: "the port as a flag",
    args: () => ["--port", 3000],
    status: 2,
    says: /'--port'; the local service comes first and without a flag, as in mcp-tunnel-client 3000/,
  },
  {
    mistake: "two services",
    args: () => [3000, 3001],
    status: 2,
    says: /too many arguments/,
  },
  {
    mistake: "the command of a server without --stdio",
    args: () => ["npx", "-y", "server"],
    status: 2,
    says: /'-y'; an MCP server's command goes to the end, as in --stdio -- npx -y \.\.\./,
  },
  {
    mistake: "a command with a slip",
    args: () => ["logn"],
    status: 2,
    says: /unknown command 'logn' \(Did you mean login\?\) \(see mcp-tunnel-client --help\)$/,
  },
  {
    mistake: "a command with a slip, and a port",
    args: () => ["htpp", 3000],
    status: 2,
    says: /unknown command 'htpp' \(Did you mean http\?\)/,
  },
  {
    mistake: "a command with a slip, and its options",
    args: () => ["Strat", "web", "--all"],
    status: 2,
    says: /unknown command 'Strat' \(Did you mean start\?\)/,
  },
  {
    mistake: "a command that does not exist",
    args: () => ["publish"],
    status: 2,
    says: /'publish' is invalid as the local service\. It takes a port, .*; commands are .*auth/,
  },
  {
    mistake: "help of a command with a slip",
    args: () => ["help", "logn"],
    status: 2,
    says: /unknown command 'logn' \(Did you mean login\?\)$/,
  },
  {
    mistake: "help of a command that does not exist",
    args: () => ["help", "publish"],
    status: 2,
    says: /unknown command 'publish': commands are .*auth/,
  },
  {
    mistake: "a command of a command with a slip",
    args: () => ["auth", "shwo"],
    status: 2,
    says: /unknown command 'shwo' \(Did you mean show\?\) \(see mcp-tunnel-client auth --help\)$/,
  },
  {
    mistake: "a flag with a slip, of a command of a command",
    args: () => ["auth", "list", "--jsn"],
    status: 2,
    says: /unknown option '--jsn' \(Did you mean --json\?\) \(see mcp-tunnel-client auth list --help\)$/,
  },
  {
    mistake: "too much for a command of a command",
    args: () => ["config", "check", "a", "b"],
    status: 2,
    says: /too many arguments.* \(see mcp-tunnel-client config check --help\)$/,
  },
  {
    mistake: "tunnels to start that nobody names",
    args: () => ["start"],
    status: 2,
    says: /names of tunnels in the config file, or --all \(see mcp-tunnel-client start --help\)$/,
  },
  {
    mistake: "a host and a port that are two words",
    args: () => ["localhost", 3000],
    status: 2,
    says: /'localhost 3000': a host and its port are one word, as in mcp-tunnel-client localhost:3000$/,
  },
  {
    mistake: "a name before the port",
    args: () => ["demo", 3000],
    status: 2,
    says: /'demo 3000': a host and its port are one word, .* a name is asked for by --subdomain demo$/,
  },
  {
    mistake: "a number that is none",
    args: () => ["3O00"],
    status: 2,
    says: /'3O00' is invalid as the local service\. It takes a port/,
  },
  {
    mistake: "https as a command",
    args: () => ["https", 8443],
    status: 2,
    says: /every tunnel https: mcp-tunnel-client 3000, and .* mcp-tunnel-client https:\/\/localhost:8443/,
  },
  {
    mistake: "raw TCP",
    args: () => ["tcp", 22],
    status: 2,
    says: /this tunnel carries HTTP, .* and no other TCP: .* mcp-tunnel-client 3000/,
  },
  {
    mistake: "TLS without its end",
    args: () => ["tls", 443],
    status: 2,
    says: /the relay ends the visitors' TLS: .* mcp-tunnel-client https:\/\/localhost:8443/,
  },
  {
    mistake: "a picture for a program",
    args: ({ relay }) => [3000, "--relay", relay, "--json", "--qr"],
    status: 2,
    says: /--qr has no effect with --json/,
  },
  {
    mistake: "a switch that is neither on nor off",
    args: ({ relay }) => [3000, "--relay", relay],
    env: () => ({ MCP_TUNNEL_JSON: "maybe" }),
    status: 2,
    says: /MCP_TUNNEL_JSON must be true or false, not 'maybe'/,
  },
  {
    mistake: "a duration without a unit that is one",
    args: ({ relay }) => [3000, "--relay", relay, "--shutdown-grace", "soon"],
    status: 2,
    says: /'--shutdown-grace <duration>' argument 'soon' is invalid\. It takes .*number with a unit/,
  },
  {
    mistake: "a shell that has no script",
    args: () => ["completion", "tcsh"],
    status: 2,
    says: /'tcsh' is invalid .* choices are bash, zsh, fish/,
  },
];

const ports: Row[] = [
  {
    mistake: "port 0",
    args: ({ relay }) => [0, "--relay", relay],
    status: 2,
    says: /port is 0; it must be .* from 1 to 65535/,
  },
  {
    mistake: "a port that is too high",
    args: ({ relay }) => [65_536, "--relay", relay],
    status: 2,
    says: /port is 65536; it must be .* from 1 to 65535/,
  },
  {
    mistake: "a path behind the port",
    args: ({ relay }) => ["localhost:3000/app", "--relay", relay],
    status: 2,
    says: /http:\/\/localhost:3000\/app.*nothing else: paths pass unchanged/,
  },
  {
    mistake: "a port at which nothing listens",
    args: ({ relay, closed }) => [closed, "--relay", relay, "--token", "wrong"],
    status: 3,
    says: /warning: nothing listens on localhost:\d+ yet \(visitors get 502\)/,
  },
  {
    mistake: "the inspector at the service's own port",
    args: ({ relay }) => [3000, "--relay", relay, "--inspect", "127.0.0.1:3000"],
    status: 2,
    says: /--inspect: port 3000 is the local service's own: give the page another one/,
  },
  {
    mistake: "the inspector at a port that is taken",
    args: ({ relay, ssh }) => [3000, "--relay", relay, "--inspect", `127.0.0.1:${ssh}`],
    status: 2,
    says: /--inspect: .*127\.0\.0\.1, port \d+: another program listens there; choose another port, or 0 for any/,
  },
  {
    mistake: "the inspector for everybody",
    args: ({ relay }) => [3000, "--relay", relay, "--inspect", "0.0.0.0:4040"],
    status: 2,
    says: /'0\.0\.0\.0:4040' is invalid\. It takes an address of this machine alone and a port/,
  },
];

const schemes: Row[] = [
  {
    mistake: "a scheme that no relay has",
    args: () => [3000, "--relay", "ftp://relay.test"],
    status: 2,
    says: /the relay URL 'ftp:\/\/relay\.test' has the scheme 'ftp': use https, http, wss or ws/,
  },
  {
    mistake: "a password in the relay's URL",
    args: () => [3000, "--relay", "https://ann:s3cret@relay.test"],
    status: 2,
    says: /^(?!.*s3cret).*may hold a scheme, a host, a port and a path, and nothing else/,
  },
  {
    mistake: "https to a port without TLS",
    args: ({ status }) => [3000, "--relay", status(200).replace("http:", "https:")],
    status: 5,
    says: /cannot reach the relay at https:\/\/127\.0\.0\.1:\d+: it answers without TLS: use http:\/\/; gave up \(--wait-for-relay/,
  },
  {
    mistake: "no scheme for a port without TLS",
    args: ({ status }) => [3000, "--relay", new URL(status(200)).host],
    status: 5,
    says: /cannot reach the relay at https:\/\/127\.0\.0\.1:\d+: it answers without TLS: use http:\/\//,
  },
  {
    mistake: "http to a port with TLS",
    args: ({ secure }) => [3000, "--relay", `http://127.0.0.1:${secure.good}`],
    status: 5,
    says: /cannot reach the relay at http:\/\/127\.0\.0\.1:\d+: it speaks TLS: use https:\/\//,
  },
  {
    mistake: "ws to a port with TLS",
    args: ({ secure }) => [3000, "--relay", `ws://127.0.0.1:${secure.good}`],
    status: 5,
    says: /cannot reach the relay at ws:\/\/127\.0\.0\.1:\d+: it speaks TLS: use https:\/\//,
  },
];

const names: Row[] = [
  {
    mistake: "a relay's name that does not exist",
    args: () => [3000, "--relay", "https://tunel.missing.test"],
    status: 5,
    says: /at https:\/\/tunel\.missing\.test: getaddrinfo ENOTFOUND .* \(no such name in the DNS: is it spelled rightly/,
  },
  {
    mistake: "no name server",
    args: () => [3000, "--relay", "https://tunnel.away.test", ...impatient],
    status: 1,
    says: /at https:\/\/tunnel\.away\.test: getaddrinfo EAI_AGAIN .* \(no answer from the name server: is this machine online\?\)$/,
  },
  {
    mistake: "a relay's name that does not exist, for a service that waits",
    args: () => [3000, "--relay", "https://tunel.missing.test", "--wait-for-relay", ...impatient],
    status: 1,
    says: /at https:\/\/tunel\.missing\.test: getaddrinfo ENOTFOUND .* machine online\?\)$/,
  },
  {
    mistake: "a name with the domain",
    args: ({ relay }) => [3000, "--relay", relay, "--subdomain", "demo.tunnel.example.com"],
    status: 2,
    says: /'demo\.tunnel\.example\.com' is not a name: up to 63 letters, digits and inner hyphens/,
  },
  {
    mistake: "an empty name",
    args: ({ relay }) => [3000, "--relay", relay, "--subdomain", ""],
    status: 2,
    says: /the subdomain is empty: leave it out to let the relay choose/,
  },
  {
    mistake: "a name that the token does not have",
    args: ({ relay }) => [3000, "--relay", relay, "--token", "many", "--subdomain", "eve"],
    status: 2,
    says: /names like 'app-\*', 'other', and not 'eve': ask for one of them by --subdomain/,
  },
  {
    mistake: "a name that is reserved",
    args: ({ relay }) => [3000, "--relay", relay, "--token", "all", "--subdomain", "admin"],
    status: 3,
    says: /refused the registration: subdomain 'admin' is reserved/,
  },
];

const strangers: Row[] = [
  ...[200, 401, 404].map((code) => ({
    mistake: `a web server that answers ${code}`,
    args: ({ status }: Places) => [3000, "--relay", status(code)],
    status: 5,
    says: new RegExp(
      `http://127.0.0.1:\\d+/${code}/_tunnel/register answered ${code} .*: is an mcp-tunnel relay there[?,]`,
    ),
  })),
  {
    mistake: "a page that has moved",
    args: ({ status }) => [3000, "--relay", status(308)],
    status: 5,
    says: /answered 308 Permanent Redirect: is the relay at https:\/\/moved\.test now\?/,
  },
  {
    mistake: "a proxy whose relay is down",
    args: ({ status }) => [3000, "--relay", status(502), ...impatient],
    status: 1,
    says: /answered 502 Bad Gateway: is an mcp-tunnel relay there\?$/,
  },
  {
    mistake: "a port that speaks SSH",
    args: ({ ssh }) => [3000, "--relay", `http://127.0.0.1:${ssh}`],
    status: 5,
    says: /at http:\/\/127\.0\.0\.1:\d+: Parse Error: .*: is an mcp-tunnel relay there\?/,
  },
  {
    mistake: "a relay that is not running",
    args: ({ closed }) => [3000, "--relay", `http://127.0.0.1:${closed}`, ...impatient],
    status: 1,
    says: /connect ECONNREFUSED 127\.0\.0\.1:\d+ \(nothing listens there: is the relay running, and is the port right\?\)$/,
  },
];

const certificates: Row[] = [
  {
    mistake: "a certificate of an authority of one's own",
    args: ({ secure }) => [3000, "--relay", `https://127.0.0.1:${secure.good}`],
    status: 5,
    says: /unable to verify the first certificate.* \(to trust it, give the certificate that signed it by --relay-ca <path>, /,
  },
  {
    mistake: "a certificate that has expired",
    args: ({ secure, ca }) => [3000, "--relay", `https://127.0.0.1:${secure.expired}`, "--relay-ca", ca],
    status: 5,
    says: /certificate has expired \(it has to be renewed there, unless the clock of this machine is wrong\)/,
  },
  {
    mistake: "a certificate for another name",
    args: ({ secure }) => [3000, "--relay", `https://127.0.0.1:${secure.otherName}`],
    env: ({ ca }) => ({ NODE_EXTRA_CA_CERTS: ca }),
    status: 5,
    says: /127\.0\.0\.1 is not in the cert's list: .* \(is this the name for which it was issued\?/,
  },
];

const tokens: Row[] = [
  {
    mistake: "a token that the relay does not know",
    args: ({ relay }) => [3000, "--relay", relay, "--token", "s3cret"],
    status: 3,
    says: /^(?!.*s3cret).*the relay refused the registration: .*invalid token/,
  },
  {
    mistake: "an empty token",
    args: ({ relay }) => [3000, "--relay", relay, "--token", ""],
    status: 2,
    says: /the token is empty: leave it out or give one/,
  },
  {
    mistake: "a token and a file",
    args: ({ relay }) => [3000, "--relay", relay, "--token", "a", "--token-file", "b"],
    status: 2,
    says: /--token and --token-file exclude each other/,
  },
];

const files: Row[] = [
  {
    mistake: "a token file that does not exist",
    args: ({ relay }) => [3000, "--relay", relay, "--token-file", "no-such-file"],
    status: 2,
    says: /cannot read --token-file: ENOENT.*no-such-file/,
  },
  {
    mistake: "a token file that is a folder",
    args: ({ relay, folder }) => [3000, "--relay", relay, "--token-file", folder],
    status: 2,
    says: /--token-file: .*(?:EISDIR|folder|directory)/,
  },
  {
    mistake: "a token file without a token",
    args: ({ relay, file }) => [3000, "--relay", relay, "--token-file", file("\n")],
    status: 2,
    says: /--token-file.* empty/,
  },
  {
    mistake: "an MCP config that does not exist",
    args: ({ relay }) => ["--relay", relay, "--mcp-config", "no-such-file.json"],
    status: 2,
    says: /cannot read .*no-such-file\.json.*ENOENT|ENOENT.*no-such-file\.json/,
  },
  {
    mistake: "an MCP config that is no JSON",
    args: ({ relay, file }) => ["--relay", relay, "--mcp-config", file('{"mcpServers": {')],
    status: 2,
    says: /mistake-\d+.*(?:line|JSON)/,
  },
  {
    mistake: "--stdio without a command",
    args: ({ relay }) => ["--relay", relay, "--stdio"],
    status: 2,
    says: /--stdio takes the command that starts the MCP server after --, at the end/,
  },
  {
    mistake: "a recording in a folder that does not exist",
    args: ({ relay }) => [3000, "--relay", relay, "--record", "no-such-folder/x.har"],
    status: 2,
    says: /no-such-folder/,
  },
  {
    mistake: "a file of keys that does not exist",
    args: ({ relay }) => [
      3000,
      "--relay",
      relay,
      "--visitor-auth",
      "bearer",
      "--visitor-key-file",
      "no-such-file",
    ],
    status: 2,
    says: /--visitor-key-file.*(?:ENOENT|no-such-file)/,
  },
  {
    mistake: "a range of addresses that is none",
    args: ({ relay }) => [3000, "--relay", relay, "--allow-ip", "192.0.2.0/99"],
    status: 2,
    says: /192\.0\.2\.0\/99/,
  },
];

const proxies: Row[] = [
  {
    mistake: "a proxy that is no HTTP proxy",
    args: () => [3000, "--relay", "relay.test", "--proxy", "socks5://127.0.0.1:1080"],
    status: 2,
    says: /the proxy 'socks5:\/\/127\.0\.0\.1:1080' is not the URL of an HTTP proxy, such as http:\/\/proxy\.lan:3128/,
  },
  {
    mistake: "the same in the environment",
    args: () => [3000, "--relay", "relay.test"],
    env: () => ({ HTTPS_PROXY: "socks5://127.0.0.1:1080" }),
    status: 2,
    says: /the environment names the proxy 'socks5:.*give another by --proxy, or set NO_PROXY=relay\.test to go without/,
  },
  {
    mistake: "a proxy that is not running",
    args: ({ closed }) => [
      3000,
      "--relay",
      "relay.test",
      "--proxy",
      `http://127.0.0.1:${closed}`,
      ...impatient,
    ],
    status: 1,
    says: /at https:\/\/relay\.test through the proxy http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED .* \(nothing listens there: is the proxy running/,
  },
  {
    mistake: "a proxy whose name does not exist",
    args: () => [3000, "--relay", "relay.test", "--proxy", "http://proxy.missing.test:3128"],
    status: 5,
    says: /through the proxy http:\/\/proxy\.missing\.test:3128: getaddrinfo ENOTFOUND proxy\.missing\.test .*is the proxy's name spelled rightly/,
  },
  {
    mistake: "a proxy that wants a password",
    args: ({ proxy }) => [3000, "--relay", "relay.test", "--proxy", proxy],
    status: 5,
    says: /the proxy answered 407 .*: it wants a user and a password, as in http:\/\/user:password@proxy/,
  },
];

const ofRelay: Row[] = [
  {
    mistake: "no domain",
    args: () => [],
    status: 2,
    says: /--domain/,
  },
  {
    mistake: "a token without names",
    args: () => ["--domain", "tunnel.test", "--static-token", "s3cret"],
    status: 2,
    says: /^(?!.*s3cret).*a static token is written TOKEN:SUBDOMAIN.*the colon is missing/,
  },
  {
    mistake: "a provider without its secret",
    args: () => ["--domain", "tunnel.test", "--auth-url", "http://127.0.0.1:1"],
    status: 2,
    says: /--auth-secret/,
  },
  {
    mistake: "a port that is taken",
    args: ({ ssh }) => ["--domain", "localhost", "--host", "127.0.0.1", "--port", ssh],
    status: 1,
    says: /127\.0\.0\.1.*port \d+.*another program listens there/,
  },
  {
    mistake: "a certificate that does not exist",
    args: () => [
      "--domain",
      "tunnel.test",
      "--port",
      0,
      "--tls-cert",
      "no-such.pem",
      "--tls-key",
      "no-such.key",
    ],
    status: 2,
    says: /no-such\.pem/,
  },
  {
    mistake: "a flag of the relay with a slip",
    args: () => ["--domian", "tunnel.test"],
    status: 2,
    says: /unknown option '--domian' \(Did you mean --domain\?\)/,
  },
];

describe("a mistake with the relay", () => {
  table(ofRelay, runRelay);
});

describe("a mistake with the client", () => {
  table(
    [
      ...flags,
      ...ports,
      ...schemes,
      ...names,
      ...strangers,
      ...certificates,
      ...tokens,
      ...files,
      ...proxies,
    ],
    runClient,
  );
});

function table(rows: readonly Row[], run: typeof runClient): void {
  let places: Places;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ places, close } = await open());
  });
  afterAll(() => close());

  // Many of them wait for their next attempt, so that they take no longer together.
  it.concurrent.for(rows)(
    "$mistake: $status",
    { timeout: 60_000 },
    async ({ args, env, status, says }, { expect }) => {
      const command = run(args(places).map(String), {
        NODE_OPTIONS: `--import=${dnsOfTests}`,
        MCP_TUNNEL_STATE_DIR: join(places.folder, "state"),
        XDG_CONFIG_HOME: places.folder,
        ...env?.(places),
      });
      const { code } = await command.exited;
      expect(
        command.stderr.find((line) => says.test(line)),
        command.output,
      ).toBeDefined();
      expect(code, command.output).toBe(status);
      // Several mistakes follow a headline.
      expect(command.stderr.filter((line) => line.startsWith("error: "))).toHaveLength(1);
      // That line is for terminals.
      expect(command.output).not.toContain("Trying again in");
      expect(command.output.length, "a screen's worth at most").toBeLessThan(1_500);
    },
  );
}

async function open(): Promise<{ places: Places; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-mistakes-"));
  const servers: Server[] = [];
  const listen = async (server: Server): Promise<number> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
    return (server.address() as AddressInfo).port;
  };
  const authority = await createAuthority();
  const secure = async (name: string, days: number): Promise<number> =>
    listen(createSecureServer(await authority.issue([name], { days })));
  const web = await listen(
    createServer((request, response) => {
      response.writeHead(Number(request.url?.split("/")[1]), {
        location: "https://moved.test/_tunnel/register",
      });
      response.end();
    }),
  );
  const proxyPort = await listen(
    createServer().on("connect", (_request, socket) => {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }),
  );
  const ssh = await startCannedServer("SSH-2.0-OpenSSH_9.2\r\n");
  const relay: RelayCommand = await startRelayCommand([
    ...["--static-token", "good:demo", "--static-token", "many:app-*,other", "--static-token", "all:*"],
  ]);
  let files = 0;
  const write = (text: string): string => {
    const path = join(folder, `mistake-${(files += 1)}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const places: Places = {
    relay: `http://127.0.0.1:${relay.port}`,
    status: (code) => `http://127.0.0.1:${web}/${code}`,
    secure: {
      good: await secure("127.0.0.1", 30),
      expired: await secure("127.0.0.1", 0.5),
      otherName: await secure("192.0.2.1", 30),
    },
    ca: write(authority.cert),
    closed: await freePort(),
    ssh: ssh.port,
    proxy: `http://127.0.0.1:${proxyPort}`,
    folder,
    file: write,
  };
  return {
    places,
    async close() {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      await ssh.close();
      await relay.close();
      rmSync(folder, { recursive: true });
    },
  };
}
