import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { check } from "../../packages/relay/src/cli/commands/config-actions.js";
import { createCommand } from "../../packages/relay/src/cli/options/options.js";
import { SecretOption } from "../../packages/relay/src/cli/options/value-option.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startRelayCommand } from "../support/commands.js";
import { startOriginalClient } from "../support/original-client.js";

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function write(text: string): string {
  const path = join(folder, `relay-${++files}.yaml`);
  writeFileSync(path, text);
  return path;
}

async function run(args: readonly string[], env?: NodeJS.ProcessEnv) {
  const command = runRelay(args, env);
  const { code } = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

describe("a config file", () => {
  it("says what the flags would say, lists included; flags win over the environment, and that over the file", async () => {
    const config = write(`
# For the team.
domain: from.file.test
port: 0
host: 127.0.0.1
public-url: "http://{subdomain}.{domain}:{port}"
static-token:
  - 0123:app       # neither a number
  - "two:dev-*,x"  # nor a map
max-request-body: 1MiB
response-timeout: 90s
log-format: json
log-level: info
`);
    const relay = closing(
      runRelay(["--config", config, "--domain", "from.flag.test"], {
        MCP_TUNNEL_DOMAIN: "from.env.test",
        MCP_TUNNEL_LOG_LEVEL: "debug",
      }),
    );
    const listening = await relay.waitForJson({ msg: "listening" });
    expect(listening).toMatchObject({ domain: "from.flag.test", auth: "static", host: "127.0.0.1" });
    const relayPort = listening["port"] as number;
    for (const [token, subdomain] of [
      ["0123", "app"],
      ["two", "dev-1"],
    ] as const) {
      const client = closing(await startOriginalClient({ version: "0.2", relayPort, token, subdomain }));
      expect(client.url).toBe(`http://${subdomain}.from.flag.test:${relayPort}`);
    }
    const shown = await run(["config", "show", config], { MCP_TUNNEL_DOMAIN: "from.env.test" });
    expect(shown.stdout).toEqual(
      expect.arrayContaining([
        "domain: from.env.test # env",
        "port: 0 # config",
        "max-request-body: 1MiB # config",
        "max-response-body: 10MiB # default",
        "response-timeout: 90s # config",
        "hold-timeout: 15s # default",
        "static-token:",
        "  # config",
        '  - "***:app"',
      ]),
    );
    expect(shown.stdout.join("\n")).not.toMatch(/0123|two:/);
  });

  it("turns a switch on or off, and a variable wins", async () => {
    const config = write("domain: a.test\nrequire-visitor-auth: true\n");
    expect((await run(["config", "check", config])).stdout).toEqual([`${config}: ok`]);
    const shown = await run(["config", "show", config]);
    expect(shown.stdout).toContain("require-visitor-auth: true # config");
    const other = await run(["config", "show", config], { MCP_TUNNEL_REQUIRE_VISITOR_AUTH: "off" });
    expect(other.stdout).toContain("require-visitor-auth: false # env");
    const word = write("domain: a.test\nrequire-visitor-auth: bearer\n");
    expect((await run(["config", "check", word])).stderr).toContain(
      `${word}:2: require-visitor-auth: has to be true or false`,
    );
  });

  it("shows a switch that turns something off as it is written", async () => {
    const config = write("domain: a.test\nno-client-download: true\n");
    expect((await run(["config", "show", config])).stdout).toContain("no-client-download: true # config");
  });

  it("is found through the environment", async () => {
    const config = write("domain: from.file.test\n");
    const relay = closing(
      await startRelayCommand(["--domain", "from.flag.test"], { MCP_TUNNEL_CONFIG: config }),
    );
    expect(await relay.waitForJson({ msg: "listening" })).toMatchObject({ domain: "from.flag.test" });
    const broken = write("domian: from.file.test\n");
    const other = await run(["--domain", "a.test"], { MCP_TUNNEL_CONFIG: broken });
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toContain(`${broken}:1: unknown key 'domian'; did you mean 'domain'?`);
  });

  it("with mistakes stops the start, and check tells every one of them with its line", async () => {
    const config = write(`domain: https://tunnel.example.com
port: 99999
hots: 127.0.0.1
maxRequestBody: 5
static-token:
  - s3cret
  - s3cret:a_b
trusted-proxy: [10.0.0.0/8, 10.0.0/8]
trusted-proxy-headers: x-real-ip, connection
max-response-body: 5 apples
log-format: xml
auth-url:
resume-timeout: [1s, 2s]
hold-timeout: { seconds: 1 }
`);
    const problems = [
      `${config}:1: domain: the domain 'https://tunnel.example.com' is not usable: give a host name such as tunnel.example.com, with no scheme, port or path`,
      `${config}:2: port: Expected a port from 0 to 65535.`,
      `${config}:3: unknown key 'hots'; did you mean 'host'?`,
      `${config}:4: unknown key 'maxRequestBody'; did you mean 'max-request-body'?`,
      `${config}:6: static-token: a static token is written TOKEN:SUBDOMAIN[,SUBDOMAIN...]; the colon is missing`,
      `${config}:7: static-token: a static token is written TOKEN:SUBDOMAIN[,SUBDOMAIN...]; the subdomain pattern 'a_b' is not usable: letters, digits, hyphens and at most one '*'`,
      `${config}:8: trusted-proxy: the trusted proxy '10.0.0/8' is not an IP address or a range such as 10.0.0.0/8 or fd00::/8`,
      `${config}:9: trusted-proxy-headers: the trusted proxy's header 'connection' is not the name of a field that a proxy sets, such as x-real-ip`,
      `${config}:10: max-response-body: It takes a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes.`,
      `${config}:11: log-format: Allowed choices are pretty, json.`,
      `${config}:12: auth-url: has no value`,
      `${config}:13: resume-timeout: takes one value, not a list`,
      `${config}:14: hold-timeout: has to be a plain value`,
    ];
    for (const [args, code] of [
      [["config", "check", config], 1],
      [["--config", config], 2],
    ] as const) {
      const result = await run(args);
      expect(result.code).toBe(code);
      expect(result.stderr).toEqual(["error: the config file has mistakes", ...problems]);
    }
  });

  it.each<[string, string, string]>([
    ["no YAML", 'domain: "a.test\n', ":2: Missing closing"],
    ["a key twice", "domain: a.test\nport: 1\ndomain: b.test\n", ":3: Map keys must be unique"],
    ["a list", "- domain\n", ":1: the file has to be a list of 'name: value' lines"],
    ["nothing at all", "# to do\n", "no domain is given"],
    ["a config file of its own", "domain: a.test\nconfig: other.yaml\n", ":2: unknown key 'config'"],
    ["an alias", "domain: *a\n", ":1: domain: has to be a plain value"],
    [
      "what does not go together",
      "domain: a.test\nauth-url: http://a.test\nauth-secret: s3cret\nstatic-token: t:a\n",
      ":4: --static-token and --auth-url exclude each other (see line 2)",
    ],
    [
      "a secret that is nowhere",
      "domain: a.test\nauth-url: http://a.test\n",
      ":2: --auth-url needs --auth-secret",
    ],
    [
      "a token file that is not there",
      "domain: a.test\ntoken-file: /no/such/file\n",
      ":2: token-file: /no/such/file is not there",
    ],
    [
      "a key that is not there",
      "domain: a.test\ntls-cert: cert.pem\n",
      ":2: each --tls-cert needs its --tls-key",
    ],
    [
      "a token file that is not there, by its name alone",
      "domain: a.test\nhost: 127.0.0.1\ntoken-file: no-such.yaml\n",
      ":3: token-file: no-such.yaml is not there",
    ],
    [
      "a certificate that is not there, one of several",
      "domain: a.test\ntls-cert:\n  - /no/such/cert.pem\ntls-key: /no/such/key.pem\n",
      ":3: tls-cert: /no/such/cert.pem is not there",
    ],
    [
      "an admin API for everybody",
      "domain: a.test\nadmin-listen: 0.0.0.0:9090\n",
      ":2: --admin-listen 0.0.0.0 can be reached from outside this machine",
    ],
    [
      "an admin secret that is not there",
      "domain: a.test\nadmin-listen: 127.0.0.1:9090\nadmin-secret-file: /no/such/file\n",
      ":3: admin-secret-file: /no/such/file is not there",
    ],
    [
      "a name of the admin API that is none",
      "domain: a.test\nadmin-listen: 127.0.0.1:9090\nadmin-host: [a.test, http://b.test]\n",
      ":3: admin-host: the name 'http://b.test' is not one",
    ],
    [
      "a limit out of its range",
      "domain: a.test\nmax-header-size: 1\n",
      ":2: max-header-size: It takes a number with a unit, such as 64KiB, 1.5MiB or 5MB; without one it is bytes (at least 1KiB,",
    ],
    ["no limit at all", "domain: a.test\nmax-tunnels: 0\n", ":2: max-tunnels: Expected at least 1."],
    [
      "a reserved name that is none",
      "domain: a.test\nreserved-names: www,a_b\n",
      ":2: reserved-names: the res",
    ],
    [
      "no provider",
      "domain: a.test\nauth-url: a.test\n",
      ":2: auth-url: the auth provider's URL 'a.test' is not",
    ],
    ["no email address", "domain: a.test\nacme-email: me\n", ":2: acme-email: the ACME email 'me' is not"],
    [
      "an authority without TLS",
      "domain: a.test\nacme-dir: http://a.test\n",
      ":2: acme-dir: the ACME directory",
    ],
  ])("that has %s is said to", async (_, text, mention) => {
    // Runs the command's function, without a process for each case. The test above shows that its refusal
    // becomes status 1.
    const refusal = await check(write(text)).then(
      () => "nothing is wrong",
      (error: unknown) => String(error),
    );
    expect(refusal).toContain(mention);
    expect(refusal).not.toContain("s3cret");
  });

  it("with a value that the message happens to hold is blamed for the right one alone", async () => {
    const config = write(
      "domain: a.test\nacme-storage: /no/such\ntls-cert: /no/such/cert.pem\ntls-key: /no/such/key.pem\n",
    );
    const advice = "is not there. Correct the path: it counts from the relay's working directory.";
    await expect(check(config)).rejects.toThrow(
      [
        "the config file has mistakes",
        `${config}:3: tls-cert: /no/such/cert.pem ${advice}`,
        `${config}:4: tls-key: /no/such/key.pem ${advice}`,
      ].join("\n"),
    );
  });

  it("that is right is said to be, and nothing is started by that", async () => {
    const config = write("domain: tunnel.example.com\nport: 1\nadmin-listen: 127.0.0.1:9090\n");
    expect(await run(["config", "check", config])).toEqual({
      code: 0,
      stdout: [`${config}: ok`],
      stderr: [],
    });
    const missing = join(folder, "none.yaml");
    expect((await run(["config", "check", missing])).stderr[0]).toContain("ENOENT");
  });
});

describe("a secret in a file", () => {
  it("is read without the end of its line, and is the provider's or nobody's", async () => {
    const secret = write("s3cret\n");
    const ok = write(`domain: a.test\nauth-url: http://127.0.0.1:9\nauth-secret-file: ${secret}\n`);
    expect(await run(["config", "check", ok])).toMatchObject({ code: 0 });
    const both = await run(["--domain", "a.test", "--auth-secret", "x", "--auth-secret-file", secret]);
    expect(both.stderr).toEqual(["error: --auth-secret and --auth-secret-file exclude each other"]);
    const empty = write("\n");
    const none = await run([
      ...["--domain", "a.test", "--auth-url", "http://a.test", "--auth-secret-file", empty],
    ]);
    expect(none).toMatchObject({ code: 2, stderr: [`error: --auth-secret-file ${empty} is empty`] });
  });

  it("is that of the command line, where the environment holds another", async () => {
    const secret = write("s3cret\n");
    const args = ["--domain", "a.test", "--auth-secret-file", secret];
    const told = await run(args, { MCP_TUNNEL_AUTH_SECRET: "x" });
    expect(told.stderr).toEqual(["error: --auth-secret is for --auth-url, which is not there"]);
    const both = await run(["--domain", "a.test"], {
      MCP_TUNNEL_AUTH_SECRET: "x",
      MCP_TUNNEL_AUTH_SECRET_FILE: secret,
    });
    expect(both.stderr).toEqual([
      "error: MCP_TUNNEL_AUTH_SECRET and MCP_TUNNEL_AUTH_SECRET_FILE exclude each other",
    ]);
  });
});

describe("config show", () => {
  it("shows no secret, and all else as it would be written", async () => {
    const config = write(`domain: a.test
admin-listen: 127.0.0.1:9090
admin-secret: s3cret
auth-secret: s3cret
static-token: [s3cret:a, "s3cret:s3cret:b"]
cluster: rediss://relay:s3cret@redis.test:6379/1
cluster-secret: s3cret
peer-listen: 10.0.0.5:7000
local-port: [a=4001, b=0]
idle-timeout: 1.5m
max-url-length: 1000
`);
    const { stdout } = await run(["config", "show", config]);
    expect(stdout.join("\n")).not.toContain("s3cret");
    expect(stdout).toEqual(
      expect.arrayContaining([
        "admin-listen: 127.0.0.1:9090 # config",
        'admin-secret: "***" # config',
        "cluster: rediss://***@redis.test:6379/1 # config",
        'cluster-secret: "***" # config',
        "peer-listen: 10.0.0.5:7000 # config",
        '  - "***:a"',
        '  - "***:b"',
        "  - a=4001",
        "idle-timeout: 90s # config",
        "max-url-length: 1000 # config",
        "max-tunnels: 5000 # default",
      ]),
    );
  });

  it("knows an option for a secret by its kind", () => {
    const named = createCommand("0").options.filter(
      (option) =>
        /secret|token|password|passphrase/.test(option.name()) && !/<(?:BYTES|FILE|N)>/.test(option.flags),
    );
    expect(named.map((option) => option.name())).toEqual([
      "static-token",
      "auth-secret",
      "cluster-password",
      "cluster-secret",
      "admin-secret",
    ]);
    for (const option of named) expect(option).toBeInstanceOf(SecretOption);
  });
});
