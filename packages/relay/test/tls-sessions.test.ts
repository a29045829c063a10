import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type SecureVersion } from "node:tls";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type Authority, createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createRelay } from "../src/index.js";

const opened = closingAfterEach();
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(() => {
  vi.useRealTimers();
});

interface Handshake {
  /** The certificate that the session began with. */
  fingerprint: string;
  isResumed: boolean;
  session: Buffer;
}

async function handshake(port: number, version: SecureVersion, session?: Buffer): Promise<Handshake> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: "app.tunnel.test",
    ca: authority.cert,
    minVersion: version,
    maxVersion: version,
    ...(session === undefined ? {} : { session }),
  });
  opened({ close: () => socket.destroy() });
  // A resumed TLS 1.2 session has no other ticket.
  const told = session === undefined ? once(socket, "session") : Promise.resolve([session]);
  const [[given]] = (await Promise.all([told, once(socket, "secureConnect")])) as [[Buffer], unknown];
  const { fingerprint256: fingerprint } = socket.getPeerCertificate();
  return { fingerprint, isResumed: socket.isSessionReused(), session: given };
}

async function secureRelay() {
  const folder = opened(createFolder());
  const issue = () => authority.issue(["tunnel.test", "*.tunnel.test"]);
  const pair = await issue();
  const files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    tls: { files: [files] },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const { port } = await relay.listen();
  opened({ close: () => relay.close(0) });
  return {
    port,
    async renewCertificate() {
      const renewed = await issue();
      writeFileSync(files.cert, renewed.cert);
      writeFileSync(files.key, renewed.key);
      await relay.reload();
    },
  };
}

describe.each<SecureVersion>(["TLSv1.2", "TLSv1.3"])("a visitor's session of %s", (version) => {
  it("is resumed, also after the relay has another certificate", async () => {
    const { port, renewCertificate } = await secureRelay();
    const first = await handshake(port, version);
    expect(first.isResumed).toBe(false);
    expect((await handshake(port, version, first.session)).isResumed).toBe(true);

    await renewCertificate();
    expect((await handshake(port, version, first.session)).isResumed).toBe(true);
    const other = await handshake(port, version);
    expect(other.isResumed).toBe(false);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  });

  it("is begun anew, and no worse, once the keys of its ticket have changed", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    const { port, renewCertificate } = await secureRelay();
    const first = await handshake(port, version);
    vi.advanceTimersByTime(11 * 3_600_000);
    expect((await handshake(port, version, first.session)).isResumed).toBe(true);

    vi.advanceTimersByTime(3_600_000);
    expect((await handshake(port, version, first.session)).isResumed).toBe(false);
    const second = await handshake(port, version);
    // A renewal does not bring the first keys back.
    await renewCertificate();
    expect((await handshake(port, version, second.session)).isResumed).toBe(true);
    expect((await handshake(port, version, first.session)).isResumed).toBe(false);
  });
});
