import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRelay } from "mcp-tunnel";
import { describe, expect, it, vi } from "vitest";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import { createToken, revokeToken } from "../../packages/relay/src/auth/token-file-edit.js";
import { Staleness } from "../../packages/relay/src/files/staleness.js";
import * as acme from "../../packages/relay/src/tls/acme/obtain.js";
import { FolderStore } from "../../packages/relay/src/tls/acme/folder-store.js";
import { AcmeRenewal } from "../../packages/relay/src/tls/acme/renewal.js";
import { Certificate } from "../../packages/relay/src/tls/certificate.js";
import { Certificates } from "../../packages/relay/src/tls/certificates.js";
import { type AdminRelay, ask, Scrape, startAdminRelay } from "../admin/support.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, runRelay, startClientCommand } from "../support/commands.js";
import { LogWatch } from "../support/log-watch.js";
import { missingProgram } from "../support/requires.js";

/**
 * The attack: a token leaks, and root revokes it. The file's owner was root, and only its group was the
 * relay's. The new file's group was root's, so the relay could not read it any more. The thief's token went
 * on working while the command had said `revoked`.
 *
 * The defence: the new file has the owner and the group of the old one, or the command changes nothing. And a
 * relay that cannot read one of its files says so wherever an operator looks, until it can. It does not wait
 * for a pipe in the place of a file: that held up the reload, and the end of a relay that called itself
 * ready. It does not wait long for a share that is away either.
 */
vi.mock("node:fs/promises", { spy: true });
vi.mock("../../packages/relay/src/tls/acme/obtain.js", { spy: true });
const closing = closingAfterEach();
const nobody = 65_534;
const command = fileURLToPath(new URL("../../packages/relay/bin/mcp-tunnel.js", import.meta.url));
const asNobody = (gid: number): string[] => [
  "--reuid",
  String(nobody),
  "--regid",
  String(gid),
  "--clear-groups",
];

/** Whether the test cannot run as another user who can also read this clone. */
function cannotSwitchUser(): boolean {
  if (process.getuid?.() !== 0) {
    process.stderr.write("skipped: only root can give files to others\n");
    return true;
  }
  if (missingProgram("setpriv")) return true;
  const { status } = spawnSync("setpriv", [...asNobody(nobody), process.execPath, command, "--version"]);
  if (status !== 0) process.stderr.write("skipped: other users cannot read this clone\n");
  return status !== 0;
}

async function newTokens(): Promise<{ file: string; token: string; id: string }> {
  const folder = closing(createFolder());
  const file = join(folder.path, "tokens.yaml");
  return { file, ...(await createToken(file, { subdomains: ["app"] })) };
}

/** Puts a pipe in the place of a file. A program that opens it to read waits for a writer. */
/** A renewal whose authority answers nothing. */
function renewalIn(storage: string, directory: string, certificates: Certificates, log: LogWatch) {
  const options = { email: "a@b.c", hook: "/bin/false", directory, storage, propagationMs: 0 };
  const store = new FolderStore({ storage, directory });
  return new AcmeRenewal("tunnel.test", options, store, certificates, log.logger);
}

function makePipe(path: string): void {
  rmSync(path, { force: true });
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
}

const access = (file: string) => {
  const { uid, gid, mode } = statSync(file);
  return { uid, gid, mode: mode & 0o777 };
};

/** The relay's own answers to its operator. */
async function said(relay: AdminRelay) {
  const ready = await ask(`${relay.admin}/readyz`);
  const scrape = await Scrape.of(relay);
  return {
    ready: ready.status,
    said: ready.json,
    metric: (kind: string): number => scrape.value("mcp_tunnel_stale_sources", { kind }),
    api: JSON.parse((await ask(`${relay.admin}/api/tunnels`)).text).relay.stale as object[],
  };
}

/** The output of the commands for the operator. */
async function shown(relay: AdminRelay): Promise<{ status: string; health: string }> {
  const status = runRelay(["status", "--admin", relay.admin]);
  const health = runRelay(["health", "--admin", relay.admin]);
  const live = runRelay(["health", "--live", "--admin", relay.admin]);
  const [, , { code }] = await Promise.all([status.exited, health.exited, live.exited]);
  // Nothing should restart the relay: it goes on with the data that it has read.
  expect(code).toBe(0);
  return { status: status.stdout.join("\n"), health: health.output };
}

