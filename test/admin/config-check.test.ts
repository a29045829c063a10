import { chmodSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startableOptions } from "../../packages/relay/src/cli/check/check.js";
import { check } from "../../packages/relay/src/cli/commands/config-actions.js";
import { createCommand } from "../../packages/relay/src/cli/options/options.js";
import { listOf } from "../../packages/relay/src/cli/options/problems.js";
import { createProgram, failureOf } from "../../packages/relay/src/cli/program.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startRelayCommand } from "../support/commands.js";
import { onWindows } from "../support/systems.js";
import { createAuthority, createFolder, type Folder, type Pair } from "../support/certificates.js";

// Configurations of the relay that cannot work. `config check` and the start itself tell everything that is
// wrong with each, with its place. Nothing listens and nobody is asked.

/** What a configuration is made of. */
interface Broken {
  /** The config file. FOLDER stands for the folder of the files below. */
  readonly yaml: string;
  readonly env?: Readonly<Record<string, string>>;
  /** All that is told, a line each. FILE stands for the config file. */
  readonly told: readonly string[];
  /** The relay starts all the same, because the problem may pass. */
  readonly starts?: true;
  /** Windows has no such modes of files. */
  readonly posix?: true;
}

const closing = closingAfterEach();
let folder: Folder;
const now = new Date("2026-11-30T12:00:00Z");
const lost = "is not there. Correct the path: it counts from the relay's working directory.";
const lostTokens = `${lost} Or create its first token: mcp-tunnel token create`;

