import { PerformanceObserver } from "node:perf_hooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Heap, ownHeap, tendHeap } from "../src/cli/commands/heap.js";

const MiB = 1_048_576;

/** A process whose figures a test sets. */
class TestHeap implements Heap {
  used = 20 * MiB;
  young = 32 * MiB;
  cpu = 5_000_000;
  readonly growth: number[] = [];
  shrunk = 0;

  usedBytes(): number {
    return this.used;
  }

  youngBytes(): number {
    return this.young;
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
  const busyMicros = 1_000_000;
  let heap: TestHeap;
  let timer: NodeJS.Timeout;

  const looks = (count: number, cpuMicros: number): void => {
    for (let i = 0; i < count; i++) {
      heap.cpu += cpuMicros;
      vi.advanceTimersByTime(lookMs);
    }
  };

  beforeEach(() => {
    vi.useFakeTimers();
    heap = new TestHeap();
    timer = tendHeap(heap);
  });

  afterEach(() => {
    clearInterval(timer);
    vi.useRealTimers();
  });

  it("shrinks it twice when the process has been quiet for half a minute", () => {
    looks(2, 900_000);
    expect(heap.shrunk).toBe(0);
    looks(1, 900_000);
    expect(heap.shrunk).toBe(1);
    looks(50, 900_000);
    expect(heap.shrunk).toBe(2);
  });

  it("leaves it to V8 while the process works, and between two bursts", () => {
    looks(5, busyMicros);
    looks(2, 0);
    looks(1, busyMicros);
    looks(2, 0);
    expect(heap.shrunk).toBe(0);
    looks(1, 0);
    expect(heap.shrunk).toBe(1);
  });

  it("starts again after a burst", () => {
    looks(10, 0);
    looks(1, busyMicros);
    looks(10, 0);
    expect(heap.shrunk).toBe(4);
  });

  it("looks at one that stays quiet every ten minutes", () => {
    looks(10, 0);
    heap.young = MiB;
    looks(60, 0);
    expect(heap.shrunk).toBe(2);
    heap.young = 8 * MiB;
    looks(60, 0);
    expect(heap.shrunk).toBe(4);
  });

  it("does not stop the process for a large heap", () => {
    heap.used = 200 * MiB;
    looks(10, 0);
    expect(heap.shrunk).toBe(0);
  });

  it("lets a small heap grow to four times its size, and a large one as V8 thinks best", () => {
    expect(heap.growth).toEqual([300]);
    looks(1, 0);
    heap.used = 32 * MiB;
    looks(1, 0);
    heap.used = 31 * MiB;
    looks(1, 0);
    expect(heap.growth).toEqual([300, 300, 0, 300]);
  });
});

describe("ownHeap", () => {
  it("reads and shrinks V8's heap", () => {
    const heap = ownHeap();
    expect(heap.usedBytes()).toBeGreaterThan(MiB);
    expect(heap.youngBytes()).toBeGreaterThan(0);
    expect(heap.cpuMicros()).toBeGreaterThan(0);
    return new Promise<void>((resolve) => {
      const observer = new PerformanceObserver(() => {
        observer.disconnect();
        resolve();
      });
      observer.observe({ entryTypes: ["gc"] });
      heap.shrink();
    });
  });
});
