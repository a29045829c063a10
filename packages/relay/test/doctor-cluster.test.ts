import { once } from "node:events";
import { chmodSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { Command } from "commander";
import { type DoctorReport, examineAll, type Step } from "mcp-tunnel-shared/command";
import { beforeAll, describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../cluster/test/redis-server.js";
import { createFolder, type Folder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { freePort } from "../../../test/support/free-port.js";
import { examinationsOf } from "../src/cli/doctor/examinations.js";
import { surroundings } from "../src/cli/doctor/surroundings.js";
import { addRelayOptions } from "../src/cli/options/options.js";
import { relayOptionsOf } from "../src/cli/options/read-options.js";
import { createRelay } from "../src/index.js";
import { silentLogger } from "../src/telemetry/log.js";

// What the doctor says of a relay's cluster.

const closing = closingAfterEach();
const base = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0"];

let folder: Folder;
beforeAll(() => {
  folder = createFolder();
  return () => folder.close();
});

function secretArgs(mode = 0o600): string[] {
  const file = folder.write("cluster-secret", "a secret of the cluster, long enough");
  chmodSync(file, mode);
  return ["--cluster-secret-file", file];
}

const commandOf = (args: readonly string[]): Command =>
  addRelayOptions(new Command().exitOverride()).parse([...base, ...args], { from: "user" });

async function examine(args: readonly string[], now = Date.now): Promise<DoctorReport> {
  return await examineAll(await examinationsOf(commandOf(args), { ...surroundings(), userId: 1_000, now }));
}

/** The steps that are about the cluster. */
function stepsOf({ steps }: DoctorReport): Record<string, Step> {
  const about = steps.filter(({ id }) => /^(cluster|peer|file-cluster|together)/.test(id));
  return Object.fromEntries(about.map((step) => [step.id, step]));
}

async function startListener(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({ close: () => server.close() });
  return (server.address() as AddressInfo).port;
}

/** A relay of the cluster, of these options. */
async function startRelay(args: readonly string[]): Promise<void> {
  const relay = createRelay(await relayOptionsOf(commandOf(args), silentLogger));
  await relay.listen();
  closing({ close: () => relay.close(0) });
}

describe("without --cluster", () => {
  it("nothing is examined of one", async () => {
    expect(Object.keys(stepsOf(await examine([])))).toEqual(["together"]);
  });
});

describe.skipIf(noRedis)("the doctor", () => {
  async function setUp(...more: string[]) {
    const redis = closing(await RedisServer.start());
    const port = await freePort();
    const peers = ["--peer-listen", `127.0.0.1:${port}`];
    return { redis, port, args: ["--cluster", redis.url, ...secretArgs(), ...peers, ...more] };
  }

  it("finds a cluster well, before its first relay runs and while it does", async () => {
    const { args, port } = await setUp();
    const before = stepsOf(await examine(args));
    expect(Object.values(before).map(({ verdict }) => verdict)).toEqual(Array(7).fill("ok"));
    expect(before["cluster-engine"]?.reason).toBe("Redis answers: 0 relays are in the cluster");
    expect(before["cluster-clock"]?.reason).toMatch(/^it is that of this machine, within \d\.\d s$/);
    expect(before["peer-port"]?.reason).toBe(
      `127.0.0.1:${port} is free, and 127.0.0.1:${port} leads there from this machine`,
    );
    await startRelay(args);
    const running = stepsOf(await examine(args));
    expect(running["cluster-engine"]?.reason).toBe("Redis answers: 1 relay is in the cluster");
    expect(running["peer-port"]).toMatchObject({
      verdict: "ok",
      reason: `a running relay has it, and the others know it by 127.0.0.1:${port}`,
    });
    expect(before["peer-relays"]?.reason).toBe("there is none yet");
    expect(running["peer-relays"]).toMatchObject({
      verdict: "ok",
      reason: "the one has the same secret, and answers",
    });
  });

  it("finds relays with another secret, which their own checks do not", async () => {
    const { args, port, redis } = await setUp();
    await startRelay(args);
    const file = folder.write("other-secret", "another secret, which is as long as that one");
    chmodSync(file, 0o600);
    const mistaken = ["--cluster", redis.url, "--cluster-secret-file", file, "--peer-listen", "127.0.0.1:0"];
    const steps = stepsOf(await examine(mistaken));
    expect(steps["peer-relays"]).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining("the same --cluster-secret-file"),
    });
    expect(steps["peer-relays"]?.reason).toMatch(/^1 of 1 relay is out of reach: .*the same cluster secret/);
    expect(steps["peer-relays"]?.reason).toContain(`127.0.0.1:${port}`);
    expect(steps["cluster-engine"]?.verdict).toBe("ok");
  });

  it("finds an engine that is not there, and asks it nothing more", async () => {
    const { args, redis } = await setUp();
    await redis.close();
    const steps = stepsOf(await examine(args));
    expect(steps["cluster-engine"]).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining("correct --cluster"),
    });
    expect(steps["cluster-engine"]?.reason).toContain(`127.0.0.1:${redis.port}`);
    expect(steps["cluster-clock"]?.verdict).toBe("skipped");
    expect(steps["peer-port"]?.verdict).toBe("skipped");
  });

  it("finds a password that is missing", async () => {
    const redis = closing(await RedisServer.start("--requirepass", "s3cret"));
    const args = ["--cluster", redis.url, ...secretArgs(), "--peer-listen", "127.0.0.1:0"];
    const step = stepsOf(await examine(args))["cluster-engine"];
    expect(step).toMatchObject({ verdict: "failed" });
    expect(step?.reason).toContain("it asks for a password");
  });

  it("finds clocks that are apart", async () => {
    const { args } = await setUp();
    const steps = stepsOf(await examine(args, () => Date.now() - 60_000));
    expect(steps["cluster-clock"]).toMatchObject({ verdict: "warning" });
    expect(steps["cluster-clock"]?.reason).toMatch(/are (59\.9|60\.\d) s apart$/);
  });

  it("finds an advertised address that leads to another program, or nowhere", async () => {
    const other = await startListener();
    const { args, port } = await setUp();
    const wrong = stepsOf(await examine([...args, "--peer-advertise", `127.0.0.1:${other}`]));
    expect(wrong["peer-port"]).toMatchObject({
      verdict: "failed",
      reason: `127.0.0.1:${other} leads to another program than the one at 127.0.0.1:${port}`,
    });
    const nowhere = stepsOf(await examine([...args, "--peer-advertise", `127.0.0.1:${await freePort()}`]));
    expect(nowhere["peer-port"]).toMatchObject({ verdict: "warning" });
    expect(nowhere["peer-port"]?.reason).toContain("cannot be reached from this machine");
  });

  it("finds a port for relays that another program has", async () => {
    const { args } = await setUp();
    const other = await startListener();
    const steps = stepsOf(await examine([...args, "--peer-listen", `127.0.0.1:${other}`]));
    expect(steps["peer-port"]).toMatchObject({ verdict: "failed" });
    expect(steps["peer-port"]?.reason).toContain(`another program has 127.0.0.1:${other}`);
  });

  it("finds links that others may read, a secret that others may read, and options that do not fit", async () => {
    const { args } = await setUp();
    // Without a port of its own nothing is connected to.
    const elsewhere = ["--peer-listen", "127.0.0.1:0", "--peer-advertise", "203.0.113.5:7000"];
    const secret = secretArgs(0o644);
    // Others get into its folder.
    chmodSync(folder.path, 0o711);
    const open = stepsOf(await examine([...args, ...secret, ...elsewhere]));
    expect(open["peer-tls"]).toMatchObject({ verdict: "warning" });
    expect(open["peer-tls"]?.reason).toContain("203.0.113.5 is a public address");
    expect(open["file-cluster-secret-file"]).toMatchObject({ verdict: "warning" });
    const short = stepsOf(await examine([...args, "--resume-timeout", "1s"]));
    expect(short["together"]).toMatchObject({ verdict: "failed" });
    expect(short["cluster-engine"]?.verdict).toBe("skipped");
  });
});
