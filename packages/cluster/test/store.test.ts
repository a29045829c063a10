import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryEngine } from "../src/engine/memory.js";
import { SealedStore } from "../src/store.js";

// What relays share is sealed before the engine has it.

const secret = "a secret of the test that is long enough";
const times = { leaseMs: 6_000, keepNamesMs: 60_000, verdictMs: 60_000 };
let engine: MemoryEngine;
beforeEach(() => void (engine = new MemoryEngine(times)));
afterEach(() => engine.close());

const store = (node = "a", ownSecret: string | Buffer = secret) => new SealedStore(engine, node, ownSecret);

/** What the engine has of a key. */
const raw = async (key: string): Promise<string> => (await engine.read(key))?.text ?? "";

describe("a shared text", () => {
  it("is read by all relays that have the secret, whether as text or as bytes", async () => {
    const text = "-----BEGIN PRIVATE KEY-----\n\u{1f600}\n";
    expect(await store().read("key")).toBeUndefined();
    expect(await store().write("key", text, 0)).toBe(true);
    expect(await store("b").read("key")).toEqual({ text, revision: 1 });
    expect(await store("c", Buffer.from(secret)).read("key")).toEqual({ text, revision: 1 });
    expect(await store("b").write("key", "late", 0)).toBe(false);
    expect(await store("b").write("key", "", 1)).toBe(true);
    expect(await store().read("key")).toEqual({ text: "", revision: 2 });
  });

  it("shows nothing of itself, and looks new each time", async () => {
    await store().write("key", "the private key", 0);
    const first = await raw("key");
    expect(first).toMatch(/^1\.[\da-f]{16}\.[\w-]+$/);
    expect(Buffer.from(first.split(".")[2] ?? "", "base64url").includes("private")).toBe(false);
    await store().write("key", "the private key", 1);
    const second = await raw("key");
    expect(second).not.toBe(first);
    expect(second.slice(0, 18)).toBe(first.slice(0, 18));
  });

  it("cannot be opened with another secret, but be replaced", async () => {
    await store().write("key", "old", 0);
    const other = store("b", "another secret of the test, long enough");
    expect(await other.read("key")).toEqual({ text: undefined, revision: 1 });
    expect(await other.write("key", "new", 1)).toBe(true);
    expect(await other.read("key")).toEqual({ text: "new", revision: 2 });
    expect(await store().read("key")).toEqual({ text: undefined, revision: 2 });
  });

  it("is not taken for that of another key, nor if one bit of it has changed", async () => {
    await store().write("key", "text", 0);
    const sealed = await raw("key");
    await engine.write("other", sealed, 0);
    expect(await store().read("other")).toEqual({ text: undefined, revision: 1 });
    const [form, id, body = ""] = sealed.split(".");
    const bytes = Buffer.from(body, "base64url");
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      // oxlint-disable-next-line no-await-in-loop -- each is written over the one before
      await engine.write("key", `${form}.${id}.${changed.toString("base64url")}`, at + 1);
      // oxlint-disable-next-line no-await-in-loop
      expect(await store().read("key")).toEqual({ text: undefined, revision: at + 2 });
    }
  });

  it.each(["", "text", "1.0123456789abcdef.", "1.0123456789abcdef.AAAA", "2.x.y"])(
    "is not %j",
    async (text) => {
      await engine.write("key", text, 0);
      expect(await store().read("key")).toEqual({ text: undefined, revision: 1 });
    },
  );

  it("that is too short for its seal is none, whatever it says of its key", async () => {
    await store().write("key", "text", 0);
    await engine.write("key", (await raw("key")).slice(0, 30), 1);
    expect(await store().read("key")).toEqual({ text: undefined, revision: 2 });
  });
});

it("a lock is that of one relay", async () => {
  expect(await store("a").lock("key", 60_000)).toBe(true);
  expect(await store("b").lock("key", 60_000)).toBe(false);
  expect(await store("a").lock("key", 60_000)).toBe(true);
});
