import type * as library from "oidc-provider";

export type Library = typeof library;

/**
 * Imports oidc-provider, which costs a start 100 ms: only a gate with OAuth pays it.
 *
 * The library says at its import that it wants Node 22. It runs on Node 20, and this package's tests hold it
 * to that. The line would be a riddle on the screen of a person who runs a tunnel. Nothing else is kept back.
 */
export async function loadLibrary(): Promise<Library> {
  const { warn } = console;
  const filtered = (...data: unknown[]): void => {
    if (!String(data[0]).includes("oidc-provider WARNING: Unsupported runtime.")) warn.apply(console, data);
  };
  console.warn = filtered;
  try {
    return await import("oidc-provider");
  } finally {
    // Somebody else may have put a function of his own in its place meanwhile.
    if (console.warn === filtered) console.warn = warn;
  }
}
