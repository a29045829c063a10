import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LineOutput, type LineOutputOptions } from "../src/command/index.js";

type Done = (error: Error | null, written: number) => void;

/** A write in the kernel, which a test answers. */
interface Write {
  readonly fd: number;
  readonly bytes: Buffer;
  /** All bytes are written, or this many. */
  take(bytes?: number): void;
  fail(code: string): void;
}

const kernel = vi.hoisted(() => ({
  writes: [] as unknown[],
  rest: [] as string[],
}));

vi.mock("node:fs", () => ({
  write(fd: number, bytes: Buffer, done: Done) {
    kernel.writes.push({
      fd,
      bytes,
      take: (count = bytes.length) => done(null, count),
      fail: (code: string) => done(Object.assign(new Error(code), { code }), 0),
    });
  },
  writeSync(_fd: number, text: string) {
    kernel.rest.push(text);
  },
}));

/** The write that is in the kernel now. */
function nextWrite(): Write {
  expect(kernel.writes).toHaveLength(1);
  return kernel.writes.shift() as Write;
}

const gatherMs = 20;
let onExit: () => void;
let lost: number[];

function open(options: Partial<LineOutputOptions> = {}): LineOutput {
  lost = [];
  vi.spyOn(process, "on").mockImplementationOnce((_name, listener) => {
    onExit = listener as () => void;
    return process;
  });
  return new LineOutput({
    gatherMs,
    maxWaitingLength: 1_000,
    onLost: (lines) => lost.push(lines),
    ...options,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  kernel.writes.length = 0;
  kernel.rest.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("lines", () => {
  it("gather for a moment, and go out in their order", () => {
    const output = open();
    for (const [fd, line] of [
      [1, "a\n"],
      [1, "b\n"],
      [2, "c\n"],
      [1, "d\n"],
    ] as const) {
      output.write(fd, line);
    }
    vi.advanceTimersByTime(gatherMs - 1);
    expect(kernel.writes).toEqual([]);
    vi.advanceTimersByTime(1);
    const order = [nextWrite()];
    for (const _ of [1, 2]) {
      order.at(-1)?.take();
      order.push(nextWrite());
    }
    expect(order.map(({ fd, bytes }) => [fd, bytes.toString()])).toEqual([
      [1, "a\nb\n"],
      [2, "c\n"],
      [1, "d\n"],
    ]);
  });

  it("that come during a write gather anew", () => {
    const output = open();
    output.write(1, "a\n");
    vi.advanceTimersByTime(gatherMs);
    const first = nextWrite();
    output.write(1, "b\n");
    first.take();
    expect(kernel.writes).toEqual([]);
    vi.advanceTimersByTime(gatherMs);
    expect(nextWrite().bytes.toString()).toBe("b\n");
  });

  it("go out at once when there are many", () => {
    const output = open({ maxWaitingLength: 1_000_000 });
    output.write(1, "x".repeat(65_536));
    output.write(1, "y".repeat(65_536));
    const first = nextWrite();
    expect(first.bytes).toHaveLength(65_536);
    first.take();
    expect(nextWrite().bytes.toString("utf8", 0, 1)).toBe("y");
  });

  it("go on where a write has ended", () => {
    const output = open();
    output.write(1, "é1234\n");
    vi.advanceTimersByTime(gatherMs);
    nextWrite().take(1);
    const rest = nextWrite();
    expect(rest.bytes).toEqual(Buffer.from("é1234\n").subarray(1));
    rest.fail("EAGAIN");
    expect(kernel.writes).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(nextWrite().bytes).toEqual(rest.bytes);
  });

  it("beyond the limit are lost, and are reported when there is room again", () => {
    const output = open();
    for (let i = 0; i < 12; i++) output.write(1, `${"x".repeat(99)}\n`);
    vi.advanceTimersByTime(gatherMs);
    const write = nextWrite();
    expect(write.bytes).toHaveLength(1_000);
    // The bytes in the kernel have not been read.
    output.write(1, "too much\n");
    expect(lost).toEqual([]);
    write.take();
    expect(lost).toEqual([3]);
  });

  it("are written at the exit of a process that did not wait for them", () => {
    const output = open();
    output.write(1, "a\n");
    output.write(2, "b\n");
    onExit();
    expect(kernel.rest).toEqual(["a\n", "b\n"]);
  });
});

describe("a write that fails", () => {
  it("is tried again", () => {
    const output = open();
    output.write(1, "a\n");
    vi.advanceTimersByTime(gatherMs);
    nextWrite().fail("ENOSPC");
    vi.advanceTimersByTime(100);
    expect(nextWrite().bytes.toString()).toBe("a\n");
  });

  it("is reported once and not tried again, if there is a callback for it", () => {
    const failures: (string | undefined)[] = [];
    const output = open({
      onFailed(fd, { code }) {
        failures.push(code);
        if (fd === 1) output.write(2, "lines are lost\n");
      },
    });
    output.write(1, "a\n");
    vi.advanceTimersByTime(gatherMs);
    nextWrite().fail("EPIPE");
    expect(failures).toEqual(["EPIPE"]);
    vi.advanceTimersByTime(gatherMs);
    nextWrite().take();
    for (const code of ["EPIPE", undefined, "ENOSPC"]) {
      output.write(1, "b\n");
      vi.advanceTimersByTime(gatherMs);
      const write = nextWrite();
      if (code === undefined) write.take();
      else write.fail(code);
    }
    expect(failures).toEqual(["EPIPE", "ENOSPC"]);
  });
});

describe("the end", () => {
  it("waits for nothing when nothing waits", async () => {
    expect(await open().flush()).toBe(false);
  });

  it("writes what has gathered, without waiting for more", async () => {
    const output = open();
    output.write(1, "a\n");
    output.write(2, "b\n");
    const ended = output.flush();
    nextWrite().take();
    nextWrite().take();
    expect(await ended).toBe(false);
  });

  it("tries once more what could not be written, and leaves it then", async () => {
    const output = open();
    output.write(1, "a\n");
    output.write(2, "b\n");
    vi.advanceTimersByTime(gatherMs);
    nextWrite().fail("ENOSPC");
    const ended = output.flush();
    nextWrite().fail("ENOSPC");
    nextWrite().take();
    expect(await ended).toBe(false);
  });

  it("does not wait long for a pipe that stays full", async () => {
    const output = open();
    output.write(1, "a\n");
    const ended = output.flush();
    for (let i = 0; i < 10; i++) {
      nextWrite().fail("EAGAIN");
      vi.advanceTimersByTime(100);
    }
    // The last try and the end came at the same moment.
    expect(await ended).toBe(false);
    onExit();
    expect(kernel.rest).toEqual([]);
  });

  it("is not kept by a try of a full pipe that is just going on: the kernel answers it at once", async () => {
    const output = open();
    output.write(1, "a\n");
    const ended = output.flush();
    nextWrite().fail("EAGAIN");
    // The next try goes to another thread, which a busy machine runs late.
    vi.advanceTimersByTime(1_000);
    expect(kernel.writes).toHaveLength(1);
    expect(await ended).toBe(false);
  });

  it("says that a write still waits in the kernel", async () => {
    const output = open();
    output.write(1, "a\n");
    output.write(2, "b\n");
    const ended = output.flush();
    vi.advanceTimersByTime(1_000);
    expect(await ended).toBe(true);
    onExit();
    expect(kernel.rest).toEqual([]);
  });

  it("of the process has its status, or comes by a signal when a write keeps it", async () => {
    const kill = vi.spyOn(process, "kill").mockReturnValue(true);
    vi.spyOn(process, "removeAllListeners").mockReturnValue(process);
    vi.spyOn(process, "exit").mockImplementation((status) => {
      throw new Error(`exit ${status}`);
    });
    await expect(open().exit(3)).rejects.toThrow("exit 3");
    expect(kill).not.toHaveBeenCalled();
    const output = open();
    output.write(1, "a\n");
    const ended = output.exit(3);
    vi.advanceTimersByTime(1_000);
    await ended;
    expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, "SIGTERM");
  });
});

describe("a console of Windows", () => {
  it("gets what is not plain ASCII by Node's stream, in its place among the lines", () => {
    const toStream: string[] = [];
    const stream = new Writable({
      write(bytes: Buffer, _encoding, done) {
        toStream.push(bytes.toString());
        done();
      },
    });
    const output = open({ streamFor: (fd) => (fd === 1 ? stream : undefined) });
    output.write(1, "plain\n");
    output.write(2, "b\u00e9\n");
    output.write(1, "\u2588\u2580\n");
    vi.advanceTimersByTime(gatherMs);
    const first = nextWrite();
    expect(first.bytes.toString()).toBe("plain\n");
    first.take();
    const second = nextWrite();
    expect([second.fd, second.bytes.toString()]).toEqual([2, "b\u00e9\n"]);
    expect(toStream).toEqual([]);
    second.take();
    expect(toStream).toEqual(["\u2588\u2580\n"]);
    expect(kernel.writes).toEqual([]);
  });

  it("tells by its stream, too, that it cannot be written", async () => {
    const failures: unknown[] = [];
    const stream = new Writable({ write: (_bytes, _encoding, done) => done(new Error("gone")) });
    stream.on("error", () => {});
    const output = open({
      streamFor: () => stream,
      onFailed: (fd, { message }) => failures.push([fd, message]),
    });
    output.write(1, "\u2588\n");
    expect(await output.flush()).toBe(false);
    expect(failures).toEqual([[1, "gone"]]);
  });
});
