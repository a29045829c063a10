import { randomBytes } from "node:crypto";

const consonants = "bdfghjklmnprstvz";
const vowels = "aiou";

/**
 * Draws `count` words of 16 bits each, with hyphens between: proquints (Wilkerson, "A Proposal for
 * Proquints", arXiv:0901.4016). Words that can be pronounced are easier to keep in mind than groups of
 * characters, and where consonants and vowels alternate no `l` is read as an `i`. They need no list of words.
 */
export function drawProquints(count: number): string {
  const bytes = randomBytes(2 * count);
  return Array.from({ length: count }, (_, index) => proquint(bytes.readUInt16BE(2 * index))).join("-");
}

/** 16 bits as five letters: a consonant stands for four bits, a vowel for two. */
function proquint(bits: number): string {
  const consonant = (shift: number): string => consonants.charAt((bits >> shift) & 15);
  const vowel = (shift: number): string => vowels.charAt((bits >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}
