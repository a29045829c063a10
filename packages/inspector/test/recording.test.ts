import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Captured } from "../src/captured.js";
import { type HarRecording, openRecording, type RecordOptions } from "../src/record/recording.js";
import { Views } from "../src/views/views.js";
import { Recorder } from "../src/capture/recorder.js";
import { captured, type CapturedGiven } from "./support/captured.js";
import { report, requestHead, someTunnel } from "./support/exchange.js";
import { onWindows } from "../../../test/support/systems.js";
import { harContext } from "./support/views.js";

const childPath = fileURLToPath(new URL("support/record-child.mjs", import.meta.url));
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "recording-"));
  file = join(folder, "traffic.har");
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

/** Waits for what the file has, or the recording says. The machine may be busy. */
const eventually = (condition: () => void | Promise<void>) => vi.waitFor(condition, { timeout: 15_000 });

interface Log {
  entries: { _id: number; request: { url: string } }[];
  _missed?: number;
}

async function logIn(path = file): Promise<Log> {
  return (JSON.parse(await readFile(path, "utf8")) as { log: Log }).log;
}

async function idsIn(path = file): Promise<number[]> {
  return (await logIn(path)).entries.map((entry) => entry._id);
}

const context = new Views({
  mcp: harContext().mcp,
  key: Buffer.alloc(32),
  privatePaths: [],
  publicUrl: () => "https://a.example",
  whyNot: () => undefined,
  warning: () => undefined,
});

async function record(options: RecordOptions = {}, path = file): Promise<HarRecording> {
  const recording = await openRecording(path, options, context, { minMs: 0, share: 1 });
  onTestFinished(() => recording.close());
  return recording;
}

/** Nobody else may read the file. Windows has no modes: there the folder decides. */
async function expectPrivate(): Promise<void> {
  if (!onWindows) expect((await stat(file)).mode & 0o777).toBe(0o600);
}

function over(recording: HarRecording, given: CapturedGiven = {}): Captured {
  const entry = captured(given);
  recording.begun(entry);
  recording.over(entry);
  return entry;
}