beforeAll(async () => {
  folder = createFolder();
  vi.useFakeTimers({ now, toFake: ["Date"] });
  const authority = await createAuthority();
  const wild = ["tunnel.test", "*.tunnel.test"];
  const pairs: Record<string, Pair> = {
    good: await authority.issue(wild),
    expired: await authority.issue(wild, { inDays: -100, days: 90 }),
    future: await authority.issue(wild, { inDays: 10 }),
    elsewhere: await authority.issue(["other.test", "*.other.test"]),
    bare: await authority.issue(["tunnel.test"]),
    unchained: await authority.issue(wild, { issuerAt: "http://ca.test/ca.der" }),
  };
  for (const [name, { cert, key }] of Object.entries(pairs)) {
    folder.write(`${name}.pem`, cert);
    folder.write(`${name}.key`, key);
  }
  folder.write("hook.sh", "#!/bin/sh\n");
  chmodSync(folder.write("good-hook.sh", "#!/bin/sh\n"), 0o755);
  folder.write("secret", "a secret of the cluster, long enough\n");
  folder.write("short", "s3cret\n");
  folder.write("empty", "\n");
  folder.write(
    "tokens.yaml",
    "tokens:\n  - sha256: 12ab\n    subdomains: [a_b, '-*']\n  - sha256: " +
      `${"0".repeat(64)}\n    subdomains: []\n    noet: x\n    limits: {maxRequestsPerSecond: 0, maxBytesPerSecond: lots}\n`,
  );
  folder.write(
    "useless.yaml",
    `tokens:\n  - sha256: "${"0".repeat(64)}"\n    subdomains: [app, '-*', dev-]\n`,
  );
  for (const name of ["good.key", "expired.key", "future.key", "elsewhere.key", "bare.key", "unchained.key"])
    chmodSync(`${folder.path}/${name}`, 0o600);
  for (const name of ["secret", "short", "empty", "tokens.yaml", "useless.yaml"])
    chmodSync(`${folder.path}/${name}`, 0o600);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(() => {
  vi.useRealTimers();
  folder.close();
});

const broken: Readonly<Record<string, Broken>> = {
  "files that are not there, all at once": {
    yaml: `domain: tunnel.test
token-file: FOLDER/none.yaml
tls-cert: [FOLDER/none.pem, FOLDER/good.pem]
tls-key: [FOLDER/none.key, FOLDER/none-2.key]
admin-listen: 127.0.0.1:9090
admin-secret-file: FOLDER/none-3
`,
    told: [
      `FILE:2: token-file: FOLDER/none.yaml ${lostTokens}`,
      `FILE:3: tls-cert: FOLDER/none.pem ${lost}`,
      `FILE:4: tls-key: FOLDER/none.key ${lost}`,
      `FILE:4: tls-key: FOLDER/none-2.key ${lost}`,
      `FILE:6: admin-secret-file: FOLDER/none-3 ${lost}`,
    ],
  },
  "an ACME hook that is not there": {
    yaml: "domain: tunnel.test\nacme-email: a@b.test\nacme-hook: FOLDER/none.sh\nacme-storage: FOLDER/good.pem\n",
    told: [
      `FILE:3: acme-hook: FOLDER/none.sh ${lost}`,
      "FILE:4: acme-storage: FOLDER/good.pem is not a folder",
    ],
  },
  "an ACME hook that nobody may run": {
    posix: true,
    yaml: "domain: tunnel.test\nacme-email: a@b.test\nacme-hook: FOLDER/hook.sh\nacme-storage: FOLDER/acme\nport: 70000\n",
    told: [
      "FILE:3: acme-hook: this user may not run FOLDER/hook.sh (EACCES). Make it executable: chmod +x FOLDER/hook.sh. The folders above it have to let the relay's user in, too.",
      "FILE:5: port: Expected a port from 0 to 65535.",
    ],
  },
  "a certificate that has expired, beside one for other names": {
    yaml: "domain: tunnel.test\ntls-cert: [FOLDER/expired.pem, FOLDER/elsewhere.pem]\ntls-key: [FOLDER/expired.key, FOLDER/elsewhere.key]\n",
    told: ["FILE:2: tls-cert: FOLDER/expired.pem: it expired on 2026-11-20T12:00:00.000Z. Renew it."],
    starts: true,
  },
  "a certificate without the wildcard, that holds only later": {
    yaml: "domain: tunnel.test\ntls-cert: [FOLDER/bare.pem, FOLDER/future.pem]\ntls-key: [FOLDER/bare.key, FOLDER/future.key]\npublic-url: https://tunnel.test\n",
    told: [
      "FILE:2: tls-cert: FOLDER/future.pem: it holds only from 2026-12-10T12:00:00.000Z. Look at this machine's clock: a new certificate holds at once.",
      "FILE:4: public-url: the public URL 'https://tunnel.test' is not an http(s) URL with {subdomain} in it, such as https://{subdomain}.{domain}",
    ],
  },
  "certificates for other names alone": {
    yaml: "domain: tunnel.test\ntls-cert: FOLDER/elsewhere.pem\ntls-key: FOLDER/elsewhere.key\n",
    told: [
      "FILE:2: tls-cert: no certificate is for tunnel.test or *.tunnel.test; there is: DNS:other.test, DNS:*.other.test. Get one for both tunnel.test and *.tunnel.test. Authorities give out a wildcard for a DNS record (DNS-01), not over HTTP.",
    ],
    starts: true,
  },
  "a key of another certificate, and no certificate at all": {
    yaml: "domain: tunnel.test\ntls-cert: [FOLDER/good.pem, FOLDER/secret]\ntls-key: [FOLDER/bare.key, FOLDER/bare.key]\n",
    told: [
      "FILE:2: tls-cert: FOLDER/good.pem: the key is not the key of this certificate",
      "FILE:2: tls-cert: FOLDER/secret: this is no certificate in PEM form",
    ],
  },
  "a certificate without those behind it": {
    yaml: "domain: tunnel.test\ntls-cert: FOLDER/unchained.pem\ntls-key: FOLDER/unchained.key\n",
    told: [
      "FILE:2: tls-cert: FOLDER/unchained.pem: the certificate of 'CN=Test authority' is missing behind it, and is not one that Node.js trusts by itself. Give --tls-cert the file with the intermediate certificates (certbot calls it fullchain.pem).",
    ],
    starts: true,
  },
  "certificates and keys that are not as many, and TLS's options without TLS's": {
    yaml: "domain: tunnel.test\ntls-cert: [FOLDER/good.pem, FOLDER/bare.pem]\ntls-key: FOLDER/good.key\nacme-hook: FOLDER/good-hook.sh\n",
    told: [
      "FILE:3: each --tls-cert needs its --tls-key: there are 2 and 1 (see line 2)",
      "FILE:4: --acme-email and --acme-hook go together",
    ],
  },
  "options of TLS, and none": {
    yaml: "domain: tunnel.test\nhttp-redirect: 8081\nacme-dir: https://ca.test/dir\n",
    told: [
      "FILE:2: --http-redirect needs --tls-cert or --acme-email",
      "FILE:3: --acme-dir needs --tls-cert or --acme-email",
    ],
  },
  "a token file with mistakes": {
    yaml: "domain: tunnel.test\ntoken-file: FOLDER/tokens.yaml\nmax-tunnels: 0\n",
    told: [
      "FILE:3: max-tunnels: Expected at least 1.",
      "FOLDER/tokens.yaml:2: 'tokens.0.sha256': is not a SHA-256 digest: 64 hex digits",
      "FOLDER/tokens.yaml:3: 'tokens.0.subdomains.0': is not a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most",
      "FOLDER/tokens.yaml:4: 'tokens.1.sha256': needs the SHA-256 of the token, as a string",
      "FOLDER/tokens.yaml:5: 'tokens.1.subdomains': is empty",
      "FOLDER/tokens.yaml:6: unknown key 'noet'; did you mean 'note'?",
      "FOLDER/tokens.yaml:7: 'tokens.1.limits.maxRequestsPerSecond': Too small: expected number to be >=1",
      "FOLDER/tokens.yaml:7: 'tokens.1.limits.maxBytesPerSecond': is not a size above 0, such as 1MiB or 1048576",
    ],
  },
  "patterns of tokens that no name fits": {
    yaml: "domain: tunnel.test\ntoken-file: FOLDER/useless.yaml\nstatic-token: ['s3cret:app', 's3cret:-x,*-']\n",
    told: [
      "FILE:3: static-token: no name fits '-x' of the static token 2 of 2. A name begins and ends with a letter or a digit.",
      "FILE:3: static-token: no name fits '*-' of the static token 2 of 2. A name begins and ends with a letter or a digit.",
      "FOLDER/useless.yaml:3: no name fits '-*' of the token 000000000000. A name begins and ends with a letter or a digit.",
      "FOLDER/useless.yaml:3: no name fits 'dev-' of the token 000000000000. A name begins and ends with a letter or a digit.",
    ],
    starts: true,
  },
  "two ways to know tokens, and a provider without its secret": {
    yaml: "domain: tunnel.test\nauth-url: https://auth.test\nstatic-token: s3cret:app\ntoken-file: FOLDER/useless.yaml\n",
    told: [
      "FILE:2: --auth-url needs --auth-secret, which the provider checks",
      "FILE:3: --static-token and --auth-url exclude each other (see line 2)",
      "FILE:4: --token-file and --auth-url exclude each other (see line 2)",
      "FOLDER/useless.yaml:3: no name fits '-*' of the token 000000000000. A name begins and ends with a letter or a digit.",
      "FOLDER/useless.yaml:3: no name fits 'dev-' of the token 000000000000. A name begins and ends with a letter or a digit.",
    ],
  },
  "a provider that is no URL, and reserved names that are none": {
    yaml: "domain: tunnel.test\nauth-url: ftp://auth.test\nauth-secret: s3cret\nreserved-names: www,a_b\n",
    told: [
      "FILE:2: auth-url: the auth provider's URL 'ftp://auth.test' is not an http:// or https:// URL",
      "FILE:4: reserved-names: the reserved name 'a_b' is not a DNS label",
    ],
  },
  "an empty secret, and one that is there twice": {
    yaml: "domain: tunnel.test\nauth-url: https://auth.test\nauth-secret-file: FOLDER/empty\nadmin-listen: 127.0.0.1:9090\nadmin-secret: s3cret\nadmin-secret-file: FOLDER/secret\n",
    told: [
      "FILE:3: --auth-secret-file FOLDER/empty is empty",
      "FILE:6: --admin-secret and --admin-secret-file exclude each other (see line 5)",
    ],
  },
  "an admin listener for everybody, at the port of visitors": {
    yaml: "domain: tunnel.test\nadmin-listen: 0.0.0.0:8080\n",
    told: [
      "FILE:2: --admin-listen 0.0.0.0 can be reached from outside this machine: set --admin-secret-file or --admin-secret",
      "FILE:2: --port and --admin-listen both want port 8080. Give one of them another port.",
    ],
  },
  "ports that are wanted twice": {
    yaml: "domain: tunnel.test\nport: 4001\nhost: 127.0.0.1\nadmin-listen: '[::1]:4002'\nlocal-port: [app=4001, api=4002, web=4003, other=4003]\n",
    told: [
      "FILE:5: local-port: the local port 4003 cannot lead to both 'web' and 'other'",
      "FILE:5: --port and --local-port both want port 4001 (see line 2). Give one of them another port.",
      "FILE:5: --admin-listen and --local-port both want port 4002 (see line 4). Give one of them another port.",
    ],
  },
  "a cluster without what it needs": {
    yaml: "domain: tunnel.test\ncluster: redis://redis.test\nacme-storage: /x\nresume-timeout: 5s\ncluster-ca: FOLDER/good.pem\n",
    told: [
      "FILE:2: --cluster needs --cluster-secret-file: a secret that all its relays have, and nobody else; 'openssl rand -base64 32' draws one",
      "FILE:2: --cluster needs --peer-listen, where the other relays reach this one, such as 10.0.0.5:7000",
      "FILE:3: --acme-storage is not for --cluster: the certificate is kept in Redis, encrypted, for all relays (see line 2)",
      "FILE:4: --cluster needs a --resume-timeout of at least 6s: so long the others take a relay that has died for alive, and its clients' names would be forgotten before that (see line 2)",
      "FILE:5: --cluster-ca is for a --cluster that begins with rediss, which has TLS (see line 2)",
    ],
  },
  "a cluster whose values are none": {
    yaml: "domain: tunnel.test\ncluster: postgres://s3cret@db.test\ncluster-prefix: 'a b'\ncluster-secret-file: FOLDER/short\npeer-listen: 0.0.0.0:7000\npeer-tls-cert: FOLDER/good.pem\npeer-tls-key: FOLDER/bare.key\npeer-tls-ca: FOLDER/secret\n",
    told: [
      "FILE:2: the URL of Redis (--cluster) does not have the form of redis://redis.example:6379, or redis+sentinel://one.example,two.example,three.example/main",
      "FILE:3: cluster-prefix: the prefix of the keys in Redis is not of 1 to 64 letters, digits, '.', '_' and '-'",
      "FILE:4: cluster-secret-file: the secret of the cluster has 6 characters, and needs 32: draw one with 'openssl rand -base64 32'",
      "FILE:5: --peer-listen 0.0.0.0:7000 is no address at which other relays reach this one: set --peer-advertise, such as 10.0.0.5:7000",
      "FILE:7: peer-tls-cert: the certificates for the links between relays cannot be used: error:05800074:x509 certificate routines::key values mismatch (see line 6)",
      "FILE:8: --peer-tls-ca FOLDER/secret holds no certificate in PEM form",
    ],
  },
  "sentinels without a name, and workers that want the port of others": {
    yaml: "domain: tunnel.test\ncluster: redis+sentinel://one.test,two.test\ncluster-secret-file: FOLDER/secret\npeer-listen: 127.0.0.1:7000\nadmin-listen: 127.0.0.1:7001\nworkers: 4\npeer-tls-cert: FOLDER/good.pem\n",
    told: [
      "FILE:2: cluster: the URL of the sentinels ends without the name of what they watch; the form is redis://redis.example:6379, or redis+sentinel://one.example,two.example,three.example/main",
      "FILE:5: --admin-listen and --peer-listen both want port 7001 (see line 4). Give one of them another port.",
      "FILE:7: --peer-tls-cert and --peer-tls-key go together",
    ],
  },
  "options of a cluster that is not there": {
    yaml: "domain: tunnel.test\npeer-listen: 127.0.0.1:7000\ncluster-prefix: x\nmax-header-size: 1\n",
    told: [
      "FILE:2: --peer-listen is for --cluster, which is not there",
      "FILE:3: --cluster-prefix is for --cluster, which is not there",
      "FILE:4: max-header-size: It takes a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes (at least 1KiB, at most 1MiB).",
    ],
  },
  "ranges, headers and a template that are none": {
    yaml: "domain: tunnel.test\ntrusted-proxy: [10.0.0.0/8, 10.0.0/8, 10.0.0.0/33]\ntrusted-proxy-headers: connection\npublic-url: https://{name}.tunnel.test\nlimit-exempt: all\n",
    told: [
      "FILE:2: trusted-proxy: the trusted proxy '10.0.0/8' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8",
      "FILE:2: trusted-proxy: the trusted proxy '10.0.0.0/33' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8",
      "FILE:3: trusted-proxy-headers: the trusted proxy's header 'connection' is not the name of a field that a proxy sets, such as x-real-ip",
      "FILE:4: public-url: the public URL 'https://{name}.tunnel.test' is not an http(s) URL with {subdomain} in it, such as https://{subdomain}.{domain}",
      "FILE:5: limit-exempt: the exempt address 'all' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8",
    ],
  },
  "limits and logs out of their range, and keys that are none": {
    yaml: "domain: tunnel.test\nmax-tunnels: 0\nmax-request-body: 5 apples\nresponse-timeout: 0\nlog-level: loud\nworkers: 1000\nmax-request-bdy: 1\nMCP_TUNNEL_HOST: x\n",
    told: [
      "FILE:2: max-tunnels: Expected at least 1.",
      "FILE:3: max-request-body: It takes a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes.",
      "FILE:4: response-timeout: It takes a number with a unit, such as 500ms, 90s, 1.5m, 2h or 1d; without one it is seconds (at least 1ms, at most 24d).",
      "FILE:5: log-level: Allowed choices are debug, info, warn, error, silent.",
      "FILE:6: workers: Expected 1 to 256, or auto.",
      "FILE:7: unknown key 'max-request-bdy'; did you mean 'max-request-body'?",
      "FILE:8: unknown key 'MCP_TUNNEL_HOST'; did you mean 'host'?",
    ],
  },
  "an operator who cannot be shown, and names that no browser uses": {
    yaml: "domain: tunnel.test\noperator-name: 'Team\u202e Tools'\noperator-contact: javascript:alert(1)\nadmin-listen: 10.0.0.5:9090\nadmin-host:\n  - admin.tunnel.test\n  - https://admin.tunnel.test\n  - admin.tunnel.test:0\n",
    told: [
      "FILE:2: operator-name: 'Team\u202e Tools' is not one line of up to 100 characters",
      "FILE:3: operator-contact: 'javascript:alert(1)' is not an e-mail address, or an https: or mailto: URL",
      "FILE:4: --admin-listen 10.0.0.5 can be reached from outside this machine: set --admin-secret-file or --admin-secret",
      "FILE:7: admin-host: the name 'https://admin.tunnel.test' is not one by which a browser reaches the admin listener: write a host, or a host and a port, such as admin.example.com or 10.0.0.11:9090",
      "FILE:8: admin-host: the name 'admin.tunnel.test:0' is not one by which a browser reaches the admin listener: write a host, or a host and a port, such as admin.example.com or 10.0.0.11:9090",
    ],
  },
  "variables that are wrong, beside a file that is": {
    yaml: "prot: 1\n",
    env: {
      MCP_TUNNEL_PORT: "x",
      MCP_TUNNEL_MAX_TUNNELS: "0",
      MCP_TUNNEL_TRUSTED_PROXY: "10.0.0/8;::1",
      MCP_TUNNEL_REQUIRE_VISITOR_AUTH: "bearer",
      MCP_TUNNEL_STATIC_TOKEN: " ; ",
      MCP_TUNNEL_ADMIN_HOST: "admin.tunnel.test;a b",
      MCP_TUNNEL_OPERATOR_CONTACT: "nobody",
      MCP_TUNNEL_TOKEN_FILE: "/no/such/file",
    },
    told: [
      "FILE:1: unknown key 'prot'; did you mean 'port'?",
      "option '--port <PORT>' value 'x' from env 'MCP_TUNNEL_PORT' is invalid. Expected a port from 0 to 65535.",
      "option '--max-tunnels <N>' value '0' from env 'MCP_TUNNEL_MAX_TUNNELS' is invalid. Expected at least 1.",
      "MCP_TUNNEL_STATIC_TOKEN is set, but names nothing",
      "MCP_TUNNEL_REQUIRE_VISITOR_AUTH must be true or false",
      "MCP_TUNNEL_TRUSTED_PROXY: the trusted proxy '10.0.0/8' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8",
      "MCP_TUNNEL_OPERATOR_CONTACT: 'nobody' is not an e-mail address, or an https: or mailto: URL",
      "MCP_TUNNEL_ADMIN_HOST: the name 'a b' is not one by which a browser reaches the admin listener: write a host, or a host and a port, such as admin.example.com or 10.0.0.11:9090",
      "no domain is given: add --domain <DOMAIN>, set MCP_TUNNEL_DOMAIN, or write 'domain:' in a --config file",
      `MCP_TUNNEL_TOKEN_FILE: /no/such/file ${lostTokens}`,
    ],
  },
};

const cases = Object.entries(broken).filter(([, { posix }]) => posix !== true || !onWindows);

function write(yaml: string): string {
  const file = folder.write("relay.yaml", yaml.replaceAll("FOLDER", folder.path));
  chmodSync(file, 0o600);
  return file;
}

/** The lines of a message below its headline, without what differs from run to run. */
function linesOf(message: string, file: string): string[] {
  const [headline = "", ...lines] = message.split("\n");
  expect(headline).toMatch(/^the (?:config file has|options have) mistakes$/);
  return lines.map((line) => line.replaceAll(file, "FILE").replaceAll(folder.path, "FOLDER"));
}

/** The message of the error with which something ends. */
async function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
}

describe("a configuration that cannot work", () => {
  it.each(cases)("(%s): config check tells all of it", async (_, { yaml, env = {}, told }) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const file = write(yaml);
    const message = await messageOf(check(file));
    expect(linesOf(message, file)).toEqual(told);
    expect(message).not.toContain("s3cret");
  });

  it.each(cases.filter(([, { starts }]) => starts !== true))(
    "(%s): so does the start, and ends",
    async (_, { yaml, env = {}, told }) => {
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      const file = write(yaml);
      const failure = await createProgram()
        .parseAsync(["--config", file], { from: "user" })
        .then(() => undefined, failureOf);
      expect(failure?.status).toBe(2);
      expect(linesOf(failure?.message ?? "", file)).toEqual(told);
    },
  );

  it.each(cases.filter(([, { starts }]) => starts === true))(
    "(%s): the start goes on with it",
    async (_, { yaml, told }) => {
      const file = write(yaml);
      const command = createCommand("1").parse(["--config", file], { from: "user" });
      const { problems } = await startableOptions(command);
      expect(linesOf(listOf(problems), file)).toEqual(told);
    },
  );

  it("is told with what flags and variables have, where there is no file", async () => {
    vi.stubEnv("MCP_TUNNEL_HTTP_REDIRECT", "99999");
    const args = [
      "--domain",
      "a b",
      "--max-tunnels",
      "0",
      "--tls-cert",
      "none.pem",
      "--auth-secret",
      "s3cret",
    ];
    const failure = await createProgram()
      .parseAsync(args, { from: "user" })
      .then(() => undefined, failureOf);
    expect(failure?.message?.split("\n")).toEqual([
      "the options have mistakes",
      "option '--max-tunnels <N>' argument '0' is invalid. Expected at least 1.",
      "option '--http-redirect <PORT>' value '99999' from env 'MCP_TUNNEL_HTTP_REDIRECT' is invalid. Expected a port from 0 to 65535.",
      "--domain: the domain 'a b' is not usable: give a host name such as tunnel.example.com, with no scheme, port or path",
      `--tls-cert: none.pem ${lost}`,
      "each --tls-cert needs its --tls-key: there are 1 and 0",
      "--auth-secret is for --auth-url, which is not there",
    ]);
  });

  it("is told as JSON, too", async () => {
    const file = write("domain: tunnel.test\nport: x\n");
    const command = closing(runRelay(["config", "check", file, "--json"]));
    expect((await command.exited).code).toBe(1);
    expect(JSON.parse(command.stdout.join("\n"))).toEqual({
      verdict: "failed",
      problems: [
        {
          verdict: "failed",
          file,
          line: 2,
          options: [],
          message: "port: Expected a port from 0 to 65535.",
        },
      ],
    });
  });

  it("but only in a file that may change still starts, and says so in the log", async () => {
    vi.useRealTimers();
    const authority = await createAuthority();
    const { cert, key } = await authority.issue(["localhost", "*.localhost"], { inDays: 10 });
    const certFile = folder.write("new.pem", cert);
    const args = ["--tls-cert", certFile, "--tls-key", folder.write("new.key", key)];
    const relay = closing(await startRelayCommand(args));
    const line = await relay.waitForJson({ msg: "the relay starts, but something does not work" });
    expect(line["problem"]).toMatch(
      /^--tls-cert: .*new\.pem: it holds only from .* Look at this machine's clock/,
    );
  });
});