describe.skipIf(cannotSwitchUser())(
  "a token file of root's that the relay reads by its group",
  { timeout: 60_000 },
  () => {
    it("is still the relay's after root has revoked a token, and the token is dead", async () => {
      const { file, token, id } = await newTokens();
      const folder = join(file, "..");
      chownSync(folder, 0, nobody);
      chmodSync(folder, 0o750);
      chownSync(file, 0, nobody);
      chmodSync(file, 0o640);
      const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"];
      const relay = closing(
        new RunningCommand("setpriv", [
          ...[...asNobody(nobody), process.execPath, command, ...args],
          ...["--startup-hold", "0", "--token-file", file],
        ]),
      );
      const { port } = (await relay.waitForJson({ msg: "listening" })) as { port: number };
      const thief = closing(await startClientCommand(9, port, ["--token", token]));
      const revoke = runRelay(["token", "revoke", id, "--token-file", file]);
      expect(await revoke.exited).toMatchObject({ code: 0 });
      expect(revoke.output).toContain(`revoked token ${id}`);
      expect(access(file)).toEqual({ uid: 0, gid: nobody, mode: 0o640 });
      expect(await thief.exited).toMatchObject({ code: 3 });
      expect(thief.output).toContain("token revoked");
    });

    it("stays as it is when the editor may not give the new one to that group", async () => {
      const { file, id } = await newTokens();
      const folder = join(file, "..");
      const group = 54_321;
      chownSync(folder, nobody, nobody);
      chownSync(file, nobody, group);
      chmodSync(file, 0o640);
      const before = readFileSync(file, "utf8");
      const revoke = new RunningCommand("setpriv", [
        ...[...asNobody(nobody), process.execPath, command],
        ...["token", "revoke", id, "--token-file", file],
      ]);
      expect((await revoke.exited).code).not.toBe(0);
      expect(revoke.output).toContain(`could not be given to its owner and group (${nobody}:${group})`);
      expect(revoke.output).not.toContain("revoked");
      expect(readFileSync(file, "utf8")).toBe(before);
      expect(access(file)).toEqual({ uid: nobody, gid: group, mode: 0o640 });
      expect(readdirSync(folder)).toEqual(["tokens.yaml"]);
      // The user may do it as a member of the group.
      const member = new RunningCommand("setpriv", [
        ...["--reuid", String(nobody), "--regid", String(nobody), "--groups", String(group)],
        ...[process.execPath, command, "token", "revoke", id, "--token-file", file],
      ]);
      expect(await member.exited).toMatchObject({ code: 0 });
      expect(access(file)).toEqual({ uid: nobody, gid: group, mode: 0o640 });
    });
  },
);

