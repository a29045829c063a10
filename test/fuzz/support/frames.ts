import { frame } from "../../../packages/protocol/test/support/wire.js";
import type { FrameMove } from "./arbitraries.js";

/**
 * The bytes of a frame of a plan. A negative stream is one of those in `known`, counted from the newest (-1).
 * If none is known, and for any other number, the stream is the number itself.
 */
export function frameBytes(
  { frame: [type, stream, payload, length] }: FrameMove,
  known: readonly number[],
): Buffer {
  const id = stream < 0 ? (known.at(Math.max(stream, -known.length)) ?? -stream) : stream;
  const content = typeof payload === "number" ? Buffer.alloc(payload) : Buffer.from(payload, "latin1");
  return frame(type, id, content, length);
}
