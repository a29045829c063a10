import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { onWindows } from "../../../../test/support/systems.js";
import { openSlot, type Slot, type SlotOptions } from "../../src/state/index.js";
import { FakeGate, slotOptions, stored, TestFolder } from "./support.js";

const closing = closingAfterEach();
const newFolder = (): string => closing(new TestFolder()).path;
const open = async (folder: string, given: Partial<SlotOptions> = {}) =>
  closing(await openSlot(slotOptions(folder, given)));
const grantFile = (slot: Slot): string => join(slot.path, "grants.json");
const idsIn = (slot: Slot): string[] =>
  JSON.parse(readFileSync(grantFile(slot), "utf8")).grants.map(({ id }: { id: string }) => id);

/** What another process leaves. */
function revokeByHand(slot: Slot, id: string): void {
  writeFileSync(join(slot.path, "asked", `revoke-${Buffer.from(id).toString("hex")}`), "", { mode: 0o600 });
}

/** A slot whose grants are `ids`, not open any more. */
async function slotWith(folder: string, ids: readonly string[]): Promise<Slot> {
  const slot = await openSlot(slotOptions(folder));
  slot.storage.changed(() => stored(ids));
  await slot.close();
  return slot;
}

describe("grants", () => {
  it("are none in a new slot", async () => {
    expect((await open(newFolder())).storage.read()).toBeUndefined();
  });

  it("are read as they were written, and records that do not expire stay so", async () => {
    const folder = newFolder();
    const { records, ...rest } = stored(["one", "two"]);
    const written = { ...rest, records: records.with(1, { ...records.at(1)!, expiresAtMs: undefined }) };
    const slot = await openSlot(slotOptions(folder));
    slot.storage.changed(() => written);
    await slot.close();
    expect((await open(folder)).storage.read()).toEqual(written);
  });

  it("are written at once, not only at the end", async () => {
    const slot = await open(newFolder());
    new FakeGate(slot.storage).grant("one");
    await expect.poll(() => existsSync(grantFile(slot)) && idsIn(slot), { timeout: 10_000 }).toEqual(["one"]);
  });

  it("of a thousand changes in one turn are one write, and of those during a write one more", async () => {
    const slot = await open(newFolder());
    const gate = new FakeGate(slot.storage);
    for (let n = 0; n < 1_000; n++) gate.grant(`first-${n}`);
    expect(gate.snapshots).toBe(0);
    while (gate.snapshots === 0) await nextTurn();
    for (let n = 0; n < 1_000; n++) gate.grant(`second-${n}`);
    await slot.close();
    expect(gate.snapshots).toBe(2);
    expect(idsIn(slot)).toHaveLength(2_000);
  });

  it("of a change right before the end are written", async () => {
    const slot = await open(newFolder());
    const gate = new FakeGate(slot.storage);
    gate.grant("one");
    const gone = slot.storage.close();
    await gone;
    expect(idsIn(slot)).toEqual(["one"]);
    gate.grant("after the end");
    await slot.close();
    expect(idsIn(slot)).toEqual(["one"]);
  });

  it("that cannot be written are a notice, once, and are written when they can be", async () => {
    const notices: string[] = [];
    const slot = await open(newFolder(), { onNotice: (text) => notices.push(text) });
    const gate = new FakeGate(slot.storage);
    mkdirSync(grantFile(slot));
    gate.grant("one");
    await expect.poll(() => notices, { timeout: 10_000 }).toHaveLength(1);
    expect(notices[0]).toContain(`cannot write ${grantFile(slot)}`);
    gate.grant("two");
    // Nothing changes any more. The slot tries again by itself.
    await expect.poll(() => gate.snapshots, { timeout: 10_000 }).toBeGreaterThan(2);
    rmdirSync(grantFile(slot));
    await expect
      .poll(() => existsSync(grantFile(slot)) && idsIn(slot), { timeout: 10_000 })
      .toEqual(["one", "two"]);
    expect(notices).toHaveLength(1);
  });

  it.each([
    ["it is not JSON", "{"],
    ["it is not JSON", ""],
    ["version must be 1", JSON.stringify({ ...stored([]), version: 2 })],
    ["grants.0.id must be a string", JSON.stringify({ ...stored([]), grants: [{}] })],
    ["records.0.model must be a string", JSON.stringify({ ...stored([]), records: [{}] })],
  ])("in a broken file are an error, and not lost silently: %s", async (why, text) => {
    const slot = await open(newFolder());
    writeFileSync(grantFile(slot), text, { mode: 0o600 });
    expect(() => slot.storage.read()).toThrow(
      expect.objectContaining({ code: "unavailable", file: grantFile(slot) }),
    );
    expect(() => slot.storage.read()).toThrow(`${grantFile(slot)} is broken (${why}`);
    expect(() => slot.storage.read()).toThrow("move it away");
    expect(readFileSync(grantFile(slot), "utf8")).toBe(text);
  });

  it.skipIf(onWindows)("that others may read are an error: they say who uses what, and when", async () => {
    const slot = await slotWith(newFolder(), ["one"]);
    chmodSync(grantFile(slot), 0o644);
    const again = await open(join(slot.path, ".."));
    expect(() => again.storage.read()).toThrow("is open to others (mode 644)");
  });
});

