import type { HeapProfiler } from "node:inspector";

/** A function, and what was allocated in it. Functions that V8 has inlined count for their caller. */
export interface Place {
  /** `send ws/lib/sender.js:320` */
  readonly name: string;
  readonly bytes: number;
}

/** The functions of a profile, from the one that allocates most. */
export function placesOf(profile: HeapProfiler.SamplingHeapProfile): Place[] {
  const bytes = new Map<string, number>();
  const rest = [profile.head];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    const name = nameOf(node);
    bytes.set(name, (bytes.get(name) ?? 0) + node.selfSize);
    rest.push(...node.children);
  }
  return [...bytes].map(([name, of]) => ({ name, bytes: of })).toSorted((a, b) => b.bytes - a.bytes);
}

function nameOf({
  callFrame: { functionName, url, lineNumber },
}: HeapProfiler.SamplingHeapProfileNode): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  // The last folders tell packages apart, and nothing of this machine.
  const file = url.startsWith("node:") ? url : url.split("/").slice(-4).join("/");
  return `${name} ${file}:${lineNumber + 1}`;
}