describe("a token file", () => {
  it("that cannot even be looked at is not taken for none, and not written anew", async () => {
    const { file, id } = await newTokens();
    vi.mocked(fs.stat).mockRejectedValueOnce(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }));
    await expect(createToken(file, { subdomains: ["x"] })).rejects.toThrow("cannot change");
    expect(readdirSync(join(file, ".."))).toEqual(["tokens.yaml"]);
    expect(await revokeToken(file, id)).toMatchObject({ subdomains: ["app"] });
  });

  it.each([
    ["vanished", (file: string): void => rmSync(file), /^cannot read the token file .*: ENOENT/],
    [
      "cannot be read",
      (file: string): void => {
        rmSync(file);
        mkdirSync(file);
      },
      /^cannot read the token file .*: it is not a regular file/,
    ],
    ["is a pipe", makePipe, /^cannot read the token file .*: it is not a regular file/],
    [
      "is malformed",
      (file: string): void => writeFileSync(file, "tokens: 7\n"),
      /tokens\.yaml:1: 'tokens': needs a list/,
    ],
  ] as const)(
    "that %s is told by readyz, metrics and the API until it is back",
    { timeout: 60_000 },
    async (_, spoil, problem) => {
      const { file } = await newTokens();
      const relay = closing(await startAdminRelay(["--token-file", file]));
      const fresh = await said(relay);
      expect(fresh).toMatchObject({ ready: 200, said: { status: "ready" }, api: [] });
      expect(fresh.metric("tokens")).toBe(0);

      const good = readFileSync(file, "utf8");
      spoil(file);
      await relay.waitForJson({ msg: "the token file is not usable; the tokens stay as they were" });
      const stale = await said(relay);
      expect(stale).toMatchObject({
        ready: 503,
        said: { status: "tokens are stale", stale: ["tokens"] },
        api: [
          { kind: "tokens", name: file, problem: expect.stringMatching(problem), since: expect.any(Number) },
        ],
      });
      expect(stale.metric("tokens")).toBe(1);
      expect(stale.metric("certificate")).toBe(0);
      // The relay names the file only to operators who have to authenticate.
      expect(JSON.stringify(stale.said)).not.toContain("yaml");

      rmSync(file, { recursive: true, force: true });
      await fs.writeFile(`${file}.new`, good);
      renameSync(`${file}.new`, file);
      await relay.waitForJson({ msg: "token file read again" });
      expect(await said(relay)).toMatchObject({ ready: 200, said: { status: "ready" }, api: [] });
      const lines = relay.json.filter(({ msg }) => String(msg).startsWith("the token file is not usable"));
      expect(lines).toHaveLength(1);
    },
  );

  it("that cannot be used is told by the commands until it can", { timeout: 60_000 }, async () => {
    const { file } = await newTokens();
    const relay = closing(await startAdminRelay(["--token-file", file]));
    const fresh = await shown(relay);
    expect(fresh.health).toBe("ready");
    expect(fresh.status).not.toContain("stale");
    renameSync(file, `${file}.away`);
    await relay.waitForJson({ msg: "the token file is not usable; the tokens stay as they were" });
    const stale = await shown(relay);
    expect(stale.status).toMatch(/: 0 tunnels\nstale for \d+s: tokens \(/);
    expect(stale.health).toBe(
      "error: the relay is not ready: its tokens are stale; `mcp-tunnel status` says why",
    );
    renameSync(`${file}.away`, file);
    await relay.waitForJson({ msg: "token file read again" });
    expect((await shown(relay)).health).toBe("ready");
  });

  it("with several mistakes has them in one line, told apart", () => {
    const staleness = new Staleness("tokens", "tokens.yaml");
    staleness.failed("tokens.yaml:1: this\ntokens.yaml:2: that");
    expect(staleness.current?.problem).toBe("tokens.yaml:1: this; tokens.yaml:2: that");
  });

  it("that could not be read for a moment is read again, though nothing about it has changed", async () => {
    const { file, token, id } = await newTokens();
    const log = new LogWatch();
    const authenticator = closing(await TokenFileAuthenticator.open(file, log.logger));
    await revokeToken(file, id);
    vi.mocked(fs.open).mockRejectedValueOnce(
      Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" }),
    );
    await log.waitForJson({ msg: "the token file is not usable; the tokens stay as they were" });
    expect(authenticator.stale).toMatchObject([
      { kind: "tokens", problem: expect.stringContaining("EMFILE") },
    ]);
    await log.waitForJson({ msg: "token file read again", removed: 1 });
    expect(authenticator.stale).toEqual([]);
    expect(await authenticator.authenticate({ token, subdomain: "app" })).toEqual({
      refused: "invalid token",
    });
  });
});

describe("a file that keeps its reader waiting", () => {
  it("as a pipe does holds up neither a reload nor the end", async () => {
    const { file, token } = await newTokens();
    const authenticator = await TokenFileAuthenticator.open(file, new LogWatch().logger);
    const relay = createRelay({
      ...{ domain: "localhost", host: "127.0.0.1", port: 0, startupHoldMs: 0 },
      authenticator,
    });
    await relay.listen();
    makePipe(file);
    await relay.reload();
    expect(relay.stale).toMatchObject([{ problem: expect.stringContaining("it is not a regular file") }]);
    expect(await authenticator.authenticate({ token, subdomain: "app" })).toMatchObject({ allowed: ["app"] });
    await expect(revokeToken(file, "0")).rejects.toThrow("it is not a regular file");
    await relay.close(0);
  });

  it("keeps the relay from starting if it is a pipe from the beginning", async () => {
    const folder = closing(createFolder());
    const file = join(folder.path, "tokens.yaml");
    makePipe(file);
    const options = ["--domain", "localhost", "--port", "0"];
    const ofTokens = closing(runRelay([...options, "--token-file", file]));
    expect((await ofTokens.exited).code).toBe(2);
    const ofKey = closing(runRelay([...options, "--tls-cert", file, "--tls-key", file]));
    expect((await ofKey.exited).code).toBe(2);
    for (const { output } of [ofTokens, ofKey]) expect(output).toContain("is not a regular file");
  });

  it("as one of a share that is away is given up after ten seconds, and not asked for twice at once", async () => {
    const { file } = await newTokens();
    const authenticator = closing(await TokenFileAuthenticator.open(file, new LogWatch().logger));
    const opened = vi.mocked(fs.open);
    let comeBack = (_error: Error): void => {};
    const getStuck = (): Promise<void> =>
      new Promise((begun) => {
        opened.mockImplementationOnce(() => {
          begun();
          return new Promise((_resolve, reject) => (comeBack = reject));
        });
      });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    closing({ close: () => vi.useRealTimers() });
    let stuck = getStuck();
    for (let times = 0; times < 3; times += 1) {
      const reloaded = authenticator.reload();
      await stuck;
      await vi.advanceTimersByTimeAsync(10_000);
      await reloaded;
      const problem = "no answer from the file system within 10 s";
      expect(authenticator.stale).toMatchObject([{ kind: "tokens", problem }]);
    }
    expect(opened.mock.calls.filter(([path]) => path === file)).toHaveLength(2);
    comeBack(new Error("the share is back"));
    await new Promise((resolve) => setImmediate(resolve));
    await authenticator.reload();
    expect(authenticator.stale).toEqual([]);

    stuck = getStuck();
    void authenticator.reload();
    await stuck;
    await authenticator.close();
  });
});

