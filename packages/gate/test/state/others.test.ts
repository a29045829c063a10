import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { onWindows } from "../../../../test/support/systems.js";
import { findSlots, listSlots, openSlot, readSecrets, revoke, rotate } from "../../src/state/index.js";
import type { Secrets, Slot, SlotOptions } from "../../src/state/index.js";
import { FolderWatch } from "../../src/state/asked.js";
import { readGrants } from "../../src/state/grant-file.js";
import {
  client,
  drawPasscode,
  FakeGate,
  grant,
  runProgram,
  slotOptions,
  stored,
  TestFolder,
} from "./support.js";

const closing = closingAfterEach();
const newFolder = (): string => closing(new TestFolder()).path;
const both = { key: true, passcode: true };
const asked = (slot: { path: string }): string[] => readdirSync(join(slot.path, "asked"));

/** A slot that was used, and is not open any more. */
async function usedSlot(
  folder: string,
  name: string,
  given: Partial<SlotOptions> = {},
  ids: readonly string[] = [],
): Promise<Slot> {
  const slot = await openSlot(slotOptions(folder, { subdomain: name, ...given }));
  await slot.draw({ key: true, passcode: false }, drawPasscode);
  await slot.named({ name, url: `https://${name}.tunnel.example.com`, kinds: ["bearer"], places: [] });
  if (ids.length > 0) slot.storage.changed(() => stored(ids));
  await slot.close();
  return slot;
}

