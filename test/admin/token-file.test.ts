import {
  existsSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, openAuthenticator } from "mcp-tunnel";
import { afterAll, describe, expect, it, vi } from "vitest";
import { combinedAuthenticator } from "../../packages/relay/src/auth/combined.js";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import {
  createToken,
  editToken,
  listTokens,
  type NewToken,
  revokeToken,
  rotateToken,
} from "../../packages/relay/src/auth/token-file-edit.js";
import { createProgram, failureOf } from "../../packages/relay/src/cli/program.js";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type RunningCommand,
  runClient,
  runRelay,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { LogWatch } from "../support/log-watch.js";
import { startOriginalClient } from "../support/original-client.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// Tokens that the operator gives out, changes and takes back while the relay runs.

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-tokens-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = (extension = "yaml"): string => join(folder, `tokens-${++files}.${extension}`);

async function tokenCommand(...args: string[]): Promise<RunningCommand & { code: number | null }> {
  const command = runRelay(["token", ...args]);
  const { code } = await command.exited;
  return Object.assign(command, { code });
}

/** The status and message with which the command would end with these arguments, without a process for it. */
const failureOfCommand = (...args: string[]) =>
  createProgram()
    .parseAsync(args, { from: "user" })
    .then(() => undefined, failureOf);

/** Creates a token as the command does, without a process for it. */
const create = (file: string, subdomains: string[], more: Omit<NewToken, "subdomains"> = {}) =>
  createToken(file, { ...more, subdomains });

/** Creates a token by the command and returns it. */
async function createByCommand(file: string, ...args: string[]): Promise<{ token: string; id: string }> {
  const command = await tokenCommand("create", "--token-file", file, ...args);
  expect(command.output).toMatch(/^mtt_/m);
  const id = /created token ([0-9a-f]{12})/.exec(command.stderr.join("\n"))?.[1] as string;
  return { token: command.stdout[0] as string, id };
}

async function startCommand(file: string, ...args: string[]) {
  return closing(await startRelayCommand(["--token-file", file, ...args]));
}

/** The relay that the command would start, in this process. */
async function startRelay(file: string) {
  const log = new LogWatch();
  const authenticator = await TokenFileAuthenticator.open(file, log.logger);
  const options = { domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 };
  const relay = createRelay({ ...options, authenticator, logger: log.logger });
  const { port } = await relay.listen();
  closing({ close: () => relay.close(0) });
  return Object.assign(log, { port, tunnels: () => relay.tunnels() });
}

