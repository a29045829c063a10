import { afterEach, beforeEach, vi } from "vitest";
import type { EngineTimes } from "../src/engine/engine.js";
import { MemoryEngine } from "../src/index.js";
import type { SharedState } from "./contract/test-cluster.js";
import { engineContract } from "./engine-contract.js";
import { engineModel } from "./engine-model.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

async function inMemory(times: EngineTimes): Promise<SharedState> {
  const engine = new MemoryEngine(times);
  return {
    connect: async () => engine,
    advance: (ms) => void vi.setSystemTime(Date.now() + ms),
    close: () => engine.close(),
  };
}

engineContract("the memory of a process", inMemory, "fake");
engineModel("the memory of a process", inMemory, 300, "fake");
