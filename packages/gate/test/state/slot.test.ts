import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../../test/support/leaks.js";
import { hasSlot, listSlots, openSlot, readSecrets, rotate, secretKinds } from "../../src/state/index.js";
import type { SecretKind, Secrets, Slot, SlotOptions } from "../../src/state/index.js";
import { drawPasscode, FakeGate, relayUrl, slotOptions, TestFolder } from "./support.js";

const closing = closingAfterEach();
const newFolder = (): string => closing(new TestFolder()).path;
const open = async (folder: string, given: Partial<SlotOptions> = {}) =>
  closing(await openSlot(slotOptions(folder, given)));
const both = { key: true, passcode: true };
const secretOf = (secrets: Secrets, kind: SecretKind): string | undefined =>
  kind === "key" ? secrets.keys[0]?.key : secrets.passcode;

describe("a slot", () => {
  it.each(["tunnel.example.com", "wss://tunnel.example.com/", "https://TUNNEL.example.com:443"])(
    "is found again when the relay's URL is written %s",
    async (spelling) => {
      const folder = newFolder();
      const { secrets } = await (await open(folder)).draw(both, drawPasscode);
      expect(readSecrets(await open(folder, { relayUrl: spelling }))).toEqual(secrets);
    },
  );

  it.each<[string, Partial<SlotOptions>]>([
    ["relay", { relayUrl: "https://other.example.com" }],
    ["path of the relay", { relayUrl: `${relayUrl}/below` }],
    ["token", { token: "another token" }],
    ["token, for none", { token: undefined }],
    ["name", { subdomain: "other" }],
    ["name, for none", { subdomain: undefined }],
  ])("is another for another %s", async (_what, other) => {
    const folder = newFolder();
    await (await open(folder)).draw(both, drawPasscode);
    expect(hasSlot(slotOptions(folder))).toBe(true);
    expect(hasSlot(slotOptions(folder, other))).toBe(false);
    expect(readSecrets(await open(folder, other))).toEqual({ keys: [] });
  });

  it("without a name is found again under whatever name the relay gave", async () => {
    const folder = newFolder();
    const first = await open(folder, { subdomain: undefined });
    const { secrets } = await first.draw(both, drawPasscode);
    await first.named({
      name: "calm-otter",
      url: "https://calm-otter.tunnel.example.com",
      kinds: ["bearer"],
      places: [],
    });
    await first.close();
    const second = await open(folder, { subdomain: undefined });
    expect(readSecrets(second)).toEqual(secrets);
    expect(listSlots(folder)[0]).toMatchObject({
      name: "calm-otter",
      url: "https://calm-otter.tunnel.example.com",
    });
  });

  it("does not keep the relay's token, in no file and in no name of a file", async () => {
    const folder = newFolder();
    const token = "mtt_the-token-of-this-relay";
    const slot = await open(folder, { token });
    await slot.draw(both, drawPasscode);
    await slot.named({
      name: "calm-otter",
      url: "https://calm-otter.tunnel.example.com",
      kinds: [],
      places: [],
    });
    const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const texts = paths
      .map((path) => join(folder, path))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, "utf8"));
    expect(texts.length).toBeGreaterThan(2);
    expect([...paths, ...texts].join("\n")).not.toContain(token);
  });

  it("refuses a URL that is no relay's before it makes anything", async () => {
    const folder = newFolder();
    await expect(openSlot(slotOptions(folder, { relayUrl: "ftp://relay" }))).rejects.toMatchObject({
      code: "invalid_option",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("cannot be opened where nothing can be written: the tunnel is not even registered", async () => {
    const folder = join(newFolder(), "file");
    writeFileSync(folder, "");
    await expect(openSlot(slotOptions(join(folder, "state")))).rejects.toMatchObject({ code: "unavailable" });
  });

  it("leaves no timer and no watch behind", async () => {
    const folder = newFolder();
    await expectNoLeaks(async () => {
      const slot = await openSlot(slotOptions(folder));
      await slot.draw(both, drawPasscode);
      const gate = new FakeGate(slot.storage);
      slot.onRenewed(() => {});
      gate.grant("one");
      await slot.close();
      await slot.close();
    });
  });
});

describe("what is drawn", () => {
  it("is drawn once, and lasts", async () => {
    const folder = newFolder();
    const first = await open(folder);
    const { secrets, drawnNow } = await first.draw(both, drawPasscode);
    expect(drawnNow).toEqual(both);
    expect(secrets.keys).toEqual([{ name: "default", key: expect.stringMatching(/^mt_[\w-]{43}$/) }]);
    await first.close();
    const again = await (await open(folder)).draw(both, drawPasscode);
    expect(again).toEqual({ secrets, drawnNow: { key: false, passcode: false } });
  });

  it("is what is wanted, and later what is missing", async () => {
    const slot = await open(newFolder());
    const { secrets } = await slot.draw({ key: true, passcode: false }, drawPasscode);
    expect(secrets).toEqual({ keys: [expect.anything()] });
    const later = await slot.draw(both, () => "the words of the passcode");
    expect(later.drawnNow).toEqual({ key: false, passcode: true });
    expect(later.secrets).toEqual({ ...secrets, passcode: "the words of the passcode" });
  });

  it("is drawn by one of several clients that start at once, and is the same for all", async () => {
    const folder = newFolder();
    const slots = await Promise.all(["a", "b", "c", "d"].map(() => open(folder)));
    const drawn = await Promise.all(slots.map((slot) => slot.draw(both, drawPasscode)));
    for (const kind of secretKinds) expect(drawn.filter(({ drawnNow }) => drawnNow[kind])).toHaveLength(1);
    expect(new Set(drawn.map(({ secrets }) => secrets.keys.at(0)!.key)).size).toBe(1);
  });

  it("is in files that hold nothing else, so that a script can read them", async () => {
    const slot = await open(newFolder());
    const { secrets } = await slot.draw(both, drawPasscode);
    expect(readFileSync(slot.files.key, "utf8")).toBe(`${secrets.keys[0]?.key}\n`);
    expect(readFileSync(slot.files.passcode, "utf8")).toBe(`${secrets.passcode}\n`);
  });

  it.each(["", "short\n", "two lines of text\nthat are no key at all\n", "a key with spaces in it\n"])(
    "is no key if the file holds %j: that is said, and another key is not drawn silently",
    async (text) => {
      const slot = await open(newFolder());
      writeFileSync(slot.files.key, text, { mode: 0o600 });
      const fault = expect.objectContaining({
        code: "unavailable",
        file: slot.files.key,
        message: expect.stringContaining("move it away"),
      });
      expect(() => readSecrets(slot)).toThrow(fault);
      await expect(slot.draw(both, drawPasscode)).rejects.toEqual(fault);
      expect(readFileSync(slot.files.key, "utf8")).toBe(text);
    },
  );

  it("is not shown by the message about a file that holds too much", async () => {
    const slot = await open(newFolder());
    writeFileSync(slot.files.key, "mt_secret-of-the-first-line\nmt_another\n", { mode: 0o600 });
    expect(() => readSecrets(slot)).toThrow(expect.not.stringContaining("secret-of"));
  });
});

describe("clients and rotations at the same time", () => {
  it("end with one key for all: no rotation is undone, and no client keeps what was rotated", async () => {
    const step = fc.constantFrom<"client" | SecretKind>("client", ...secretKinds);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        const folder = new TestFolder();
        const slots: Slot[] = [];
        /** What each client uses. */
        const used: Secrets[] = [];
        const rotated: Record<SecretKind, (string | undefined)[]> = { key: [], passcode: [] };
        const start = async (): Promise<string> => {
          const slot = await openSlot(slotOptions(folder.path));
          const index = slots.push(slot) - 1;
          used[index] = (await slot.draw(both, drawPasscode)).secrets;
          slot.onRenewed((secrets) => (used[index] = secrets));
          return slot.path;
        };
        try {
          const path = await start();
          const run = async (what: "client" | SecretKind): Promise<unknown> => {
            if (what === "client") return start();
            const { secrets } = await rotate({ path }, [what], drawPasscode);
            return rotated[what].push(secretOf(secrets, what));
          };
          await Promise.all(steps.map(run));
          const last = readSecrets(slots.at(0)!);
          for (const kind of secretKinds) {
            if (rotated[kind].length > 0) expect(rotated[kind]).toContain(secretOf(last, kind));
          }
          // A client that was started before the last one is not waited for by a rotation.
          await expect.poll(() => used, { timeout: 10_000 }).toEqual(used.map(() => last));
        } finally {
          for (const slot of slots) await slot.close();
          folder.close();
        }
      }),
      { numRuns: 20 },
    );
  });
});

it("a broken slot.json is reported with its path and with what to do", async () => {
  const folder = newFolder();
  const slot = await open(folder);
  await slot.close();
  writeFileSync(join(slot.path, "slot.json"), '{"version":1,', { mode: 0o600 });
  await expect(openSlot(slotOptions(folder))).rejects.toThrow(
    `${join(slot.path, "slot.json")} is broken (it is not JSON): mend it, or move it away`,
  );
});
