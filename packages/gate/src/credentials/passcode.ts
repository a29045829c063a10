import { randomBytes } from "node:crypto";

const consonants = "bdfghjklmnprstvz";
const vowels = "aiou";
const words = 5;

/**
 * Draws a passcode of 80 bits, such as `lusab-babad-gutih-tugad-mubip`: five proquints (Wilkerson, "A
 * Proposal for Proquints", arXiv:0901.4016). People read it in a terminal and type it on a phone. Letters
 * alone need no second keyboard, words that can be pronounced are easier to keep in mind than groups of
 * characters, and where consonants and vowels alternate no `l` is read as an `i`. It needs no list of words.
 */
export function drawPasscode(): string {
  const bytes = randomBytes(2 * words);
  return Array.from({ length: words }, (_, index) => proquint(bytes.readUInt16BE(2 * index))).join("-");
}

/** 16 bits as five letters: a consonant stands for four bits, a vowel for two. */
function proquint(bits: number): string {
  const consonant = (shift: number): string => consonants.charAt((bits >> shift) & 15);
  const vowel = (shift: number): string => vowels.charAt((bits >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
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
