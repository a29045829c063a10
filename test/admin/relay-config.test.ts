import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { createProgram, type Failure, failureOf } from "../../packages/relay/src/cli/program.js";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand, startClientCommand } from "../support/commands.js";
import { startAdminRelay } from "./support.js";

// Whoever manages a relay names its config file, and nothing of what stands in it once more.

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-relay-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function write(text: string): string {
  const path = join(folder, `relay-${++files}.yaml`);
  writeFileSync(path, text);
  return path;
}

const newTokens = (): string => join(folder, `tokens-${++files}.yaml`);

async function run(args: readonly string[], env?: NodeJS.ProcessEnv, cwd?: string) {
  const options = { ...(env === undefined ? {} : { env }), ...(cwd === undefined ? {} : { cwd }) };
  const command = closing(new RunningCommand(process.execPath, [commands.relay, ...args], options));
  const { code } = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** The words with which the command ends, without a process for it. */
async function failureFor(...args: string[]): Promise<Failure | undefined> {
  return await createProgram()
    .parseAsync(args, { from: "user" })
    .then(() => undefined, failureOf);
}

describe("token", () => {
  it("edits the token file of the config file, whatever else is wrong there", async () => {
    const tokens = newTokens();
    // Neither the domain nor the certificate would do for a relay, and one key is none.
    const config = write(`domain: "no domain"\ntls-cert: /nowhere.pem\ntoken-file: ${tokens}\nnonsense: 5\n`);
    const created = await run(["token", "create", "--config", config, "--subdomain", "ann", "--note", "Ann"]);
    expect(created, created.stderr.join("\n")).toMatchObject({ code: 0 });
    const listed = await run(["token", "list", "--json"], { MCP_TUNNEL_CONFIG: config });
    const [entry] = JSON.parse(listed.stdout.join("\n")) as { id: string; note: string }[];
    expect(entry).toMatchObject({ note: "Ann" });
    expect(await run(["token", "revoke", entry?.id ?? "", "--config", config])).toMatchObject({ code: 0 });
    expect(readFileSync(tokens, "utf8")).not.toContain("Ann");
  });

  it("edits the file that is given, before that of the environment, before that of the config file", async () => {
    const [given, ofEnvironment, ofConfig] = [newTokens(), newTokens(), newTokens()];
    const config = write(`token-file: ${ofConfig}\n`);
    const create = ["token", "create", "--config", config, "--subdomain", "ann"];
    const env = { MCP_TUNNEL_TOKEN_FILE: ofEnvironment };
    expect(await run([...create, "--token-file", given], env)).toMatchObject({ code: 0 });
    expect([given, ofEnvironment, ofConfig].map((file) => existsSync(file))).toEqual([true, false, false]);
    expect(await run(create, env)).toMatchObject({ code: 0 });
    expect([ofEnvironment, ofConfig].map((file) => existsSync(file))).toEqual([true, false]);
  });

  it("makes no file that no relay reads: a relative path is that of the relay's folder", async () => {
    const config = write("token-file: here.yaml\n");
    const create = ["token", "create", "--config", config, "--subdomain", "ann"];
    const elsewhere = await run(create, undefined, tmpdir());
    expect(elsewhere).toMatchObject({ code: 2, stdout: [] });
    expect(elsewhere.stderr).toEqual([
      `error: the token file 'here.yaml' of ${config} is looked for in the folder in which the relay is started, ` +
        "and is not in this one: change to that folder, or give --token-file <FILE>",
    ]);
    writeFileSync(join(folder, "here.yaml"), "tokens: []\n");
    expect(await run(create, undefined, folder)).toMatchObject({ code: 0 });
  });

  it("says what is missing", async () => {
    const none = await failureFor("token", "list");
    expect(none).toEqual({
      status: 2,
      message:
        "no token file is given: add --token-file <FILE>, or --config <FILE> of the relay (see mcp-tunnel token list --help)",
    });
    const config = write("domain: a.test\n");
    expect(await failureFor("token", "list", "--config", config)).toEqual({
      status: 2,
      message: `${config} has no 'token-file': add it there, or give --token-file <FILE> (see mcp-tunnel token list --help)`,
    });
    expect(await failureFor("token", "list", "--config", join(folder, "nowhere.yaml"))).toEqual({
      status: 2,
      message: expect.stringMatching(/^cannot read the config file: ENOENT.*nowhere\.yaml'$/),
    });
    const list = write("domain: a.test\ntoken-file: [a, b]\n");
    expect(await failureFor("token", "list", "--config", list)).toEqual({
      status: 2,
      message: `the config file has mistakes\n${list}:2: token-file: takes one value, not a list`,
    });
  });
});

describe("status, disconnect and health", () => {
  it("ask the relay of the config file, with its secret", async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "s3cret\n");
    const tokens = newTokens();
    const create = [
      "token",
      "create",
      "--token-file",
      tokens,
      "--subdomain",
      "app",
      "--note",
      "Ann's laptop",
    ];
    const [token = ""] = (await run(create)).stdout;
    const relay = closing(await startAdminRelay(["--admin-secret-file", secret, "--token-file", tokens]));
    const address = new URL(relay.admin).host;
    const config = write(
      `domain: 5\nport: x\nadmin-listen: "${address}"\nadmin-secret-file: ${secret}\nacme-email: "?"\n`,
    );
    closing(await startClientCommand(9, relay.port, ["--token", token]));
    const status = await run(["status", "--config", config]);
    expect(status, status.stderr.join("\n")).toMatchObject({ code: 0 });
    expect(status.stdout.join("\n")).toMatch(/^app .* online +[\da-f]{12} +Ann's laptop$/m);
    expect(await run(["health", "--config", config])).toMatchObject({
      code: 0,
      stdout: ["ready"],
    });
    const disconnect = await run(["disconnect", "app", "--config", config]);
    expect(disconnect).toMatchObject({ code: 0, stdout: ["disconnected app"] });
    // The command line wins over the file, and a secret of one kind over the file's of another.
    const wrong = await run(["status", "--config", config, "--admin-secret", "other"]);
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stderr.join()).toContain("refused: the secret that was given is not the relay's");
  });

  it("send the secret of a file that only the environment names to no other relay", async () => {
    const relay = closing(await startAdminRelay(["--admin-secret", "s3cret"]));
    const config = write(`admin-listen: 127.0.0.1:1\nadmin-secret: s3cret\n`);
    const env = { MCP_TUNNEL_CONFIG: config };
    const other = await run(["status", "--admin", relay.admin], env);
    expect(other).toMatchObject({ code: 1 });
    expect(other.stderr.join()).toContain("refused");
    // Who names both means both.
    expect(await run(["status", "--admin", relay.admin, "--config", config])).toMatchObject({ code: 0 });
  });

  it.each<[string, string, RegExp]>([
    ["no admin API", "domain: a.test\n", /has no 'admin-listen', so its relay has no admin API: .*--admin/],
    ["any port", "admin-listen: 127.0.0.1:0\n", /takes any free port: say which it is by --admin <ADDRESS>/],
    ["no address", "\nadmin-listen: here\n", /:2: admin-listen: Expected an address and a port/],
    ["no YAML", "admin-listen: [\n", /the config file has mistakes\n.*:\d: /],
    [
      "a secret that is not there",
      "admin-listen: 127.0.0.1:1\nadmin-secret-file: /nowhere\n",
      /cannot read .*ENOENT/,
    ],
  ])("say what is wrong with a file that has %s", async (_, text, said) => {
    const failure = await failureFor("status", "--config", write(text));
    expect(failure).toEqual({ status: 2, message: expect.stringMatching(said) });
  });

  it("check the health whatever becomes of a file that the environment names", async () => {
    const relay = closing(await startAdminRelay());
    const config = write("admin-listen: [\n");
    const args = ["health", "--admin", relay.admin];
    expect(await run(args, { MCP_TUNNEL_CONFIG: config })).toMatchObject({ code: 0, stdout: ["ready"] });
    const address = new URL(relay.admin).host;
    const env = { MCP_TUNNEL_CONFIG: config, MCP_TUNNEL_ADMIN_LISTEN: address };
    expect(await run(["health"], env)).toMatchObject({ code: 0, stdout: ["ready"] });
  });

  it("take the usual address when a file of the environment has none", async () => {
    vi.stubEnv("MCP_TUNNEL_CONFIG", write("domain: a.test\n"));
    try {
      // Nobody listens there in a test.
      const failure = await failureFor("status", "--admin-secret", "x");
      expect(failure?.message ?? "127.0.0.1:9090").toContain("127.0.0.1:9090");
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
