import type { HostLimit } from "../model.js";

/**
 * How long hosts wait for the answer to a call, in milliseconds, and how sure that is. This is the one place
 * where such figures stand: hosts change them without notice.
 */
const hosts: readonly { readonly host: string; readonly limitMs: number; readonly note: string }[] = [
  {
    host: "Claude",
    limitMs: 300_000,
    note: "documented for claude.ai and Claude Desktop; users report 60 s and 240 s as well",
  },
  { host: "ChatGPT", limitMs: 60_000, note: "reported by users, not documented" },
  { host: "Codex", limitMs: 60_000, note: "its default; `tool_timeout_sec` in its settings changes it" },
  {
    host: "MCP's TypeScript SDK",
    limitMs: 60_000,
    note: "the default of a client's request; the program may choose another, or start anew at each progress",
  },
];

/** A duration beside what hosts wait for. */
export function limitsBeside(durationMs: number): HostLimit[] {
  return hosts.map(({ host, limitMs, note }) => ({ host, limitMs, exceeded: durationMs > limitMs, note }));
}

/** The hosts that do not wait so long, in words. Undefined if all do. */
export function overLimits(durationMs: number): string | undefined {
  const over = hosts.filter(({ limitMs }) => durationMs > limitMs);
  if (over.length === 0) return undefined;
  const named = over.map(({ host, limitMs }) => `${host} (${limitMs / 1_000} s)`).join(", ");
  return `It took ${(durationMs / 1_000).toFixed(1)} s, which is longer than these wait: ${named}`;
}
