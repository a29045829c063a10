import {
  legible,
  maxMethodBytes,
  maxPathBytes,
  maxRefusalCount,
  maxRefusalKinds,
  refusalCodes,
} from "../refusals.js";
import type { Refusal, RefusalCode, RefusalLimit } from "../refusals.js";
import { Violation } from "./violation.js";

/** The payload of REFUSED (PROTOCOL.md, "Refusals"). */

const stringsOfKind = 6;

/**
 * The refusals as one text with one char per byte. Numbers and texts that the wire does not take are cut or
 * changed to fit.
 */
export function encodeRefusals(refusals: readonly Refusal[]): string {
  return refusals
    .slice(0, maxRefusalKinds)
    .map(({ code, status, count, method, path, limit }) =>
      [
        code,
        status ?? "",
        Math.min(count, maxRefusalCount),
        legible(method, maxMethodBytes),
        legible(path, maxPathBytes),
        limit === undefined ? "" : `${limit.option} ${limit.value} ${limit.unit}`,
      ].join("\n"),
    )
    .join("\n");
}

const codes: ReadonlySet<string> = new Set(refusalCodes);
const legibleText = /^[!-~]*$/;

/** @throws Violation */
export function decodeRefusals(payload: Buffer): Refusal[] {
  const most = maxRefusalKinds * stringsOfKind;
  const strings = payload.toString("latin1").split("\n", most + 1);
  if (strings.length % stringsOfKind !== 0 || strings.length > most) throw malformed();
  const refusals: Refusal[] = [];
  for (let i = 0; i < strings.length; i += stringsOfKind) {
    refusals.push(refusalOf(strings.slice(i, i + stringsOfKind)));
  }
  return refusals;
}

function refusalOf(strings: readonly string[]): Refusal {
  const [code, status, count, method, path, limit] = strings as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const isWellFormed =
    /^([1-9]\d\d)?$/.test(status) &&
    /^[1-9]\d{0,8}$/.test(count) &&
    method.length <= maxMethodBytes &&
    path.length <= maxPathBytes &&
    legibleText.test(method + path);
  if (!isWellFormed) throw malformed();
  return {
    code: codes.has(code) ? (code as RefusalCode) : "other",
    status: status === "" ? undefined : Number(status),
    count: Number(count),
    method,
    path,
    limit: limitOf(limit),
  };
}

function limitOf(text: string): RefusalLimit | undefined {
  const [, option, value, unit] = /^([a-z][a-z-]{0,47}) (\d{1,15}) (bytes|count|ms)$/.exec(text) ?? [];
  if (option === undefined) return undefined;
  return { option, value: Number(value), unit: unit as RefusalLimit["unit"] };
}

function malformed(): Violation {
  return new Violation("malformed REFUSED");
}
