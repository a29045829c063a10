import { afterEach, beforeEach, vi } from "vitest";
import { MemoryEngine } from "../src/index.js";
import { engineContract } from "./engine-contract.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

engineContract("the memory of a process", async (times) => {
  const engine = new MemoryEngine(times);
  return {
    connect: async () => engine,
    advance: (ms) => void vi.setSystemTime(Date.now() + ms),
    close: () => engine.close(),
  };
});
