import { closeCodes, evictedReason, flag, fromJson, objectOf, text } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import type { ClaimantInfo, ClientIdentity, Verdict } from "../../directory.js";
import { identityOf, identityShape, infoOf, infoShape } from "../../info.js";
import { verdictShape } from "../../verdict.js";
import type { EngineEvent, Entry, NodeInfo } from "../engine.js";

// What the relays write into Redis, and read again. Everything is read with care: other programs, and relays
// of other versions, may write there too. What cannot be read counts as absent.

const nodeShape = objectOf<NodeInfo>({
  id: text(),
  address: text(),
  version: text(),
  domain: text().optional(),
  draining: flag,
});
const eventShape = objectOf<{ name: string; by: ClientIdentity | undefined; pool: string | undefined }>({
  name: text(),
  by: identityShape.optional(),
  pool: text().optional(),
});

/** The verdict for the client of a tunnel whose name another client has taken. */
export const evictedText = verdictText({ code: closeCodes.evicted, reason: evictedReason });

/**
 * An entry as it stands in Redis: the value of a name has one such line for each tunnel. Scripts compare
 * whole lines, so the order of the members is always the same, and they write `info` as they got it.
 */
export function entryLine({ gen, node, moving, info }: Omit<Entry, "name">): string {
  return `${gen} ${node} ${moving ? 1 : 0} ${infoText(info)}`;
}

export function readEntry(name: string, line: string): Entry | undefined {
  const [genText = "", node = "", moving] = line.split(" ", 3);
  const gen = readGen(genText);
  const info = fromJson(infoShape, line.slice(genText.length + node.length + 4));
  if (gen === undefined || node === "" || (moving !== "0" && moving !== "1") || info === undefined) {
    return undefined;
  }
  return { name, node, gen, info: infoOf(info), moving: moving === "1" };
}

export function infoText(info: ClaimantInfo): string {
  return JSON.stringify(infoOf(info));
}

/** A generation, exactly. `undefined` for what is none, or too great to be exact. */
export function readGen(digits: string): number | undefined {
  const gen = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(gen) ? gen : undefined;
}

export function nodeText({ id, address, version, domain, draining }: NodeInfo): string {
  return JSON.stringify({ id, address, version, domain, draining });
}

export function readNode(json: string): NodeInfo | undefined {
  return fromJson(nodeShape, json);
}

export function readIdentity(json: string): ClientIdentity | undefined {
  const identity = fromJson(identityShape, json);
  return identity === undefined ? undefined : identityOf(identity);
}

export function verdictText({ code, reason }: Verdict): string {
  return JSON.stringify({ code, reason });
}

export function readVerdict(json: string): Verdict | undefined {
  return fromJson(verdictShape, json);
}

/** An event: `nodes`, or `name`, the generation and JSON. */
export function readEvent(message: string): EngineEvent | undefined {
  if (message === "nodes") return { kind: "nodes" };
  const [kind = "", genText = ""] = message.split(" ", 2);
  const gen = readGen(genText);
  const about = fromJson(eventShape, message.slice(kind.length + genText.length + 2));
  return kind === "name" && gen !== undefined && about !== undefined ? { kind, gen, ...about } : undefined;
}

/** The beginning of a text that cannot be read, for the log. */
export function excerpt(text: string): string {
  return printable(text.slice(0, 80));
}