it("a certificate that is for some names alone is worth a warning", async () => {
  const file = write("domain: tunnel.test\ntls-cert: FOLDER/bare.pem\ntls-key: FOLDER/bare.key\n");
  const { problems } = await startableOptions(createCommand("1").parse(["--config", file], { from: "user" }));
  expect(problems).toMatchObject([
    { verdict: "warning", line: 2, message: expect.stringMatching(/^tls-cert: no certificate is for \*\./) },
  ]);
});

describe("a configuration that works", () => {
  const tls = "tls-cert: FOLDER/good.pem\ntls-key: FOLDER/good.key\n";
  it.each([
    ["the domain alone", "domain: tunnel.test\n"],
    [
      "TLS, a redirect, and tokens of both kinds",
      `domain: tunnel.test\n${tls}http-redirect: 8081\nstatic-token: s3cret:app\n`,
    ],
    [
      "a hook",
      "domain: tunnel.test\nacme-email: a@b.test\nacme-hook: FOLDER/good-hook.sh\nacme-storage: FOLDER/acme\n",
    ],
    ["a hook by its name alone", "domain: tunnel.test\nacme-email: a@b.test\nacme-hook: node\n"],
    ["a provider", "domain: tunnel.test\nauth-url: https://auth.test\nauth-secret-file: FOLDER/secret\n"],
    [
      "an admin port for everybody",
      "domain: tunnel.test\nadmin-listen: 0.0.0.0:9090\nadmin-secret-file: FOLDER/secret\n",
    ],
    [
      "a cluster, with a port for each worker",
      "domain: tunnel.test\ncluster: redis://redis.test\ncluster-secret-file: FOLDER/secret\n" +
        "peer-listen: 127.0.0.1:7000\nworkers: 4\nadmin-listen: 127.0.0.1:7004\n",
    ],
    [
      "one port at two addresses",
      "domain: tunnel.test\nhost: 10.0.0.5\nport: 9090\nadmin-listen: 127.0.0.1:9090\n",
    ],
  ])("(%s) is said to", async (_, yaml) => {
    const file = write(yaml);
    const written: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    await check(file);
    expect(written).toEqual([`${file}: ok\n`]);
  });
});
