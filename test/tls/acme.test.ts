import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startRelayCommand } from "../support/commands.js";
import { type Pebble, startPebble } from "../support/pebble.js";
import { missingProgram } from "../support/requires.js";
import { certificateFor, visitHttp1 } from "../support/secure.js";
import { writeHook } from "./hooks.js";

const opened = closingAfterEach();

describe.skipIf(missingProgram("pebble") || missingProgram("pebble-challtestsrv"))(
  "a relay with ACME",
  { timeout: 60_000 },
  () => {
    let folder: Folder;
    let pebble: Pebble;
    let hook: string;

    beforeAll(async () => {
      folder = createFolder();
      pebble = await startPebble(folder);
      hook = writeHook(folder, pebble);
    }, 60_000);

    afterAll(async () => {
      await pebble.close();
      folder.close();
    });

    /** Starts a relay with a storage of its own. */
    async function start(storage: string, program = hook, ...more: string[]): Promise<RelayCommand> {
      return opened(
        await startRelayCommand(
          [
            ...["--domain", "tunnel.test", "--public-url", "https://{subdomain}.{domain}:{port}"],
            ...[
              "--acme-email",
              "operator@tunnel.test",
              "--acme-hook",
              program,
              "--acme-dir",
              pebble.directory,
            ],
            ...["--acme-storage", storage, "--acme-wait", "1s"],
            ...more,
          ],
          { NODE_EXTRA_CA_CERTS: pebble.caFile, HOOK_LOG: `${storage}.log` },
        ),
      );
    }

    const storedIn = (storage: string): string =>
      join(storage, new URL(pebble.directory).host.replace(":", "-") + "-dir", "tunnel.test.pem");

    it("gets its first certificate, keeps it for the next start, and serves with it", async () => {
      const storage = join(folder.path, "first");
      const relay = await start(storage);
      await relay.waitForJson({
        msg: "no certificate yet: HTTPS begins to work when the first one is there",
      });
      const early = connect({ host: "127.0.0.1", port: relay.port, servername: "demo.tunnel.test" });
      await expect(once(early, "secureConnect")).rejects.toThrow(/handshake failure|no shared cipher|alert/);
      const inUse = await relay.waitForJson({ msg: "certificate in use" });
      expect(inUse["names"]).toBe("DNS:tunnel.test, DNS:*.tunnel.test");

      const calls = readFileSync(`${storage}.log`, "utf8").trim().split("\n").toSorted();
      const record = "_acme-challenge.tunnel.test";
      expect(calls).toEqual([`clear ${record}`, `clear ${record}`, `set ${record}`, `set ${record}`]);

      const root = await pebble.root();
      for (const [host, status] of [
        ["tunnel.test", 200],
        ["demo.tunnel.test", 502],
      ] as const) {
        expect((await visitHttp1(relay.port, host, "/", root)).statusCode).toBe(status);
      }
      expect((await certificateFor(relay.port, "tunnel.test")).subjectaltname).toContain("DNS:*.tunnel.test");

      for (const name of readdirSync(storage, { recursive: true, withFileTypes: true })) {
        const mode = statSync(join(name.parentPath, name.name)).mode & 0o777;
        expect([name.name, mode.toString(8)]).toEqual([name.name, name.isDirectory() ? "700" : "600"]);
      }
      const before = await certificateFor(relay.port, "demo.tunnel.test");
      await relay.close();

      const again = await start(storage);
      expect((await certificateFor(again.port, "demo.tunnel.test")).fingerprint256).toBe(
        before.fingerprint256,
      );
      expect(again.json.filter(({ msg }) => msg === "asking for a certificate")).toEqual([]);
    });

    /** Stores a certificate that has passed a bit more than two thirds of its life, and returns it. */
    async function storeOldCertificate(storage: string): Promise<X509Certificate> {
      const authority = await createAuthority();
      // The certificate is valid since yesterday, for a day and some minutes more.
      const pair = await authority.issue(["tunnel.test", "*.tunnel.test"], { days: 1.01 });
      mkdirSync(join(storedIn(storage), ".."), { recursive: true });
      writeFileSync(storedIn(storage), pair.key + "\n" + pair.cert);
      return new X509Certificate(pair.cert);
    }

    it.skipIf(process.platform === "win32")("orders once for all workers", async () => {
      const storage = join(folder.path, "workers");
      const relay = await start(storage, hook, "--workers", "2");
      await relay.waitForJson({ msg: "certificate in use", worker: 1 });
      await relay.waitForJson({ msg: "certificate in use", worker: 2 });
      expect(relay.json.filter(({ msg }) => msg === "asking for a certificate")).toMatchObject([
        { worker: 1 },
      ]);
      const root = await pebble.root();
      for (let i = 0; i < 4; i += 1) {
        expect((await visitHttp1(relay.port, "tunnel.test", "/", root)).statusCode).toBe(200);
      }
    });

    it("renews a certificate that is due, serving with it until the new one is there", async () => {
      const storage = join(folder.path, "due");
      const old = await storeOldCertificate(storage);
      const relay = await start(storage);
      // The relay uses it before it listens.
      await relay.waitForJson({ msg: "certificate in use" });
      expect(relay.json.findIndex(({ msg }) => msg === "certificate in use")).toBeLessThan(
        relay.json.findIndex(({ msg }) => msg === "listening"),
      );
      await relay.waitForJson({ msg: "certificate in use" }, 2);
      const renewed = await certificateFor(relay.port, "demo.tunnel.test");
      expect(renewed.fingerprint256).not.toBe(old.fingerprint256);
      const stored = readFileSync(storedIn(storage), "utf8");
      expect(new X509Certificate(stored.slice(stored.indexOf("-----BEGIN CERT"))).fingerprint256).toBe(
        renewed.fingerprint256,
      );
    });

    it("keeps the one it has when the hook fails, says what the hook said, and tries again later", async () => {
      const storage = join(folder.path, "failing");
      const old = await storeOldCertificate(storage);
      const broken = folder.write("broken.sh", '#!/bin/sh\necho "no such zone: $2" >&2\nexit 3\n');
      chmodSync(broken, 0o755);
      const relay = await start(storage, broken);
      const failure = await relay.waitForJson({ msg: "no new certificate" });
      expect(failure["reason"]).toMatch(
        /set _acme-challenge\.tunnel\.test' ended with status 3: no such zone: _acme/,
      );
      expect(failure["retryInS"]).toBeGreaterThanOrEqual(120);
      expect((await certificateFor(relay.port, "demo.tunnel.test")).fingerprint256).toBe(old.fingerprint256);
    });

    it("says that a hook cannot be started", async () => {
      // What is not there at all keeps the relay from starting.
      const absent = folder.write("absent.sh", "#!/no/such/shell\n");
      chmodSync(absent, 0o755);
      const relay = await start(join(folder.path, "absent"), absent);
      const failure = await relay.waitForJson({ msg: "no new certificate" });
      expect(failure["reason"]).toMatch(/absent\.sh cannot be started \(ENOENT\)/);
    });
  },
);
