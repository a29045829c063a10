import { drawProquints } from "../proquints.js";

/**
 * Draws a passcode of 80 bits, such as `lusab-babad-gutih-tugad-mubip`. People read it in a terminal and type
 * it on a phone. Letters alone need no second keyboard.
 */
export function drawPasscode(): string {
  return drawProquints(5);
}

/**
 * What counts of a passcode that somebody has typed. Case, spaces and hyphens do not: keyboards of phones
 * begin with a capital letter, and make dashes of hyphens.
 */
export function normalPasscode(typed: string): string {
  return typed
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[\s\p{Pd}]/gu, "");
}
