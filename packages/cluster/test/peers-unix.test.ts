import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createFolder } from "../../../test/support/certificates.js";
import { formatPeerAddress, parsePeerAddress } from "../src/peers/address.js";
import { request, TestRelay } from "./peers-rig.js";

const closing = closingAfterEach();

function folder(): string {
  return closing(createFolder()).path;
}

function relayAt(path: string, id = "a"): TestRelay {
  return closing(new TestRelay(id, { listen: { path } }));
}

/** Leaves the socket of a process that was killed. */
async function leaveStale(path: string): Promise<void> {
  const script = join(folder(), "listen.mjs");
  writeFileSync(
    script,
    `import { createServer } from "node:net";
createServer().listen(${JSON.stringify(path)}, () => process.send("listening"));`,
  );
  const child = fork(script);
  await once(child, "message");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(path)).toBe(true);
}

describe.skipIf(process.platform === "win32")("a unix socket", () => {
  it("is for this user alone, and so is its folder", async () => {
    const path = join(folder(), "run", "deep", "relay.sock");
    await relayAt(path).listen();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(statSync(join(path, "..", "..")).mode & 0o777).toBe(0o700);
  });

  it("leaves a folder that was there as it is", async () => {
    const shared = join(folder(), "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o755);
    await relayAt(join(shared, "relay.sock")).listen();
    expect(statSync(shared).mode & 0o777).toBe(0o755);
  });

  it("is gone after the end, and can be had again", async () => {
    const path = join(folder(), "relay.sock");
    const first = await relayAt(path).listen();
    await first.close();
    expect(existsSync(path)).toBe(false);
    await relayAt(path).listen();
  });

  it("takes the place of one that a killed process has left", async () => {
    const path = join(folder(), "relay.sock");
    await leaveStale(path);
    const b = await relayAt(path, "b").listen();
    const a = await closing(new TestRelay("a")).listen();
    a.links.setNodes([b.info]);
    expect((await request(await a.linked("b"), Buffer.from("x"))).status).toBe(200);
  });

  it("takes the place of no relay that lives", async () => {
    const path = join(folder(), "relay.sock");
    const first = await relayAt(path, "b").listen();
    await expect(relayAt(path, "b2").listen()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(`on unix:${path}: another program has it; stop that one`),
    });
    const a = await closing(new TestRelay("a")).listen();
    a.links.setNodes([first.info]);
    await a.linked("b");
  });

  it("takes the place of nothing that is no socket", async () => {
    const path = join(folder(), "relay.sock");
    writeFileSync(path, "somebody's file");
    await expect(relayAt(path).listen()).rejects.toMatchObject({ code: "unavailable" });
    expect(statSync(path).isFile()).toBe(true);
    // Nor is a link followed, which somebody may have put there.
    const other = join(folder(), "other.sock");
    await leaveStale(other);
    const link = join(folder(), "link.sock");
    symlinkSync(other, link);
    await expect(relayAt(link).listen()).rejects.toMatchObject({ code: "unavailable" });
    expect(existsSync(other)).toBe(true);
  });

  it("has a path that the system takes", async () => {
    await expect(relayAt(join(folder(), "x".repeat(108))).listen()).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringContaining("over 107 bytes"),
    });
  });
});

describe("the address of a relay", () => {
  it.each([
    ["relay-1.example:7000", { host: "relay-1.example", port: 7000 }],
    ["192.0.2.1:1", { host: "192.0.2.1", port: 1 }],
    ["[2001:db8::1]:7000", { host: "2001:db8::1", port: 7000 }],
    ["unix:/run/mcp-tunnel/a.sock", { path: "/run/mcp-tunnel/a.sock" }],
  ])("%s is read and written", (address, place) => {
    expect(parsePeerAddress(address)).toEqual(place);
    expect(formatPeerAddress(place)).toBe(address);
  });

  it.each([
    "",
    "relay",
    "relay:",
    "relay:0",
    "relay:65536",
    "2001:db8::1:7000",
    "unix:run/a.sock",
    "a/b:1",
    "a b:1",
  ])("%j is none", (address) => {
    expect(() => parsePeerAddress(address)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });
});