describe("a recording", () => {
  it("is an archive from the start, readable for its owner alone", async () => {
    await record();
    expect(await idsIn()).toEqual([]);
    await expectPrivate();
    expect(await readdir(folder)).toEqual(["traffic.har"]);
  });

  it("has each exchange once it is over, in order, without secrets", async () => {
    const recording = await record();
    const first = over(recording, { path: "/a?token=s3cr3t", answer: "é\u2028" });
    await eventually(async () => expect(await idsIn()).toEqual([first.id]));
    const others = [1, 2, 3].map(() => over(recording));
    const open = captured({ status: null });
    recording.begun(open);
    await recording.close();
    expect(await idsIn()).toEqual([first, ...others].map(({ id }) => id));
    expect(await readFile(file, "utf8")).not.toContain("s3cr3t");
    await expectPrivate();
    over(recording);
    await recording.close();
    expect(await idsIn()).toHaveLength(4);
    expect(recording.ended).toBeUndefined();
  });

  it("has what the relay has refused, once", async () => {
    const recording = await record();
    const refusal = {
      code: "invalid_host",
      status: 400,
      count: 2,
      method: "GET",
      path: "/",
      limit: undefined,
    };
    const entry = over(recording, {
      status: null,
      entry: { refusal: { ...refusal, message: "why" } as never },
    });
    await recording.close();
    expect(await idsIn()).toEqual([entry.id]);
  });

  it("is written every two seconds at most, and less often if that takes long", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const recording = await openRecording(file, {}, context);
    const { id } = over(recording);
    await vi.advanceTimersByTimeAsync(1_990);
    expect(await idsIn()).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    vi.useRealTimers();
    await eventually(async () => expect(await idsIn()).toEqual([id]));
    await recording.close();
  });

  it.skipIf(onWindows)("takes the place of a file that was there, and keeps a link to it", async () => {
    await writeFile(file, "old");
    await chmod(file, 0o644);
    const link = join(folder, "link.har");
    await symlink(file, link);
    const recording = await record({}, link);
    const { id } = over(recording);
    await recording.close();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await idsIn()).toEqual([id]);
    await expectPrivate();
  });

  it.skipIf(onWindows)("follows no link that another user has made", async () => {
    // In /tmp, say, where the name of the recording can be guessed, to a file of the user's own.
    const own = join(folder, "precious");
    await writeFile(own, "precious");
    await symlink(own, file);
    if (process.getuid?.() === 0) await lchown(file, 12_345, 12_345);
    else vi.spyOn(process, "getuid").mockReturnValue(12_345);
    onTestFinished(() => void vi.restoreAllMocks());
    const message = expect.stringContaining("a link that another user has made") as string;
    await expect(record()).rejects.toMatchObject({ code: "unavailable", message });
    expect(await readFile(own, "utf8")).toBe("precious");
  });

  it("begins beside what looks like its leftovers and cannot be removed", async () => {
    await mkdir(`${file}.999999999-0123abcd.part`);
    await record();
    expect(await idsIn()).toEqual([]);
  });

  it("leaves the tunnel three times as long as an entry takes, until it is closed", async () => {
    const times: { start: number; end: number }[] = [];
    const slow = {
      har: () => context.har(),
      harEntry(entry: Captured) {
        const start = performance.now();
        while (performance.now() < start + 40);
        times.push({ start, end: performance.now() });
        return context.harEntry(entry);
      },
    };
    const recording = await openRecording(file, {}, slow, { minMs: 0, share: 1 });
    const entries = [1, 2, 3].map(() => over(recording));
    await eventually(async () => expect(await idsIn()).toEqual(entries.map(({ id }) => id)));
    for (const [i, { start }] of times.slice(1).entries()) {
      expect(start - (times[i]?.end ?? 0)).toBeGreaterThan(110);
    }
    await recording.close();
  });

  it("leaves out at its end what would take too long, and says how much", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const slow = {
      har: () => context.har(),
      harEntry(entry: Captured) {
        vi.advanceTimersByTime(4_000);
        return context.harEntry(entry);
      },
    };
    const recording = await openRecording(file, {}, slow, { minMs: 60_000, share: 1 });
    const entries = [1, 2, 3, 4, 5].map(() => over(recording));
    await recording.close();
    expect(await idsIn()).toEqual(entries.slice(0, 3).map(({ id }) => id));
    expect((await logIn())._missed).toBe(2);
  });

  it("leaves a file alone if it cannot write", async () => {
    await mkdir(file);
    await expect(record()).rejects.toMatchObject({ code: "unavailable", file });
    await expect(record({}, join(folder, "no", "a.har"))).rejects.toMatchObject({ code: "unavailable" });
    await expect(record({}, "/dev/null")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("removes what a killed recording has left, and nothing else", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    await writeFile(`${file}.${child.pid}-01234567.part`, "left");
    const others = [
      `traffic.har.${process.pid}-01234567.part`,
      "traffic.har.part",
      "other.har.1-01234567.part",
    ];
    for (const name of others) await writeFile(join(folder, name), "mine");
    await record();
    expect((await readdir(folder)).sort()).toEqual([...others, "traffic.har"].sort());
  });
});

