import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamTable } from "../src/v1/stream-table.js";
import type { V1Stream } from "../src/v1/stream.js";

/** The properties of a stream that the table uses. */
const streamOf = (id: number): V1Stream => ({ id, next: undefined }) as unknown as V1Stream;

describe("the table of streams", () => {
  it("holds what a Map would", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("add", "delete"), fc.integer({ min: 1, max: 200 })), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(steps, (moves) => {
        const table = new StreamTable();
        const map = new Map<number, V1Stream>();
        for (const [move, id] of moves) {
          const known = map.get(id);
          if (move === "add" && known === undefined) {
            const stream = streamOf(id);
            table.add(stream);
            map.set(id, stream);
          } else if (move === "delete") {
            table.delete(known ?? streamOf(id));
            map.delete(id);
          }
          expect(table.size).toBe(map.size);
          expect(table.get(id)).toBe(map.get(id));
        }
        expect(new Set(table.toArray())).toEqual(new Set(map.values()));
      }),
    );
  });

  it("finds all of thousands, up to the largest id, and is empty again afterwards", () => {
    const table = new StreamTable();
    const streams = Array.from({ length: 5_000 }, (_, at) => streamOf(0xffff_ffff - 3 * at));
    for (const stream of streams) table.add(stream);
    for (const stream of streams) expect(table.get(stream.id)).toBe(stream);
    for (const stream of streams) table.delete(stream);
    expect(table.size).toBe(0);
    expect(table.toArray()).toEqual([]);
    expect(streams.every(({ next }) => next === undefined)).toBe(true);
  });
});