describe("a certificate", () => {
  it.each([
    ["is gone", (key: string): void => rmSync(key), "ENOENT"],
    ["is a pipe", makePipe, "it is not a regular file"],
  ])("whose key %s is told too, and still serves", { timeout: 60_000 }, async (_, spoil, problem) => {
    const folder = closing(createFolder());
    const { cert, key } = await (await createAuthority()).issue(["localhost", "*.localhost"]);
    const files = { cert: folder.write("c.pem", cert), key: folder.write("k.pem", key) };
    const tls = ["--tls-cert", files.cert, "--tls-key", files.key];
    const relay = closing(await startAdminRelay([...tls, "--public-url", "https://{subdomain}.{domain}"]));
    spoil(files.key);
    await relay.waitForJson({ msg: "the certificate is not usable; the one that was read before stays" });
    const stale = await said(relay);
    expect(stale).toMatchObject({
      ready: 200,
      said: { status: "ready", stale: ["certificate"] },
      api: [{ kind: "certificate", name: files.cert, problem: expect.stringContaining(problem) }],
    });
    expect(stale.metric("certificate")).toBe(1);
    const { status, health } = await shown(relay);
    expect(health).toBe("ready");
    expect(status).toContain("stale for ");
    rmSync(files.key, { force: true });
    folder.write("k.pem", key);
    await relay.waitForJson({ msg: "the certificate is usable again" });
    expect(await said(relay)).toMatchObject({ said: { status: "ready" }, api: [] });
  });

  it.each([
    ["a folder", (path: string): void => mkdirSync(path)],
    ["a pipe", makePipe],
  ])("that cannot be renewed, for in its storage is %s, is told as well", async (_, spoil) => {
    const log = new LogWatch();
    const certificates = new Certificates(log.logger);
    const folder = closing(createFolder());
    const directory = "https://127.0.0.1:1/directory";
    mkdirSync(join(folder.path, "127.0.0.1-1-directory"));
    spoil(join(folder.path, "127.0.0.1-1-directory", "account.key"));
    const renewal = closing(renewalIn(folder.path, directory, certificates, log));
    expect(certificates.stale).toEqual([]);
    renewal.start();
    await log.waitForJson({ msg: "no new certificate" });
    expect(certificates.stale).toMatchObject([{ kind: "acme", name: directory, since: expect.any(Number) }]);
    expect(certificates.stale[0]?.problem).toContain("it is not a regular file");
  });

  it("that cannot be saved is served all the same, rather than asked for again", async () => {
    const log = new LogWatch();
    const certificates = new Certificates(log.logger);
    const folder = closing(createFolder());
    const { cert, key } = await (await createAuthority()).issue(["tunnel.test", "*.tunnel.test"]);
    vi.mocked(acme.obtainCertificate).mockResolvedValueOnce(new Certificate(cert, key, "the authority"));
    vi.mocked(fs.rename).mockRejectedValueOnce(
      Object.assign(new Error("ENOSPC: disk full"), { code: "ENOSPC" }),
    );
    const directory = "https://127.0.0.1:1/directory";
    const renewal = closing(renewalIn(folder.path, directory, certificates, log));
    renewal.start();
    await log.waitForJson({
      msg: "the new certificate is not saved: a restart asks for another",
    });
    await log.waitForJson({ msg: "certificate in use" });
    expect(certificates.find("app.tunnel.test")?.cert).toBe(cert);
    expect(certificates.stale).toMatchObject([{ kind: "acme", problem: expect.stringContaining("ENOSPC") }]);
    expect(log.json.filter(({ msg }) => msg === "asking for a certificate")).toHaveLength(1);
  });
});
