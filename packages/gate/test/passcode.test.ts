import { expect, it } from "vitest";
import { drawPasscode, normalPasscode } from "../src/credentials/passcode.js";

it("draws five words of five letters, with 80 bits of chance", () => {
  const drawn = Array.from({ length: 2_000 }, drawPasscode);
  for (const passcode of drawn) {
    expect(passcode).toMatch(
      /^(?:[bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz](?:-|$)){5}$/,
    );
  }
  expect(new Set(drawn).size).toBe(drawn.length);
  // Each of its places takes every letter that it can: 15 consonants of four bits, 10 vowels of two.
  const letters = drawn.map((passcode) => normalPasscode(passcode));
  const counts = Array.from({ length: 25 }, (_, place) => new Set(letters.map((text) => text[place])).size);
  const bits = counts.reduce((sum, count) => sum + Math.log2(count), 0);
  expect(bits).toBe(80);
});

it("reads a passcode as people type it", () => {
  expect(normalPasscode(" Lusab\tBABAD—gutih‑tugad\u00a0mubip\n")).toBe("lusabbabadgutihtugadmubip");
});
