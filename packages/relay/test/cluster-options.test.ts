import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TunnelError } from "mcp-tunnel-protocol";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { createAuthority } from "../../../test/support/certificates.js";
import { clusterSettingsOf, memberOf } from "../src/cli/options/cluster-options.js";
import { createCommand } from "../src/cli/options/options.js";
import { readOptions, relayOptionsOf } from "../src/cli/options/read-options.js";
import { silentLogger } from "../src/telemetry/log.js";

// The options about clusters. Nothing is opened: a member that nobody joins connects to nothing.

const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-cluster-options-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());
const secret = "a secret of the cluster, long enough";
const secretFile = join(folder, "secret");
writeFileSync(secretFile, `${secret}\n`);

const base = ["--domain", "localhost"];
const url = ["--cluster", "redis://redis.test"];
const secrets = ["--cluster-secret-file", secretFile];
const listen = ["--peer-listen", "10.0.0.5:7000"];
const whole = [...base, ...url, ...secrets, ...listen];

async function parse(args: readonly string[]) {
  const command = createCommand("1")
    .exitOverride()
    .parse([...args], { from: "user" });
  await readOptions(command);
  return command;
}

const settings = async (args: readonly string[]) => clusterSettingsOf(await parse(args));

/** The error of {@link relayOptionsOf}. */
async function mistakeIn(args: readonly string[]): Promise<TunnelError> {
  const error: unknown = await relayOptionsOf(await parse(args), silentLogger).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TunnelError);
  return error as TunnelError;
}

describe("without --cluster", () => {
  it("a relay is alone", async () => {
    expect(await settings(base)).toBeUndefined();
    expect(await memberOf(await parse(base), silentLogger)).toBeUndefined();
  });

  it.each([
    ["--peer-listen", "10.0.0.5:7000"],
    ["--cluster-secret-file", secretFile],
    ["--cluster-prefix", "two"],
  ])("%s has no use", async (...args) => {
    const { message, code } = await mistakeIn([...base, ...args]);
    expect(code).toBe("invalid_option");
    expect(message).toBe(`${args[0]} is for --cluster, which is not there`);
  });
});