describe("a token of the file", () => {
  it("lets its client have its names, and no others", async () => {
    const file = newFile();
    const { token } = await create(file, ["app", "app-*"]);
    const upstream = closing(await startUpstream());
    const relay = await startCommand(file);
    expect(await relay.waitForJson({ msg: "listening" })).toMatchObject({ auth: "token file" });
    closing(await startClientCommand(upstream.port, relay.port, ["--token", token, "--subdomain", "app-1"]));
    const visitor = closing(createVisitor(relay.port));
    expect((await visitor.text("app-1", "/echo")).status).toBe(200);

    const greedy = closing(runClient(clientArgs(relay.port, token, "other")));
    expect((await greedy.exited).code).not.toBe(0);
    const stranger = closing(runClient(clientArgs(relay.port, "mtt_guess", "app")));
    await stranger.exited;
    expect(stranger.output).toContain("invalid token");
    expect(relay.output).not.toContain(token);
  });

  it("created while the relay runs is known within two seconds", async () => {
    const file = newFile();
    await create(file, ["one"]);
    const relay = await startRelay(file);
    const { token } = await create(file, ["two"]);
    await relay.waitForJson({ msg: "token file read again", tokens: 2, added: 1, removed: 0 });
    await connect(relay.port, token, "two");
  });

  it("is told with its tunnels, by its id and its note, as the file has it now", async () => {
    const file = newFile();
    const ann = await create(file, ["ann"], { note: "Ann" });
    const bob = await create(file, ["bob"]);
    const relay = await startRelay(file);
    await connect(relay.port, ann.token, "ann");
    await connect(relay.port, bob.token, "bob");
    const told = () => relay.tunnels().map(({ name, token, note }) => ({ name, token, note }));
    expect(told()).toEqual([
      { name: "ann", token: ann.id, note: "Ann" },
      { name: "bob", token: bob.id, note: undefined },
    ]);
    writeFileSync(file, readFileSync(file, "utf8").replace("note: Ann", "note: Ann's laptop"));
    await relay.waitForJson({ msg: "token file read again", changed: 1 });
    expect(told()[0]).toEqual({ name: "ann", token: ann.id, note: "Ann's laptop" });
  });

  it("that is revoked ends its tunnels with 4001, and nobody else's", async () => {
    const file = newFile();
    const ann = await create(file, ["ann-*"], { note: "Ann" });
    const bob = await create(file, ["bob"]);
    const relay = await startRelay(file);
    const tunnels = [
      await connect(relay.port, ann.token, "ann-1"),
      await connect(relay.port, ann.token, "ann-2"),
    ];
    await connect(relay.port, bob.token, "bob");
    await revokeToken(file, ann.id.slice(0, 6));
    for (const tunnel of tunnels) {
      expect(await tunnel.closed).toMatchObject({ code: 4001, reason: "token revoked" });
    }
    await expect(connect(relay.port, ann.token, "ann-1")).rejects.toThrow("invalid token");
    expect(await isUp(relay.port, "bob")).toBe(true);
    await relay.waitForJson({ msg: "tunnel closed by its token", name: "ann-1" });
    await relay.waitForJson({ msg: "tunnel closed by its token", name: "ann-2" });
    expect(relay.json.filter((line) => line["msg"] === "tunnel closed by its token")).toHaveLength(2);
  });

  it("that is revoked while its client is away ends the client when it returns", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["app"]);
    const relay = await startRelay(file);
    const proxy = closing(await startFaultProxy(relay.port));
    const client = closing(await startClientCommand(9, proxy.port, ["--token", token, "--subdomain", "app"]));
    proxy.refusing = true;
    proxy.cut();
    await relay.waitForJson({ msg: "tunnel away" });
    await revokeToken(file, id);
    await relay.waitForJson({ msg: "tunnel closed by its token" });
    proxy.refusing = false;
    expect((await client.exited).code).not.toBe(0);
    expect(client.output).toContain("token revoked");
  });

  it("that expires ends its tunnels at that moment", async () => {
    const file = newFile();
    const { token } = await create(file, ["app"], { expires: "2999-01-31" });
    const relay = await startRelay(file);
    const tunnel = await connect(relay.port, token, "app");
    const expires = new Date(Date.now() + 2_000).toISOString();
    replace(file, readFileSync(file, "utf8").replace(/expires: .*/, `expires: ${expires}`));
    expect(await tunnel.closed).toMatchObject({ code: 4001, reason: "token expired" });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expires));
    await expect(connect(relay.port, token, "app")).rejects.toThrow("token expired");
  });

  it("that loses a name ends the tunnel of that name only", async () => {
    const file = newFile();
    const { token } = await create(file, ["one", "two"]);
    const relay = await startRelay(file);
    const one = await connect(relay.port, token, "one");
    await connect(relay.port, token, "two");
    replace(file, readFileSync(file, "utf8").replace("- one\n", "- three\n"));
    expect(await one.closed).toMatchObject({
      code: 4001,
      reason: "subdomain 'one' not authorized for this token",
    });
    expect(await isUp(relay.port, "two")).toBe(true);
  });

  it("that loses a name by a command ends the tunnel of that name only", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["one", "two"]);
    const relay = await startRelay(file);
    const one = await connect(relay.port, token, "one");
    await connect(relay.port, token, "two");
    await editToken(file, id, { removeSubdomains: ["one"], addSubdomains: ["three"], maxTunnels: 2 });
    expect(await one.closed).toMatchObject({ code: 4001 });
    expect(await isUp(relay.port, "two")).toBe(true);
    await connect(relay.port, token, "three");
  });

  it("that gets a new secret ends the tunnels of the old one, and has its names with the new one", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["app"], { note: "Ann" });
    const relay = await startRelay(file);
    const old = await connect(relay.port, token, "app");
    const rotated = await rotateToken(file, id);
    expect(rotated.oldId).toBe(id);
    expect(await old.closed).toMatchObject({ code: 4001, reason: "token revoked" });
    await expect(connect(relay.port, token, "app")).rejects.toThrow("invalid token");
    await connect(relay.port, rotated.token, "app");
    expect((await listTokens(file)).map(({ note, sha256 }) => [note, sha256.slice(0, 12)])).toEqual([
      ["Ann", rotated.id],
    ]);
  });

  it("keeps its old secret beside the new one for a while, if that is wanted", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["one", "two"]);
    const relay = await startRelay(file);
    const old = await connect(relay.port, token, "one");
    const until = Math.ceil(Date.now() / 1_000) * 1_000 + 3_000;
    const rotated = await rotateToken(file, id, { keepOldUntil: until });
    await relay.waitForJson({ msg: "token file read again", added: 1, changed: 1, removed: 0 });
    await connect(relay.port, rotated.token, "two");
    expect(await isUp(relay.port, "one")).toBe(true);
    expect(await old.closed).toMatchObject({ code: 4001, reason: "token expired" });
    expect(Date.now()).toBeGreaterThanOrEqual(until);
    expect(await isUp(relay.port, "two")).toBe(true);
  });

  it("keeps no old secret that is taken back by its own id", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["one", "two"]);
    const rotated = await rotateToken(file, id, { keepOldUntil: Date.now() + 3_600_000 });
    const relay = await startRelay(file);
    const old = await connect(relay.port, token, "one");
    await connect(relay.port, rotated.token, "two");
    await revokeToken(file, id);
    expect(await old.closed).toMatchObject({ code: 4001, reason: "token revoked" });
    expect(await isUp(relay.port, "two")).toBe(true);
  });

  it("has as many requests a second as it may, also when that changes while its tunnels are up", async () => {
    const file = newFile();
    const { token, id } = await create(file, ["app"], { maxRequestsPerSecond: 1 });
    const relay = await startRelay(file);
    await connect(relay.port, token, "app");
    // No second passes.
    vi.useFakeTimers({ toFake: ["performance"] });
    closing({ close: () => vi.useRealTimers() });
    expect([await isUp(relay.port, "app"), await isUp(relay.port, "app")]).toEqual([true, false]);
    await editToken(file, id, { maxRequestsPerSecond: null });
    await relay.waitForJson({ msg: "token file read again", changed: 1 });
    expect(await isUp(relay.port, "app")).toBe(true);
  });

  it("has as many tunnels as it may, and its own name again", async () => {
    const file = newFile();
    const { token } = await create(file, ["a", "b", "c"], { maxTunnels: 2 });
    const relay = await startRelay(file);
    const a = await connect(relay.port, token, "a");
    await connect(relay.port, token, "b");
    await expect(connect(relay.port, token, "c")).rejects.toThrow("this token may have 2 tunnels at once");
    await connect(relay.port, token, "a");
    expect(await a.closed).toMatchObject({ code: 4002 });
  });
});

