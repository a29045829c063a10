import { expect, it } from "vitest";
import { blockBytes, Blocks } from "../src/capture/blocks.js";

function placeOf(block: Buffer): string {
  return `${slabs.indexOf(block.buffer) === -1 ? slabs.push(block.buffer) - 1 : slabs.indexOf(block.buffer)} ${block.byteOffset}`;
}

const slabs: ArrayBufferLike[] = [];

it("gives no block to two bodies", () => {
  const blocks = new Blocks();
  const taken = Array.from({ length: 100 }, () => blocks.take());
  expect(taken.every(({ length }) => length === blockBytes)).toBe(true);
  expect(new Set(taken.map(placeOf)).size).toBe(100);
  for (const block of taken.splice(20, 50)) blocks.give(block);
  taken.push(...Array.from({ length: 80 }, () => blocks.take()));
  expect(new Set(taken.map(placeOf)).size).toBe(130);
});

it("uses memory again, and lets go of what nobody uses for long", () => {
  const blocks = new Blocks();
  const first = Array.from({ length: 64 }, () => blocks.take());
  const memory = new Set(first.map(({ buffer }) => buffer));
  for (const block of first) blocks.give(block);
  expect(memory).toContain(blocks.take().buffer);
  // Downloads have filled the ring, and something else pushes all of them out.
  const many = Array.from({ length: 2_000 }, () => blocks.take());
  const filled = new Set(many.map(({ buffer }) => buffer));
  for (const block of many) blocks.give(block);
  const again = new Set(Array.from({ length: 2_000 }, () => blocks.take().buffer));
  expect([...again].filter((slab) => filled.has(slab)).length).toBeLessThan(20);
});