describe("a recording ends", () => {
  it("when the file is as long as it may be, and says so once", async () => {
    const onEnded = vi.fn<(why: string) => void>();
    const recording = await record({ maxBytes: 20_000, onEnded });
    for (let i = 0; i < 100; i += 1) over(recording, { answer: "x".repeat(1_000) });
    await eventually(() => expect(recording.ended).toBeDefined());
    over(recording);
    await recording.close();
    expect(onEnded.mock.calls).toEqual([[`${file} is full (19.5 KiB)`]]);
    expect((await stat(file)).size).toBeLessThanOrEqual(20_000);
    expect((await idsIn()).length).toBeGreaterThan(5);
  });

  it("when its folder is gone", async () => {
    const onEnded = vi.fn<(why: string) => void>();
    const recording = await record({ onEnded });
    await rm(folder, { recursive: true });
    over(recording);
    await recording.close();
    expect(onEnded).toHaveBeenCalledOnce();
    expect(recording.ended).toContain(`cannot write ${file}: ENOENT`);
  });

  it.skipIf(onWindows)("when the disk is full", async () => {
    // A limit of the system stands for the disk. Writing fails in the midst of an entry.
    const command = `ulimit -f 300; exec "$0" "$@"`;
    const child = spawn("bash", ["-c", command, process.execPath, childPath, file]);
    const [text] = (await Promise.all([once(child.stderr, "data"), once(child, "exit")]))[0] as [Buffer];
    expect(text.toString()).toBe(`cannot write ${file}: EFBIG: file too large, write\n`);
    expect((await idsIn()).length).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual(["traffic.har"]);
  });

  it("when somebody else has changed the file, which stays as it is", async () => {
    const recording = await record();
    await writeFile(file, "mine");
    over(recording);
    await recording.close();
    expect(recording.ended).toBe(`cannot write ${file}: somebody else has changed it`);
    expect(await readFile(file, "utf8")).toBe("mine");
    expect(await readdir(folder)).toEqual(["traffic.har"]);
  });
});

it("ends when somebody has put another file of the same size in its place", async () => {
  const onEnded = vi.fn<(why: string) => void>();
  const recording = await record({ onEnded });
  const text = await readFile(file, "utf8");
  await rename(file, `${file}.old`);
  await writeFile(file, text);
  over(recording);
  await eventually(() => expect(onEnded).toHaveBeenCalledTimes(1));
  expect(await readFile(file, "utf8")).toBe(text);
});

it("counts what it leaves out because too much waits", async () => {
  const recording = await record();
  const answer = Buffer.alloc(256 * 1_024, "a");
  for (let i = 0; i < 100; i += 1) over(recording, { answer });
  await eventually(async () => expect(await idsIn()).not.toEqual([]));
  over(recording);
  await recording.close();
  const { entries, _missed: missed = 0 } = await logIn();
  expect(missed).toBeGreaterThan(30);
  expect(entries.length + missed).toBe(101);
});

it("counts what left the ring before it was over, and keeps what was over", async () => {
  const recording = await record();
  const recorder = new Recorder({ maxBytes: 1_000_000, maxExchanges: 1 }, [recording]);
  const tunnel = someTunnel();
  const begin = (streamId: number) =>
    recorder.observe({ id: streamId, head: requestHead(), tunnel, streamId, startedAtMs: performance.now() });
  const long = begin(1);
  const short = begin(2);
  short?.onOver?.(report());
  begin(3);
  long?.onOver?.(report());
  await recording.close();
  const { entries, _missed: missed } = await logIn();
  expect(entries.map((entry) => entry._id)).toEqual([2]);
  expect(missed).toBe(1);
});

it("is an archive whenever its process is killed", async () => {
  // The user ends a long run by `kill -9`, or the machine takes the process for want of memory.
  const counts: number[] = [];
  const runs = 24;
  for (let run = 1; run <= runs; run += 1) {
    const path = join(folder, `${run}.har`);
    const recording = spawn(process.execPath, [childPath, path], { stdio: ["ignore", "pipe", "inherit"] });
    await once(recording.stdout, "data");
    // Any moment: while it copies, writes, or renames. The last one has certainly written several entries.
    if (run < runs) await delay(Math.random() * 150);
    else await eventually(async () => expect((await idsIn(path)).length).toBeGreaterThan(1));
    const exited = once(recording, "exit");
    recording.kill("SIGKILL");
    expect(await exited).toEqual([null, "SIGKILL"]);
    const ids = await idsIn(path);
    // Some may have been left out because too many waited.
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    counts.push(ids.length);
  }
  expect(Math.max(...counts)).toBeGreaterThan(1);
}, 120_000);