describe("other relays of a cluster", () => {
  it("are told of tokens that were taken back or have lost a name, and of no others", async () => {
    const file = newFile();
    const [kept, revoked, expired] = [
      await create(file, ["kept"]),
      await create(file, ["revoked"]),
      await create(file, ["expired"], { expires: "2099-01-01" }),
    ];
    const log = new LogWatch();
    const living = closing(await TokenFileAuthenticator.open(file, log.logger));
    const authenticator = combinedAuthenticator([openAuthenticator, living]);
    const told: [string, readonly string[] | undefined][] = [];
    const end = authenticator.watchRevoked?.((id, allowed) => told.push([id, allowed]));
    await revokeToken(file, revoked.id);
    replace(file, readFileSync(file, "utf8").replace("2099-01-01", "2001-01-01"));
    await authenticator.reload?.();
    expect(told).toHaveLength(2);
    expect(told).toEqual(
      expect.arrayContaining([
        [revoked.id, undefined],
        [expired.id, undefined],
      ]),
    );
    await editToken(file, kept.id, { addSubdomains: ["more"], note: "kept" });
    await authenticator.reload?.();
    expect(told).toHaveLength(2);
    await editToken(file, kept.id, { subdomains: ["kept-*", "more"] });
    await authenticator.reload?.();
    expect(told.slice(2)).toEqual([[kept.id, ["more", "kept-*"]]]);
    end?.();
    await revokeToken(file, kept.id);
    await authenticator.reload?.();
    expect(told).toHaveLength(3);
  });
});