describe("the list of slots", () => {
  it("is empty where nothing was kept yet, and makes no folder", () => {
    const folder = join(newFolder(), "state");
    expect(listSlots(folder)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("says what is known of each, the one that was there last first", async () => {
    const folder = newFolder();
    const old = await usedSlot(folder, "old-name", { token: undefined, subdomain: undefined });
    const slot = await usedSlot(folder, "calm-otter", {}, ["one"]);
    const [first, second] = listSlots(folder);
    expect(first).toEqual({
      path: slot.path,
      relay: "https://tunnel.example.com",
      hasToken: true,
      asked: "calm-otter",
      name: "calm-otter",
      url: "https://calm-otter.tunnel.example.com",
      kinds: ["bearer"],
      places: [],
      loginIssuer: undefined,
      uses: { key: true, passcode: false },
      lastNamedMs: expect.any(Number),
      isRunning: false,
      files: slot.files,
      drawn: { key: true, passcode: false },
      grants: [grant("one")],
      problem: undefined,
    });
    expect(second).toMatchObject({ path: old.path, name: "old-name", asked: undefined, hasToken: false });
  });

  it("says what the gate used, and where its MCP servers were", async () => {
    const folder = newFolder();
    const places = [{ name: "files", path: "/files/mcp" }];
    const loginIssuer = "https://login.test";
    const tunnel = { name: "calm-otter", url: "https://calm-otter.tunnel.example.com", kinds: ["oauth"] };
    // Its key was drawn by the one before. This one has keys of its own.
    await usedSlot(folder, "calm-otter");
    const slot = await openSlot(slotOptions(folder));
    await slot.named({ ...tunnel, places, loginIssuer });
    await slot.close();
    expect(listSlots(folder)).toMatchObject([
      { ...tunnel, places, loginIssuer, drawn: { key: true }, uses: { key: false, passcode: false } },
    ]);
  });

  it("has no slot of a client that never got a name and has drawn nothing", async () => {
    const folder = newFolder();
    const slot = closing(await openSlot(slotOptions(folder)));
    expect(listSlots(folder)).toEqual([]);
    await slot.draw(both, drawPasscode);
    expect(listSlots(folder)).toMatchObject([{ name: undefined, asked: "calm-otter", isRunning: true }]);
  });

  it("has no grant that was used before it was made: its last use is known to the minute", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter");
    const early = { ...stored(["one"]), grants: [{ ...grant("one"), sinceMs: 65_000, lastUsedMs: 60_000 }] };
    writeFileSync(join(slot.path, "grants.json"), JSON.stringify(early), { mode: 0o600 });
    expect(listSlots(folder)[0]?.grants).toMatchObject([{ sinceMs: 65_000, lastUsedMs: 65_000 }]);
  });

  it("shows a slot with a broken file, says so, and shows the others", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter");
    await usedSlot(folder, "other");
    writeFileSync(join(slot.path, "grants.json"), "{", { mode: 0o600 });
    const found = findSlots("calm-otter", { folder });
    expect(found).toMatchObject([{ grants: [], problem: expect.stringContaining("grants.json is broken") }]);
    writeFileSync(join(slot.path, "slot.json"), "{", { mode: 0o600 });
    expect(listSlots(folder)).toMatchObject([
      { name: "other", problem: undefined },
      { name: undefined, relay: undefined, problem: expect.stringContaining("slot.json is broken") },
    ]);
  });

  it("has nothing of other folders and files", async () => {
    const folder = newFolder();
    await usedSlot(folder, "calm-otter");
    writeFileSync(join(folder, "notes"), "");
    expect(listSlots(folder)).toHaveLength(1);
  });

  it("finds slots by the name that they have or asked for, and by the relay in any spelling", async () => {
    const folder = newFolder();
    const here = await usedSlot(folder, "calm-otter");
    const there = await usedSlot(folder, "calm-otter", { relayUrl: "http://localhost:8080" });
    const asking = await openSlot(slotOptions(folder, { subdomain: "wanted" }));
    await asking.named({ name: "given", url: "https://given.tunnel.example.com", kinds: [], places: [] });
    await asking.close();
    const paths = (...given: Parameters<typeof findSlots>) => findSlots(...given).map(({ path }) => path);
    expect(paths("calm-otter", { folder }).toSorted()).toEqual([here.path, there.path].toSorted());
    expect(paths("calm-otter", { folder, relayUrl: "ws://LOCALHOST:8080/" })).toEqual([there.path]);
    expect(paths("wanted", { folder })).toEqual([asking.path]);
    expect(paths("given", { folder })).toEqual([asking.path]);
    expect(paths("nobody", { folder })).toEqual([]);
  });
});

describe("while no client runs", () => {
  it("a revoked grant waits for the next start, and is not listed", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter", {}, ["one", "two"]);
    expect(await revoke(slot, ["one"])).toBe("waiting");
    expect(await revoke(slot, ["one"])).toBe("waiting");
    expect(listSlots(folder)[0]?.grants).toEqual([grant("two")]);
    expect(await revoke(slot, "all")).toBe("waiting");
    expect(listSlots(folder)[0]?.grants).toEqual([]);
  });

  it("ids that differ by case alone are two, on every file system", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter", {}, ["aB/..", "Ab/.."]);
    await revoke(slot, ["aB/.."]);
    expect(listSlots(folder)[0]?.grants).toEqual([grant("Ab/..")]);
  });

  it("a rotated key waits for the next start, and the passcode stays", async () => {
    const folder = newFolder();
    const before = await openSlot(slotOptions(folder));
    const { secrets } = await before.draw(both, drawPasscode);
    await before.close();
    const rotated = await rotate(before, ["key"], drawPasscode);
    expect(rotated.taken).toBe("waiting");
    expect(rotated.secrets.passcode).toBe(secrets.passcode);
    expect(rotated.secrets.keys).not.toEqual(secrets.keys);
    const again = closing(await openSlot(slotOptions(folder)));
    expect((await again.draw(both, drawPasscode)).secrets).toEqual(rotated.secrets);
    again.onRenewed(() => expect.unreachable("nothing is new"));
    expect(asked(again)).toEqual([]);
  });

  it("a killed client does not seem to run because this process has its number, as in containers", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter");
    writeFileSync(join(slot.path, "holder"), `${process.pid} 0123456789abcdef\n`, { mode: 0o600 });
    expect(listSlots(folder)[0]?.isRunning).toBe(false);
  });

  it.skipIf(onWindows)("nothing is written into a slot that is open to others", async () => {
    const slot = await usedSlot(newFolder(), "calm-otter");
    chmodSync(slot.path, 0o755);
    await expect(rotate(slot, ["key"], drawPasscode)).rejects.toThrow("is open to others (mode 755)");
    await expect(revoke(slot, "all")).rejects.toThrow("is open to others (mode 755)");
  });
});

