import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Heap, tendHeap } from "../src/cli/heap.js";

const MiB = 1_048_576;

/** A process whose figures a test sets. */
class TestHeap implements Heap {
  used = 20 * MiB;
  young = 32 * MiB;
  resident = 90 * MiB;
  cpu = 5_000_000;
  readonly growth: number[] = [];
  shrunk = 0;

  usedBytes(): number {
    return this.used;
  }

  youngBytes(): number {
    return this.young;
  }

  residentBytes(): number {
    return this.resident;
  }

  cpuMicros(): number {
    return this.cpu;
  }

  setGrowth(percent: number): void {
    this.growth.push(percent);
  }

  shrink(): void {
    this.shrunk += 1;
  }
}

describe("tendHeap", () => {
  const lookMs = 10_000;
  let heap: TestHeap;
  let timer: NodeJS.Timeout;

  beforeEach(() => {
    vi.useFakeTimers();
    heap = new TestHeap();
    timer = tendHeap(heap);
  });

  afterEach(() => {
    clearInterval(timer);
    vi.useRealTimers();
  });

  it("shrinks it when the process has been quiet for half a minute, until the space for new objects is small", () => {
    heap.cpu += 900_000;
    vi.advanceTimersByTime(2 * lookMs);
    expect(heap.shrunk).toBe(0);
    vi.advanceTimersByTime(lookMs);
    expect(heap.shrunk).toBe(1);
    vi.advanceTimersByTime(lookMs);
    expect(heap.shrunk).toBe(2);
    heap.young = MiB;
    vi.advanceTimersByTime(10 * lookMs);
    expect(heap.shrunk).toBe(2);
  });

  it("leaves it to V8 while the process works, and between two bursts", () => {
    for (let i = 0; i < 5; i++) {
      heap.cpu += 1_000_000;
      vi.advanceTimersByTime(lookMs);
    }
    vi.advanceTimersByTime(2 * lookMs);
    heap.cpu += 1_000_000;
    vi.advanceTimersByTime(lookMs);
    expect(heap.shrunk).toBe(0);
    vi.advanceTimersByTime(3 * lookMs);
    expect(heap.shrunk).toBe(1);
  });

  it("shrinks it once when what was free has only been kept for later, and again when there is more", () => {
    heap.young = MiB;
    vi.advanceTimersByTime(10 * lookMs);
    expect(heap.shrunk).toBe(0);
    heap.resident += 40 * MiB;
    vi.advanceTimersByTime(lookMs);
    expect(heap.shrunk).toBe(1);
    heap.resident -= 5 * MiB;
    vi.advanceTimersByTime(10 * lookMs);
    expect(heap.shrunk).toBe(1);
    heap.resident += 5 * MiB;
    vi.advanceTimersByTime(lookMs);
    expect(heap.shrunk).toBe(2);
  });

  it("lets a small heap grow to four times its size, and a large one as V8 thinks best", () => {
    expect(heap.growth).toEqual([300]);
    vi.advanceTimersByTime(lookMs);
    heap.used = 32 * MiB;
    vi.advanceTimersByTime(lookMs);
    heap.used = 31 * MiB;
    vi.advanceTimersByTime(lookMs);
    expect(heap.growth).toEqual([300, 300, 0, 300]);
  });

  it("finds V8's own way to do all of it", () => {
    clearInterval(timer);
    vi.useRealTimers();
    expect(() => (timer = tendHeap())).not.toThrow();
  });
});
