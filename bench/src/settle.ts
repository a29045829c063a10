import { setTimeout as delay } from "node:timers/promises";

const settleMs = 1_000;

/**
 * The pause before a load changes. The systems that had one before close connections, collect garbage and
 * answer late timers in it, and not in the turn of another.
 */
export async function settle(): Promise<void> {
  await delay(settleMs);
}
