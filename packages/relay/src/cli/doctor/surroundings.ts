import { readFileSync } from "node:fs";
import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import type { Command } from "commander";
import { trustedRoots } from "../check/certificates.js";
import type { CliOptions } from "../options/options.js";

/** What the doctor asks of the machine that it runs on. */
export interface Surroundings {
  /** Finds the addresses of a name, as Node's `dns.lookup` does. */
  readonly lookup: LookupFunction;
  /** The addresses of this machine's interfaces. */
  readonly ownAddresses: readonly string[];
  /** The certificates of the authorities that are trusted, each as PEM. */
  readonly roots: readonly string[];
  /** Milliseconds since 1970. */
  now(): number;
  /** How many files a process may have open; `undefined` where nothing tells. */
  readonly openFiles: number | undefined;
  /** The number of the user; `undefined` on Windows. */
  readonly userId: number | undefined;
}

/** This machine. */
export function surroundings(): Surroundings {
  return {
    lookup,
    ownAddresses: Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address)),
    roots: trustedRoots(),
    now: Date.now,
    openFiles: openFilesLimit(),
    userId: process.getuid?.(),
  };
}

/** Linux tells it in a file. Node has raised it to what the user may have at most. */
function openFilesLimit(): number | undefined {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}

/** The relay that is examined, and what has been found out about it. */
export interface Subject {
  /** The options, read. */
  readonly command: Command;
  readonly options: CliOptions;
  /** The domain in its usual form. */
  readonly domain: string;
  readonly surroundings: Surroundings;
  /** A label below the domain that nobody has registered. */
  readonly label: string;
  /** A relay answers at the port. */
  isRunning: boolean;
}
