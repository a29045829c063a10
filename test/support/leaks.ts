import { expect } from "vitest";

/** Resources that keep a process alive, or cost it memory: open sockets, servers, timers. */
const counted = new Set(["TCPSocketWrap", "TCPServerWrap", "PipeWrap", "Timeout", "TLSWrap", "ProcessWrap"]);

function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    if (counted.has(name)) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/**
 * Runs `work` and fails if it left sockets, servers or timers open in this process. Handles close over
 * several turns of the event loop, so the check is repeated until nothing is left or `timeoutMs` have passed.
 */
export async function expectNoLeaks(work: () => Promise<void>, timeoutMs = 2_000): Promise<void> {
  const before = activeResources();
  await work();
  const deadline = performance.now() + timeoutMs;
  while (Object.keys(excess(before)).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(excess(before)).toEqual({});
}

function excess(before: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(activeResources())
      .map(([name, count]): [string, number] => [name, count - (before[name] ?? 0)])
      .filter(([, count]) => count > 0),
  );
}