describe("while a client runs in a process of its own", () => {
  // The functions wait 2 s for the client. With this clock they wait as long as a busy machine takes.
  beforeEach(() => vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => vi.useRealTimers());

  it("a grant is revoked there at once, and is gone from the file before that is said", async () => {
    const folder = newFolder();
    const slot = await usedSlot(folder, "calm-otter", {}, ["one", "two"]);
    const running = closing(runProgram(folder, client));
    await running.waitForJson({ ready: true, grants: "one,two" });
    expect(listSlots(folder)[0]?.isRunning).toBe(true);
    expect(await revoke(slot, ["one"])).toBe("taken");
    expect(readGrants(slot.path)?.grants).toEqual([grant("two")]);
    await running.waitForJson({ revoked: "one" });
    expect(await revoke(slot, "all")).toBe("taken");
    expect(readGrants(slot.path)?.grants).toEqual([]);
  });

  it("secrets are renewed there at once", async () => {
    const folder = newFolder();
    const running = closing(runProgram(folder, client));
    const { key } = await running.waitForJson({ ready: true });
    const slot = listSlots(folder).at(0)!;
    const { secrets, taken } = await rotate(slot, ["key"], drawPasscode);
    expect(taken).toBe("taken");
    expect(secrets.keys[0]?.key).not.toBe(key);
    await running.waitForJson({ key: secrets.keys[0]?.key, passcode: "the words of the client" });
    expect(readSecrets(slot)).toEqual(secrets);
  });
});

it("a revocation outlives a client that is killed, whenever that is", async () => {
  // The client is killed after it was told. Whether the grant was gone from the file by then or not, the
  // next client does not have it.
  const folder = newFolder();
  for (let round = 0; round < 3; round++) {
    const id = `grant-${round}`;
    const slot = await usedSlot(folder, "calm-otter", {}, [id]);
    const running = closing(runProgram(folder, client));
    await running.waitForJson({ ready: true, grants: id });
    const revoking = revoke(slot, [id]);
    await running.waitForJson({ revoked: id });
    running.child.kill("SIGKILL");
    await running.exited;
    if ((await revoking) === "taken") expect(readGrants(slot.path)?.grants).toEqual([]);
    expect(listSlots(folder)[0]).toMatchObject({ grants: [], isRunning: false });
  }
});

it("of two clients with one slot both renew their keys, and only the holder says so", async () => {
  const folder = newFolder();
  const first = closing(await openSlot(slotOptions(folder)));
  await first.draw(both, drawPasscode);
  const renewed: unknown[] = [];
  first.onRenewed((secrets) => renewed.push(secrets));
  const second = closing(await openSlot(slotOptions(folder)));
  const { secrets, taken } = await rotate(second, ["key"], drawPasscode);
  expect({ renewed, taken }).toEqual({ renewed: [secrets], taken: "waiting" });
  second.onRenewed(() => expect.unreachable("the second has read no other secrets before"));
  expect(asked(second)).toEqual([]);
});

it("a rotation that the gate cannot use is not taken, and is tried again", async () => {
  const notices: string[] = [];
  const slot = closing(
    await openSlot(slotOptions(newFolder(), { onNotice: (text) => void notices.push(text) })),
  );
  await slot.draw(both, drawPasscode);
  let canUse = false;
  slot.onRenewed(() => {
    if (!canUse) throw new Error("the gate cannot use them");
  });
  expect((await rotate(slot, ["key"], drawPasscode)).taken).toBe("waiting");
  expect(notices).toEqual(["neither revocations nor new keys arrive: the gate cannot use them"]);
  canUse = true;
  await vi.waitFor(() => expect(asked(slot)).toEqual([]), 5_000);
});

it("a secret that the gate does not use is nothing new", async () => {
  const slot = closing(await openSlot(slotOptions(newFolder())));
  await slot.draw(both, drawPasscode);
  await slot.draw({ key: true, passcode: false }, drawPasscode);
  const renewed: Secrets[] = [];
  slot.onRenewed((secrets) => void renewed.push(secrets));
  expect((await rotate(slot, ["passcode"], drawPasscode)).taken).toBe("taken");
  const { secrets } = await rotate(slot, ["key"], drawPasscode);
  expect(renewed).toEqual([{ keys: secrets.keys }]);
});