describe("a file that cannot be used", () => {
  it("keeps the relay from starting, with every line that is wrong", async () => {
    const file = newFile();
    writeFileSync(file, "tokens:\n  - sha256: abc\n    subdomains: [a, b_c]\n    color: red\n");
    const relay = closing(runRelay(["--domain", "localhost", "--port", "0", "--token-file", file]));
    expect((await relay.exited).code).toBe(2);
    expect(relay.stderr).toEqual([
      "error: the token file has mistakes",
      `${file}:2: 'tokens.0.sha256': is not a SHA-256 digest: 64 hex digits`,
      `${file}:3: 'tokens.0.subdomains.1': is not a subdomain pattern: letters, digits, hyphens and at most one '*', 63 at most`,
      `${file}:4: unknown key 'color'`,
    ]);
  });

  it("changes nothing while the relay runs, and says so with line and reason", async () => {
    const file = newFile();
    const { token } = await create(file, ["app", "next"]);
    const relay = await startRelay(file);
    await connect(relay.port, token, "app");
    const good = readFileSync(file, "utf8");

    replace(file, `${good}  - sha256: "${"0".repeat(64)}"\n    subdomain: [x]\n`);
    const line = good.split("\n").length + 1;
    await relay.waitForJson({
      problem: `${file}:${line}: unknown key 'subdomain'; did you mean 'subdomains'?`,
    });
    replace(file, `${good}  - sha256: "never closed\n`);
    await relay.waitFor(() =>
      relay.json.find(({ problem }) => /: Missing closing "quote/.test(String(problem))),
    );
    // An editor may empty the file before it writes, and a file may be gone for a moment.
    replace(file, "");
    await relay.waitForJson({ problem: `${file}:1: the file: needs the key 'tokens' with a list of tokens` });
    renameSync(file, `${file}.away`);
    await relay.waitFor(() => relay.json.find(({ problem }) => String(problem).includes("ENOENT")));

    expect(await isUp(relay.port, "app")).toBe(true);
    await connect(relay.port, token, "next");
    replace(file, good);
    await relay.waitForJson({ msg: "token file read again", added: 0, changed: 0, removed: 0 });
    expect(await isUp(relay.port, "app")).toBe(true);
  });

  it("is read again at once on SIGHUP, changed or not", async () => {
    const file = newFile();
    await create(file, ["app"]);
    const relay = await startCommand(file);
    relay.child.kill("SIGHUP");
    await relay.waitForJson({ msg: "token file read again", tokens: 1, changed: 0 });
  });
});

describe("the token commands", () => {
  it("keep the comments and the order of the file, and its mode", async () => {
    const file = newFile();
    const digest = "a".repeat(64);
    const text = `# Ours.\ntokens:\n  # CI\n  - sha256: ${digest} # never leaves CI\n    subdomains: [ci, "0123"]\n`;
    writeFileSync(file, text, { mode: 0o640 });
    const { id } = await createByCommand(file, "--subdomain", "app", "--note", "Ann: #1");
    const created = readFileSync(file, "utf8");
    expect(created.startsWith("# Ours.\ntokens:\n  # CI\n")).toBe(true);
    expect(created).toContain(`${digest} # never leaves CI`);
    expect(created).toContain('"0123"');
    const revoked = await tokenCommand("revoke", id.slice(0, 6), "--token-file", file);
    expect(revoked.output).toBe(`revoked token ${id} (Ann: #1)`);
    expect(readFileSync(file, "utf8")).toBe(text.replace('[ci, "0123"]', '[ ci, "0123" ]'));
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  it("change an entry, and nothing else", async () => {
    const file = newFile();
    const digests = ["a", "b", "c"].map((digit) => digit.repeat(64));
    const text = [
      "# Ours.",
      "tokens:",
      "  # CI",
      `  - sha256: ${digests[0]} # never leaves CI`,
      '    subdomains: [ ci, "0123" ] # two',
      "    limits:",
      "      maxTunnels: 3 # enough",
      `  - sha256: ${digests[1]}`,
      "    subdomains:",
      "      - app # since May",
      "      - old",
      "    note: Bob",
      "    expires: 2999-01-31 # the contract",
      `  - { sha256: ${digests[2]}, subdomains: [ x ] }`,
      "",
    ].join("\n");
    writeFileSync(file, text);
    const changed = await tokenCommand(
      ...["edit", "bbb", "--token-file", file, "--add-subdomain", "app-*", "--remove-subdomain", "old"],
      ...["--note", "Bob's", "--expires", "2999-12-31", "--max-bytes-per-second", "2MiB"],
      ...["--max-requests-per-second", "50"],
    );
    expect(changed.output).toBe(`changed token ${"b".repeat(12)} (Bob's)`);
    const after = text
      .replace("      - old\n", "      - app-*\n")
      .replace("note: Bob", "note: Bob's")
      .replace(
        "2999-01-31 # the contract\n",
        "2999-12-31 # the contract\n    limits:\n      maxRequestsPerSecond: 50\n      maxBytesPerSecond: 2MiB\n",
      );
    expect(readFileSync(file, "utf8")).toBe(after);
    await editToken(file, "aaa", { maxTunnels: null, subdomains: ["0123", "ci"] });
    const free = await tokenCommand(
      ...["edit", "bbb", "--token-file", file, "--expires", "never", "--note", ""],
      ...["--max-tunnels", "none", "--max-requests-per-second", "none", "--max-bytes-per-second", "999"],
    );
    expect(free.output).toBe(`changed token ${"b".repeat(12)}`);
    await editToken(file, "ccc", { maxTunnels: 1 });
    expect(readFileSync(file, "utf8")).toBe(
      after
        .replace("    limits:\n      maxTunnels: 3 # enough\n", "")
        .replace("    note: Bob's\n    expires: 2999-12-31 # the contract\n", "")
        .replace(
          "      maxRequestsPerSecond: 50\n      maxBytesPerSecond: 2MiB\n",
          "      maxBytesPerSecond: 999\n",
        )
        .replace("[ x ] }", "[ x ], limits: { maxTunnels: 1 } }"),
    );
    expect(await listTokens(file)).toMatchObject([
      { subdomains: ["ci", "0123"], maxTunnels: undefined },
      { subdomains: ["app", "app-*"], maxBytesPerSecond: 999, expiresAt: undefined, note: undefined },
      { maxTunnels: 1 },
    ]);
  });

  it("give a token of JSON a new secret, and take fields of it away", async () => {
    const file = newFile("json");
    const entry = { sha256: "b".repeat(64), subdomains: ["ci"], note: "CI", limits: { maxTunnels: 2 } };
    writeFileSync(file, JSON.stringify({ tokens: [entry] }));
    const rotated = await tokenCommand("rotate", "bbb", "--keep-old", "1h", "--token-file", file);
    const [, until, id] =
      /b{12}, and is good until (\S+)\ntoken b{12} is ([0-9a-f]{12}) /.exec(rotated.stderr.join("\n")) ?? [];
    expect(rotated.stdout).toEqual([expect.stringMatching(/^mtt_/)]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      tokens: [
        { ...entry, sha256: expect.stringMatching(`^${id}`), previous: { sha256: entry.sha256, until } },
      ],
    });
    expect(Date.parse(until as string) - Date.now()).toBeGreaterThan(3_500_000);
    const { limits: _, note: __, ...rest } = entry;
    await editToken(file, id as string, { note: null, maxTunnels: null });
    await rotateToken(file, id as string);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      tokens: [{ ...rest, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
  });

  it("change no other token by an anchor of YAML, and then say so", async () => {
    const file = newFile();
    const digests = ["a", "b"].map((digit) => digit.repeat(64));
    const text = [
      "tokens:",
      `  - { sha256: ${digests[0]}, subdomains: &names [ a, b ], limits: &few { maxTunnels: 1 } }`,
      `  - { sha256: ${digests[1]}, subdomains: *names, limits: *few }`,
      "",
    ].join("\n");
    writeFileSync(file, text);
    for (const change of [{ addSubdomains: ["c"] }, { maxTunnels: 2 }]) {
      // oxlint-disable-next-line no-await-in-loop -- they change one file
      await expect(editToken(file, "aaa", change)).rejects.toThrow("other tokens would change with this one");
    }
    await expect(editToken(file, "bbb", { maxTunnels: 2 })).rejects.toThrow("change it by hand");
    expect(readFileSync(file, "utf8")).toBe(text);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  it("do not mix up edits that run at once", async () => {
    const file = newFile();
    const { id } = await create(file, ["app"]);
    const names = ["a", "b", "c", "d", "e"];
    await Promise.all(names.map((name) => editToken(file, id, { addSubdomains: [name] })));
    const [token] = await listTokens(file);
    expect([...(token?.subdomains ?? [])].toSorted()).toEqual(["a", "app", "b", "c", "d", "e"]);
  });

  it("keep JSON JSON", async () => {
    const file = newFile("json");
    writeFileSync(file, JSON.stringify({ tokens: [{ sha256: "b".repeat(64), subdomains: ["ci"] }] }));
    const { id } = await createByCommand(file, "--subdomain", "app", "--max-tunnels", "3");
    const { tokens } = JSON.parse(readFileSync(file, "utf8"));
    expect(tokens[1]).toEqual({
      sha256: expect.stringMatching(new RegExp(`^${id}`)),
      subdomains: ["app"],
      limits: { maxTunnels: 3 },
    });
  });

  it("never show a token twice, and keep what they create to its owner", async () => {
    const file = newFile();
    const { token, id } = await createByCommand(
      file,
      "--subdomain",
      "app,app-*",
      "--expires",
      "2999-01-31",
      "--note",
      "Ann",
    );
    const list = await tokenCommand("list", "--token-file", file);
    expect(list.output).toMatch(new RegExp(`^${id} +app,app-\\* +2999-02-01 00:00 +- +- +- +Ann$`, "m"));
    const json = await tokenCommand("list", "--json", "--token-file", file);
    expect(JSON.parse(json.stdout.join(""))).toEqual([
      { id, subdomains: ["app", "app-*"], note: "Ann", expires: "2999-02-01T00:00:00.000Z" },
    ]);
    expect(list.output + json.output + readFileSync(file, "utf8")).not.toContain(token);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("lose nothing when several run at once", async () => {
    const file = newFile();
    const names = ["a", "b", "c", "d", "e"];
    await Promise.all(names.map((name) => createByCommand(file, "--subdomain", name)));
    const json = await tokenCommand("list", "--json", "--token-file", file);
    const tokens = JSON.parse(json.stdout.join("")) as { subdomains: string[] }[];
    expect(tokens.flatMap(({ subdomains }) => subdomains).toSorted()).toEqual(names);
  });

  it.each<[string, string[], string]>([
    ["a pattern that is none", ["create", "--subdomain", "a_b"], "'a_b'"],
    ["no pattern", ["create"], "--subdomain"],
    ["a date that is none", ["create", "--subdomain", "a", "--expires", "soon"], "30d"],
    ["a date in the past", ["create", "--subdomain", "a", "--expires", "2020-01-01"], "past"],
    ["no tunnels at all", ["create", "--subdomain", "a", "--max-tunnels", "0"], "above 0"],
    ["an id that no token has", ["revoke", "0123"], "no token in"],
    ["an edit of a token that is not there", ["edit", "0123", "--note", "x"], "no token in"],
    ["a new secret for a token that is not there", ["rotate", "0123"], "no token in"],
    ["an edit of nothing", ["edit", "0123"], "nothing to change"],
    ["no bytes at all", ["create", "--subdomain", "a", "--max-bytes-per-second", "0"], "at least 1"],
  ])("say what is wrong with %s, and leave the file alone", async (_, args, mention) => {
    const file = newFile();
    writeFileSync(file, "tokens: []\n");
    const [verb = "", ...rest] = args;
    const failure = await failureOfCommand("token", verb, "--token-file", file, ...rest);
    expect(failure).toEqual({ status: 2, message: expect.stringContaining(mention) });
    // If the command line is at fault, the message points to the help of the subcommand.
    if (verb === "create") expect(failure?.message).toMatch(/ \(see mcp-tunnel token create --help\)$/);
    expect(readFileSync(file, "utf8")).toBe("tokens: []\n");
  });

  it("follow a symbolic link, which stays", async () => {
    const file = newFile();
    const link = newFile();
    await create(file, ["app"]);
    symlinkSync(file, link);
    const { id } = await create(link, ["more"]);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect((await listTokens(file)).map(({ subdomains }) => subdomains)).toEqual([["app"], ["more"]]);
    await revokeToken(link, id);
    expect(await listTokens(file)).toHaveLength(1);
  });

  it("put no file in the place of a symbolic link that leads nowhere", async () => {
    const link = newFile();
    symlinkSync("nowhere.yaml", link);
    const why = `cannot change ${link}: it is a symbolic link to a file that is not there. Nothing was changed`;
    await expect(create(link, ["app"])).rejects.toThrow(why);
    expect(readlinkSync(link)).toBe("nowhere.yaml");
    expect(existsSync(`${link}.lock`)).toBe(false);
  });

  it("refuse a file with several names, by the other of which the relay may read it", async () => {
    const file = newFile();
    const other = newFile();
    const { id } = await create(file, ["app"]);
    linkSync(file, other);
    const before = readFileSync(file, "utf8");
    for (const args of [
      ["revoke", id],
      ["create", "--subdomain", "more"],
    ]) {
      const [verb = "", ...rest] = args;
      expect(await failureOfCommand("token", verb, "--token-file", other, ...rest)).toEqual({
        status: 2,
        message: expect.stringContaining("the file has 1 more name (hard links)"),
      });
    }
    expect(readFileSync(file, "utf8")).toBe(before);
    expect(statSync(other).ino).toBe(statSync(file).ino);
    rmSync(other);
    await revokeToken(file, id);
  });

  it("do not touch a file with mistakes", async () => {
    const file = newFile();
    writeFileSync(file, "tokens:\n  - nonsense\n");
    const command = await tokenCommand("create", "--token-file", file, "--subdomain", "a");
    expect(command.code).toBe(2);
    expect(command.output).toContain(`${file}:2:`);
    expect(readFileSync(file, "utf8")).toBe("tokens:\n  - nonsense\n");
  });
});

describe("beside a token file", () => {
  it("static tokens hold, as they are or as digests", async () => {
    const file = newFile();
    const { token } = await create(file, ["file"]);
    // printf static-2 | sha256sum
    const digest = "f19a9cbf6c3d37db79fd0bc564e3703cab4f97c83e1a545872b2e8658399debb";
    const relay = await startCommand(
      file,
      "--static-token",
      "static-1:one",
      "--static-token",
      `sha256:${digest}:two`,
    );
    await connect(relay.port, token, "file");
    await connect(relay.port, "static-1", "one");
    await connect(relay.port, "static-2", "two");
    await expect(connect(relay.port, `sha256:${digest}`, "two")).rejects.toThrow("invalid token");
  });

  it.each<[string, string[], string]>([
    ["an auth provider", ["--auth-url", "http://127.0.0.1:9", "--auth-secret", "s"], "--auth-url exclude"],
    ["a digest that is none", ["--static-token", "sha256:12:app"], "64 hex digits"],
  ])("%s is refused", async (_, args, mention) => {
    const file = newFile();
    writeFileSync(file, "tokens: []\n");
    expect(await failureOfCommand("--domain", "localhost", "--token-file", file, ...args)).toEqual({
      status: 2,
      message: expect.stringContaining(mention),
    });
  });
});

/** Replaces the file as editors do: a new file takes the place of the old one. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function clientArgs(relayPort: number, token: string, subdomain: string): string[] {
  return [
    "9",
    "--relay",
    `http://127.0.0.1:${relayPort}`,
    "--token",
    token,
    "--subdomain",
    subdomain,
    "--json",
  ];
}

/** A client of the original's kind. It shows the close codes. */
async function connect(relayPort: number, token: string, subdomain: string) {
  return closing(await startOriginalClient({ version: "0.2", relayPort, token, subdomain }));
}

async function isUp(relayPort: number, name: string): Promise<boolean> {
  const visitor = closing(createVisitor(relayPort));
  return (await visitor.text(name, "/")).status === 200;
}