describe("two clients of one slot", () => {
  it("the second keeps its grants, and the first, which the relay closes, overwrites nothing", async () => {
    const folder = newFolder();
    const notices: string[] = [];
    const first = await open(folder, { onNotice: (text) => notices.push(text) });
    const firstGate = new FakeGate(first.storage);
    firstGate.grant("one");
    await expect.poll(() => existsSync(grantFile(first)), { timeout: 10_000 }).toBe(true);
    const second = await open(folder);
    const secondGate = new FakeGate(second.storage);
    secondGate.grant("two");
    await second.storage.close();
    firstGate.grant("three");
    await first.close();
    expect(idsIn(second)).toEqual(["one", "two"]);
    expect(notices).toEqual([expect.stringContaining("another client was started")]);
  });

  it("the first, back in the slot, takes no revocation for done that the file does not show", async () => {
    // The second has made a grant, somebody has revoked it, and the second was killed before it knew.
    const folder = newFolder();
    const first = await open(folder);
    first.storage.read();
    const second = await openSlot(slotOptions(folder));
    second.storage.changed(() => stored(["of the second"]));
    await second.close();
    revokeByHand(first, "of the second");
    const told: string[] = [];
    first.storage.onRevoke((ids) => told.push(...ids));
    await first.close();
    expect(told).toEqual(["of the second"]);
    expect(idsIn(first)).toEqual(["of the second"]);
    expect(readdirSync(join(first.path, "asked"))).toHaveLength(1);
  });

  it("the first keeps its grants again once the second has ended", async () => {
    const folder = newFolder();
    const first = await open(folder);
    const gate = new FakeGate(first.storage);
    const second = await openSlot(slotOptions(folder));
    await second.close();
    gate.grant("one");
    await first.close();
    expect(idsIn(first)).toEqual(["one"]);
  });

  it("without a name: the person is told that they share the slot", async () => {
    const folder = newFolder();
    await open(folder, { subdomain: undefined });
    const notices: string[] = [];
    await open(folder, { subdomain: undefined, onNotice: (text) => notices.push(text) });
    const both = "another client without a name of its own runs at this relay, with the same keys";
    expect(notices).toEqual([expect.stringContaining(both)]);
    // No name can be asked for with a token that has only one.
    expect(notices[0]).toContain("If the token has a single name, the relay ends that client");
  });
});

describe("grants that were revoked while no client ran", () => {
  it("are revoked before the first visit, and the mark stays until the file has them no more", async () => {
    const folder = newFolder();
    revokeByHand(await slotWith(folder, ["one", "two"]), "one");
    const slot = await open(folder);
    const gate = new FakeGate(slot.storage);
    expect([...gate.ids]).toEqual(["two"]);
    expect(idsIn(slot)).toEqual(["one", "two"]);
    expect(readdirSync(join(slot.path, "asked"))).toHaveLength(1);
    await slot.close();
    expect(idsIn(slot)).toEqual(["two"]);
    expect(readdirSync(join(slot.path, "asked"))).toEqual([]);
  });

  it("stay revoked over a start that cannot write: the word of it stays", async () => {
    const folder = newFolder();
    const before = await slotWith(folder, ["one", "two"]);
    revokeByHand(before, "one");
    const failing = await open(folder, { onNotice: () => {} });
    const gate = new FakeGate({
      read: () => failing.storage.read(),
      onRevoke: (listener) => failing.storage.onRevoke(listener),
      changed: () =>
        failing.storage.changed(() => {
          throw new Error("the disk is full");
        }),
      close: () => failing.storage.close(),
    });
    expect([...gate.ids]).toEqual(["two"]);
    await failing.close();
    expect(readdirSync(join(before.path, "asked"))).toHaveLength(1);
    expect([...new FakeGate((await open(folder)).storage).ids]).toEqual(["two"]);
  });

  it("and that the file does not have any more are forgotten: a client was killed in between", async () => {
    const folder = newFolder();
    revokeByHand(await slotWith(folder, ["two"]), "one");
    const slot = await open(folder);
    slot.storage.read();
    slot.storage.onRevoke(() => {});
    await expect.poll(() => readdirSync(join(slot.path, "asked")), { timeout: 10_000 }).toEqual([]);
  });
});
