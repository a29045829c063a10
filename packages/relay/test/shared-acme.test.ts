import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Authority, createAuthority } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import { ClusterStore } from "../src/tls/acme/cluster-store.js";
import { obtainCertificate } from "../src/tls/acme/obtain.js";
import { resolveAcmeOptions } from "../src/tls/acme/options.js";
import { AcmeRenewal } from "../src/tls/acme/renewal.js";
import { Certificate } from "../src/tls/certificate.js";
import { Certificates } from "../src/tls/certificates.js";
import { FakeCluster } from "./fake-cluster.js";

// Who of a cluster's relays asks the authority, and what becomes of the answer. The authority is the test's.

vi.mock("../src/tls/acme/obtain.js");
const obtain = vi.mocked(obtainCertificate);
const opened = closingAfterEach();
const minuteMs = 60_000;
const key = "acme.authority.test-dir.tunnel.test";
const options = resolveAcmeOptions({
  email: "operator@tunnel.test",
  hook: "hook",
  directory: "https://authority.test/dir",
});

let authority: Authority;
beforeAll(async () => void (authority = await createAuthority()));
beforeEach(() => {
  vi.useFakeTimers();
  obtain.mockReset();
});
afterEach(() => void vi.useRealTimers());

async function newCertificate(days = 90): Promise<Certificate> {
  const { cert, key: own } = await authority.issue(["tunnel.test", "*.tunnel.test"], { days });
  return new Certificate(cert, own, "the authority");
}

async function start(cluster: FakeCluster, node: string) {
  const log = new LogWatch();
  const certificates = new Certificates(log.logger);
  const store = new ClusterStore(cluster.member(node).store, options.directory);
  const renewal = opened(new AcmeRenewal("tunnel.test", options, store, certificates, log.logger));
  await renewal.load();
  renewal.start();
  const said = (msg: string) => log.json.filter((line) => line["msg"] === msg);
  return { renewal, said, served: () => certificates.fallback?.cert };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("relays that all need a certificate", () => {
  it("wait for the one that asks, however long that takes", async () => {
    const cluster = new FakeCluster();
    const certificate = await newCertificate();
    let answer: (certificate: Certificate) => void = () => {};
    obtain.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const [a, b] = [await start(cluster, "a"), await start(cluster, "b")];
    await pass(10 * minuteMs);
    expect(obtain).toHaveBeenCalledTimes(1);
    expect(cluster.locks.get(key)).toBe("a");
    answer(certificate);
    await pass(10_000);
    expect([a.served(), b.served()]).toEqual([certificate.cert, certificate.cert]);
    expect(cluster.locks.has(key)).toBe(false);
    await pass(60 * minuteMs);
    expect(obtain).toHaveBeenCalledTimes(1);
  });

  it("leave the tries to one that fails, and go on when it is stopped, or is gone", async () => {
    const cluster = new FakeCluster();
    obtain.mockRejectedValue(new Error("no such zone"));
    const a = await start(cluster, "a");
    await start(cluster, "b");
    await pass(31 * minuteMs);
    // After 2, 4, 8 and 16 minutes, and a little later.
    expect(a.said("no new certificate").length).toBe(obtain.mock.calls.length);
    expect(obtain.mock.calls.length).toBeLessThanOrEqual(5);
    a.renewal.close();
    const c = await start(cluster, "c");
    await pass(10_000);
    const holder = cluster.locks.get(key);
    expect(["b", "c"]).toContain(holder);
    // Its lock ends a minute after it is gone.
    cluster.locks.delete(key);
    obtain.mockResolvedValue(await newCertificate());
    await pass(3 * minuteMs);
    expect(c.served()).toBeDefined();
  });

  it("do not ask again although the dates of the certificate say so", async () => {
    const cluster = new FakeCluster();
    obtain.mockResolvedValue(await newCertificate(0.001));
    await start(cluster, "a");
    await pass(60_000);
    expect(obtain).toHaveBeenCalledTimes(1);
  });
});

describe("a certificate that cannot be stored", () => {
  it("is served, stored later, and no other relay asks for one meanwhile", async () => {
    const cluster = new FakeCluster();
    const certificate = await newCertificate();
    obtain.mockImplementation(async () => {
      cluster.isStoreDown = true;
      return certificate;
    });
    const [a, b] = [await start(cluster, "a"), await start(cluster, "b")];
    await pass(5 * minuteMs);
    expect(a.served()).toBe(certificate.cert);
    expect(a.said("the new certificate is not saved: a restart asks for another")).toHaveLength(1);
    expect(b.served()).toBeUndefined();
    const blind = "the cluster's certificate cannot be looked at; the one in use stays";
    expect([a.said(blind).length, b.said(blind).length]).toEqual([1, 1]);
    cluster.isStoreDown = false;
    await pass(15_000);
    expect(b.served()).toBe(certificate.cert);
    expect(obtain).toHaveBeenCalledTimes(1);
  });
});

describe("a certificate of the cluster", () => {
  it("that the store has lost is put back, and not ordered again", async () => {
    const cluster = new FakeCluster();
    const certificate = await newCertificate();
    obtain.mockResolvedValue(certificate);
    await start(cluster, "a");
    await start(cluster, "b");
    await pass(10_000);
    cluster.texts.clear();
    cluster.locks.clear();
    await pass(10_000);
    const late = await start(cluster, "c");
    expect(late.served()).toBe(certificate.cert);
    await pass(minuteMs);
    expect(obtain).toHaveBeenCalledTimes(1);
  });

  it("that cannot be opened stops the start, and is never replaced by an order", async () => {
    const cluster = new FakeCluster();
    cluster.texts.set(key, { text: undefined, revision: 3 });
    const error = { code: "invalid_option", options: ["cluster-secret", "cluster-secret-file"] };
    await expect(start(cluster, "a")).rejects.toMatchObject(error);
    cluster.texts.set(key, { text: "no certificate", revision: 4 });
    await expect(start(cluster, "b")).rejects.toThrow(`the cluster's ${key}: this is no certificate`);
    expect(obtain).not.toHaveBeenCalled();
  });

  it("that another relay has renewed is taken within seconds, and renewed once", async () => {
    const cluster = new FakeCluster();
    obtain.mockResolvedValueOnce(await newCertificate(3)).mockResolvedValueOnce(await newCertificate());
    const [a, b] = [await start(cluster, "a"), await start(cluster, "b")];
    await pass(10_000);
    const first = a.served();
    expect(b.served()).toBe(first);
    // It is valid since yesterday, so two thirds of its life are over in a day.
    await pass(36 * 60 * minuteMs);
    expect(a.served()).not.toBe(first);
    expect(b.served()).toBe(a.served());
    expect(obtain.mock.calls.length).toBe(2);
  });
});
