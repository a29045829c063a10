import { describe, expect, it } from "vitest";
import { frameTypes } from "../src/v1/frame.js";
import { Outbox } from "../src/v1/outbox.js";

/** Sends frames of 1,000 bytes, and returns how long the slabs are in which they lie. */
function slabsOf(outbox: Outbox, frames: number): number[] {
  const lengths: number[] = [];
  for (let i = 0; i < frames; i++) {
    outbox.bytes(frameTypes.data, 1, Buffer.alloc(1_000));
    for (const message of outbox.take()) lengths.push(message.buffer.byteLength);
  }
  return lengths;
}

const acknowledgeAll = (outbox: Outbox): void =>
  outbox.acknowledge(outbox.acknowledged + outbox.unacknowledgedBytes);

describe("the memory in which small frames lie", () => {
  it("stays small while a tunnel is seldom used, and grows with a burst", () => {
    const outbox = new Outbox();
    for (let i = 0; i < 5; i++) {
      expect(slabsOf(outbox, 1)).toEqual([2_048]);
      acknowledgeAll(outbox);
    }
    const lengths = slabsOf(outbox, 100);
    expect([...new Set(lengths)]).toEqual([2_048, 4_096, 8_192, 16_384, 32_768]);
  });

  it("shrinks again, step by step, when a session falls quiet", () => {
    const outbox = new Outbox();
    slabsOf(outbox, 100);
    const lengths = Array.from({ length: 6 }, () => {
      acknowledgeAll(outbox);
      return slabsOf(outbox, 1)[0];
    });
    expect(lengths).toEqual([16_384, 8_192, 4_096, 2_048, 2_048, 2_048]);
  });

  it("is as long as a frame that does not fit", () => {
    const outbox = new Outbox();
    outbox.bytes(frameTypes.data, 1, Buffer.alloc(4_096));
    expect(outbox.take()[0]?.buffer.byteLength).toBe(4_096 + 8);
  });
});
