import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KeptLine } from "../src/output/kept-line.js";
import { RetryLine } from "../src/render/retry-line.js";

const erase = "\r\u001b[2K";

/** A terminal of so many columns, which takes nothing while it is paused. */
class Terminal {
  readonly written: string[] = [];
  isBehind = false;
  columns = 80;
  readonly kept = new KeptLine(this, () => this.columns);

  write(_fd: number, text: string): void {
    this.written.push(text);
  }

  /** What was written since the last call. */
  take(): string[] {
    return this.written.splice(0);
  }
}

describe("the line below all others", () => {
  it("is replaced in its place, and is drawn anew below each other line", () => {
    const terminal = new Terminal();
    const { kept } = terminal;
    const owner = {};
    expect(kept.above("first")).toBe("first\n");
    kept.keep(owner, "in 2 s");
    kept.keep(owner, "in 1 s");
    kept.keep(owner, "in 1 s");
    expect(terminal.take()).toEqual(["in 2 s", `${erase}in 1 s`]);
    expect(kept.above("GET /")).toBe(`${erase}GET /\nin 1 s`);
    kept.keep(owner, undefined);
    expect(terminal.take()).toEqual([erase]);
    expect(kept.above("GET /")).toBe("GET /\n");
  });

  it("has the newest of several texts, cut where the terminal ends", () => {
    const terminal = new Terminal();
    const { kept } = terminal;
    const [service, relay] = [{}, {}];
    kept.keep(service, "nothing listens");
    kept.keep(relay, "in 2 s");
    kept.keep(relay, undefined);
    expect(terminal.take()).toEqual(["nothing listens", `${erase}in 2 s`, `${erase}nothing listens`]);
    terminal.columns = 8;
    expect(kept.above("")).toBe(`${erase}\nnothing`);
  });

  it("leaves nothing to draw later on a terminal that is paused, and still goes away", () => {
    const terminal = new Terminal();
    const { kept } = terminal;
    const owner = {};
    kept.keep(owner, "in 9 s");
    terminal.isBehind = true;
    for (let left = 8; left > 0; left--) kept.keep(owner, `in ${left} s`);
    expect(terminal.take()).toEqual(["in 9 s"]);
    kept.end();
    expect(terminal.take()).toEqual([erase]);
  });
});

describe("the line of the next attempt", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("counts the seconds down, says when it tries, and goes away", () => {
    const terminal = new Terminal();
    const line = new RetryLine(terminal.kept);
    line.waiting(3, 2_500);
    vi.advanceTimersByTime(2_500);
    line.stop();
    expect(terminal.take().map((text) => text.replace(erase, ""))).toEqual([
      "Trying again in 3 s, attempt 3",
      "Trying again in 2 s, attempt 3",
      "Trying again in 1 s, attempt 3",
      "Trying to reach the relay, attempt 3 ...",
      "",
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not flash for a wait that is over at once", () => {
    const terminal = new Terminal();
    new RetryLine(terminal.kept).waiting(1, 100);
    expect(terminal.take()).toEqual([]);
  });
});
