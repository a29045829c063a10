import type { Field } from "../../../src/model.ts";

/** A header on each line. */
export function writeHeaders(headers: readonly Field[]): string {
  return headers.map(([name, value]) => `${name}: ${value}`).join("\n");
}

/** @returns What is wrong, in words, if a line is no header. */
export function readHeaders(text: string): readonly Field[] | string {
  const headers: Field[] = [];
  for (const [place, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    // A token (RFC 9110, 5.6.2).
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      return `Line ${place + 1} of the headers is not "Name: value".`;
    }
    headers.push([name, line.slice(colon + 1).trim()]);
  }
  return headers;
}

/** A text field has lost the carriage returns, which a body of a form with files needs. */
export function withLineEndsOf(first: string, edited: string): string {
  const isCrlf = first.includes("\r\n") && !/(?:^|[^\r])\n/.test(first);
  return isCrlf ? edited.replaceAll(/\r?\n/g, "\r\n") : edited;
}