it("a secret whose file is removed holds on, and the person is told once", async () => {
  const notices: string[] = [];
  const slot = closing(
    await openSlot(slotOptions(newFolder(), { onNotice: (text) => void notices.push(text) })),
  );
  const { secrets } = await slot.draw(both, drawPasscode);
  const renewed: Secrets[] = [];
  slot.onRenewed((given) => void renewed.push(given));
  rmSync(slot.files.key);
  const { secrets: rotated } = await rotate(slot, ["passcode"], drawPasscode);
  expect(rotated.keys).toEqual([]);
  await expect.poll(() => renewed, { timeout: 10_000 }).toEqual([{ ...rotated, keys: secrets.keys }]);
  expect(notices).toEqual([expect.stringContaining(`${slot.files.key} is gone: the key that it held lets`)]);
  expect((await rotate(slot, ["key"], drawPasscode)).secrets.keys).not.toEqual(secrets.keys);
  await expect.poll(() => renewed, { timeout: 10_000 }).toHaveLength(2);
  expect(notices).toHaveLength(1);
});

it("a revocation arrives although a secret cannot be read", async () => {
  const folder = newFolder();
  const before = await usedSlot(folder, "calm-otter", {}, ["one"]);
  const notices: string[] = [];
  const slot = closing(await openSlot(slotOptions(folder, { onNotice: (text) => void notices.push(text) })));
  const gate = new FakeGate(slot.storage);
  writeFileSync(slot.files.key, "short\n", { mode: 0o600 });
  expect(await revoke(before, ["one"])).toBe("taken");
  expect([...gate.ids]).toEqual([]);
  await expect.poll(() => notices, { timeout: 10_000 }).toHaveLength(1);
});

it("a client whose gate has no grants does not take a revocation: that is said after a while", async () => {
  const folder = newFolder();
  const slot = await usedSlot(folder, "calm-otter", {}, ["one"]);
  closing(await openSlot(slotOptions(folder)));
  expect(await revoke(slot, ["one"])).toBe("waiting");
  expect(asked(slot)).toHaveLength(1);
});

describe("a client that is started again and again, while grants are made and revoked", () => {
  it("never has a revoked grant again, and loses no other", async () => {
    const step = fc.constantFrom("grant", "revoke", "restart", "turn");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const folder = new TestFolder();
        let slot = await openSlot(slotOptions(folder.path));
        let gate = new FakeGate(slot.storage);
        const revoked = new Set<string>();
        const revoking: Promise<unknown>[] = [];
        try {
          for (const [index, what] of steps.entries()) {
            if (what === "grant") gate.grant(`grant-${index}`);
            if (what === "turn") await nextTurn();
            if (what === "revoke") {
              for (const { id } of listSlots(folder.path).at(0)?.grants.slice(0, 2) ?? []) {
                revoked.add(id);
                revoking.push(revoke(slot, [id]));
              }
            }
            if (what !== "restart") continue;
            const before = gate.ids;
            await slot.close();
            slot = await openSlot(slotOptions(folder.path));
            gate = new FakeGate(slot.storage);
            for (const id of before) expect(gate.ids.has(id) || revoked.has(id)).toBe(true);
          }
          await Promise.all(revoking);
          await slot.close();
          const listed = listSlots(folder.path).flatMap(({ grants }) => grants);
          expect(listed.filter(({ id }) => revoked.has(id))).toEqual([]);
          const last = new FakeGate((slot = await openSlot(slotOptions(folder.path))).storage);
          expect([...last.ids].filter((id) => revoked.has(id))).toEqual([]);
        } finally {
          await slot.close();
          folder.close();
        }
      }),
      { numRuns: 15 },
    );
  });
});

it("a folder is looked at every second, if the system has no events of it", async () => {
  await new Promise<void>((resolve) => {
    closing(new FolderWatch(join(newFolder(), "nothing"), resolve));
  });
});
