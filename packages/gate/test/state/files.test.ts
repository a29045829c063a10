import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import { onWindows } from "../../../../test/support/systems.js";
import {
  createPrivate,
  ensureFolder,
  readPrivate,
  removeLeftovers,
  writePrivate,
} from "../../src/state/files.js";
import { runProgram, TestFolder } from "./support.js";

const closing = closingAfterEach();
const newFolder = (): string => closing(new TestFolder()).path;
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const hasModes = process.getuid !== undefined;
const isRoot = process.getuid?.() === 0;

describe.runIf(hasModes)("files that nobody else may read", () => {
  it("are created so, whatever the umask", async () => {
    const folder = newFolder();
    const before = process.umask(0);
    closing({ close: () => process.umask(before) });
    ensureFolder(join(folder, "a", "b"), { readable: false });
    await writePrivate(join(folder, "a", "b", "written"), "text");
    await createPrivate(join(folder, "a", "b", "created"), "text");
    const made = ["a", "a/b", "a/b/written", "a/b/created"].map((path) => modeOf(join(folder, path)));
    expect(made).toEqual(["700", "700", "600", "600"]);
  });

  it("stay so when they are written again", async () => {
    const path = join(newFolder(), "file");
    await writePrivate(path, "one");
    await writePrivate(path, "two");
    expect([modeOf(path), readPrivate(path)]).toEqual(["600", "two"]);
  });

  it.each([0o644, 0o640, 0o602, 0o601])("are not read if their mode is %o", (mode) => {
    const path = join(newFolder(), "file");
    writeFileSync(path, "secret", { mode: 0o600 });
    chmodSync(path, mode);
    expect(() => readPrivate(path)).toThrow(
      expect.objectContaining({ code: "unavailable", message: expect.stringContaining("'chmod 600'") }),
    );
    // A file that others could read is not narrowed silently: its secrets may be known.
    expect(modeOf(path)).toBe(mode.toString(8));
  });

  it("are not put in a folder that others may look into, nor is the folder narrowed", () => {
    const path = join(newFolder(), "slot");
    mkdirSync(path);
    chmodSync(path, 0o750);
    expect(() => ensureFolder(path, { readable: false })).toThrow(
      "is open to others (mode 750): close it with 'chmod 700'",
    );
    expect(modeOf(path)).toBe("750");
  });

  it("may have a state folder above them that others look into, but not one that they change", () => {
    const path = join(newFolder(), "state");
    mkdirSync(path);
    chmodSync(path, 0o755);
    ensureFolder(path, { readable: true });
    chmodSync(path, 0o1777);
    expect(() => ensureFolder(path, { readable: true })).toThrow(
      "is open to others (mode 777): close it with 'chmod 755'",
    );
  });

  it.runIf(isRoot)("are not read if they belong to somebody else", () => {
    const folder = newFolder();
    const path = join(folder, "file");
    writeFileSync(path, "planted", { mode: 0o600 });
    chownSync(path, 65_534, 65_534);
    expect(() => readPrivate(path)).toThrow("belongs to another user (65534, and this is 0)");
    chownSync(folder, 65_534, 65_534);
    expect(() => ensureFolder(folder, { readable: true })).toThrow("belongs to another user");
  });
});

// Windows cannot be told to follow none (O_NOFOLLOW). The access list of the folder keeps others out there.
describe.skipIf(onWindows)("symbolic links are not followed", () => {
  it("of files", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "target"), "elsewhere", { mode: 0o600 });
    symlinkSync(join(folder, "target"), join(folder, "file"));
    expect(() => readPrivate(join(folder, "file"))).toThrow("is a symbolic link, which is not followed");
  });

  it("of files that are written: the link is replaced, and its target stays", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "target"), "elsewhere", { mode: 0o600 });
    symlinkSync(join(folder, "target"), join(folder, "file"));
    expect(await createPrivate(join(folder, "file"), "created")).toBe(false);
    await writePrivate(join(folder, "file"), "written");
    expect(readPrivate(join(folder, "file"))).toBe("written");
    expect(readPrivate(join(folder, "target"))).toBe("elsewhere");
  });

  it("of folders", () => {
    const folder = newFolder();
    mkdirSync(join(folder, "target"), { mode: 0o700 });
    symlinkSync(join(folder, "target"), join(folder, "slot"));
    expect(() => ensureFolder(join(folder, "slot"), { readable: false })).toThrow("is a symbolic link");
  });
});

describe("what cannot be used", () => {
  it.skipIf(onWindows)("is no pipe, which is not waited for either", () => {
    const path = join(newFolder(), "pipe");
    execFileSync("mkfifo", ["-m", "600", path]);
    expect(() => readPrivate(path)).toThrow("it is not a regular file");
  });

  it("is a folder that cannot be made", () => {
    const file = join(newFolder(), "file");
    writeFileSync(file, "");
    expect(() => ensureFolder(join(file, "state"), { readable: true })).toThrow(
      expect.objectContaining({ code: "unavailable", file: join(file, "state") }),
    );
  });

  it("is a folder that is gone", async () => {
    const folder = newFolder();
    rmdirSync(folder);
    await expect(writePrivate(join(folder, "file"), "text")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("leaves nothing behind when it was not written", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "file"));
    await expect(writePrivate(join(folder, "file"), "text")).rejects.toMatchObject({ code: "unavailable" });
    expect(readdirSync(folder)).toEqual(["file"]);
  });
});

describe("a process that is killed while it writes", () => {
  it("leaves the old file or the new, always whole, and so does one that is not killed", async () => {
    const folder = newFolder();
    const file = join(folder, "passcode");
    const program = `for (let n = 0; ; n = (n + 1) % 10) {
      await state.rotate({ path: folder }, ["passcode"], () => String(n).repeat(1_000_000));
      say({ n });
    }`;
    for (const last of [0, 3, 5, 8]) {
      const writer = closing(runProgram(folder, program));
      await writer.waitForJson({ n: last });
      for (let reads = 0; reads < 50; reads++) {
        expect(/^(\d)\1{999999}\n$/.test(readPrivate(file) ?? "")).toBe(true);
        await nextTurn();
      }
      writer.child.kill("SIGKILL");
      await writer.exited;
      expect(/^(\d)\1{999999}\n$/.test(readPrivate(file) ?? "")).toBe(true);
    }
  });

  it("leaves nothing for long: unfinished files are removed once they are a minute old", () => {
    const folder = newFolder();
    const names = ["grants.json", "grants.json.0011.tmp", "grants.json.2233.tmp"];
    for (const name of names) writeFileSync(join(folder, name), "", { mode: 0o600 });
    const aMinuteAgo = Date.now() / 1_000 - 61;
    for (const name of names.slice(0, 2)) utimesSync(join(folder, name), aMinuteAgo, aMinuteAgo);
    removeLeftovers(folder);
    expect(readdirSync(folder).toSorted()).toEqual([names.at(0), names.at(2)]);
  });
});

it("of several processes that create a file one succeeds, and the others see its text", async () => {
  const path = join(newFolder(), "file");
  const made = await Promise.all(["a", "b", "c", "d"].map((text) => createPrivate(path, text)));
  expect(made.filter(Boolean)).toHaveLength(1);
  expect(readFileSync(path, "utf8")).toBe("abcd"[made.indexOf(true)]);
});