describe("a relay of a cluster", () => {
  it("needs a URL, a secret and a port for other relays, and has good defaults", async () => {
    expect(await settings(whole)).toEqual({
      redis: {
        url: "redis://redis.test",
        user: undefined,
        password: undefined,
        ca: undefined,
        prefix: undefined,
        times: { keepNamesMs: expect.any(Number) as number },
      },
      links: { secret, listen: { host: "10.0.0.5", port: 7_000 }, advertise: undefined, tls: undefined },
    });
    const { member } = await relayOptionsOf(await parse(whole), silentLogger);
    expect(member).toMatchObject({ isReady: false, node: expect.stringMatching(/^[\w-]{1,64}$/) as string });
  });

  it("takes all of it, names as long as sessions are kept", async () => {
    const authority = await createAuthority();
    const { cert, key } = await authority.issue(["relay.test"]);
    const files = { "--peer-tls-cert": cert, "--peer-tls-key": key, "--peer-tls-ca": authority.cert };
    const tls = Object.entries({ ...files, "--cluster-ca": authority.cert }).flatMap(([option, pem]) => {
      const file = join(folder, option);
      writeFileSync(file, pem);
      return [option, file];
    });
    const more = ["--cluster-user", "relay", "--cluster-prefix", "two", "--resume-timeout", "42s"];
    const advertise = ["--peer-listen", "[::]:7000", "--peer-advertise", "relay-1.test:7001"];
    const password = join(folder, "password");
    writeFileSync(password, "redis's");
    const args = [...base, ...secrets, ...tls, ...more, ...advertise, "--cluster", "rediss://redis.test"];
    const read = await settings([...args, "--cluster-password-file", password]);
    expect(read).toEqual({
      redis: {
        url: "rediss://redis.test",
        ...{ user: "relay", password: "redis's", ca: authority.cert, prefix: "two" },
        times: { keepNamesMs: 42_000 },
      },
      links: {
        secret,
        listen: { host: "::", port: 7_000 },
        advertise: "relay-1.test:7001",
        tls: { cert, key, ca: authority.cert },
      },
    });
    expect(await memberOf(await parse(args), silentLogger)).toBeDefined();
  });

  it("has its secrets from the environment", async () => {
    vi.stubEnv("MCP_TUNNEL_CLUSTER", "redis://user:pass@redis.test");
    vi.stubEnv("MCP_TUNNEL_CLUSTER_SECRET", secret);
    vi.stubEnv("MCP_TUNNEL_CLUSTER_PASSWORD", "other");
    vi.stubEnv("MCP_TUNNEL_PEER_LISTEN", "127.0.0.1:0");
    expect(await settings(base)).toMatchObject({
      redis: { url: "redis://user:pass@redis.test", password: "other" },
      links: { secret, listen: { host: "127.0.0.1", port: 0 } },
    });
  });

  it.each<[string, string[], string]>([
    ["no secret", [...url, ...listen], "--cluster needs --cluster-secret-file"],
    ["no port for relays", [...url, ...secrets], "--cluster needs --peer-listen"],
    [
      "a folder of one relay",
      [...url, ...secrets, ...listen, "--acme-storage", "acme"],
      "--acme-storage is not for --cluster",
    ],
    [
      "a port at all addresses",
      [...url, ...secrets, "--peer-listen", "0.0.0.0:7000"],
      "--peer-listen 0.0.0.0:7000 is no address at which other relays reach this one: set --peer-advertise",
    ],
    [
      "the same in IPv6",
      [...url, ...secrets, "--peer-listen", "[::]:7000"],
      "--peer-listen [::]:7000 is no address",
    ],
    [
      "an advertised address that leads everywhere",
      [...url, ...secrets, ...listen, "--peer-advertise", "0.0.0.0:7000"],
      "--peer-advertise 0.0.0.0:7000 is no address that leads to one relay",
    ],
    [
      "an advertised port that is none",
      [...url, ...secrets, ...listen, "--peer-advertise", "relay:0"],
      "--peer-advertise relay:0",
    ],
    [
      "names that are forgotten before the lease ends",
      [...url, ...secrets, ...listen, "--resume-timeout", "5s"],
      "--cluster needs a --resume-timeout of at least 6s",
    ],
    [
      "a secret in the process list",
      [...url, ...listen, "--cluster-secret", "s3cret"],
      "--cluster-secret would be seen by every user of this machine: use --cluster-secret-file or MCP_TUNNEL_CLUSTER_SECRET",
    ],
    [
      "a password there",
      [...url, ...secrets, ...listen, "--cluster-password", "s3cret"],
      "use --cluster-password-file or MCP_TUNNEL_CLUSTER_PASSWORD",
    ],
    [
      "a password in the URL there",
      ["--cluster", "redis://u:s3cret@redis.test", ...secrets, ...listen],
      "--cluster has a password in it",
    ],
    [
      "authorities without TLS",
      [...url, ...secrets, ...listen, "--cluster-ca", secretFile],
      "--cluster-ca is for a --cluster that begins with rediss",
    ],
    [
      "a file that is not there",
      ["--cluster", "rediss://redis.test", ...secrets, ...listen, "--cluster-ca", "/no/such/file"],
      "cannot read --cluster-ca /no/such/file: ENOENT",
    ],
    [
      "a certificate without its key",
      [...url, ...secrets, ...listen, "--peer-tls-cert", secretFile],
      "--peer-tls-cert and --peer-tls-key go together",
    ],
    [
      "authorities of peers without a certificate",
      [...url, ...secrets, ...listen, "--peer-tls-ca", secretFile],
      "--peer-tls-ca needs --peer-tls-cert",
    ],
    [
      "an engine of another kind",
      ["--cluster", "postgres://s3cret@db", ...secrets, ...listen],
      "the URL of Redis",
    ],
  ])("(%s) is told what is wrong", async (_, args, said) => {
    const { message } = await mistakeIn([...base, ...args]);
    expect(message).toContain(said);
    expect(message).not.toContain("s3cret");
  });

  it("is told of a secret that is too short to be one", async () => {
    const short = join(folder, "short");
    writeFileSync(short, "s3cret");
    const { message } = await mistakeIn([...base, ...url, ...listen, "--cluster-secret-file", short]);
    expect(message).toContain("needs 32");
  });
});
