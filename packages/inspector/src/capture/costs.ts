import type { RawHeaders } from "mcp-tunnel-protocol";
import type { CapturedEvent, CapturedMessage } from "../captured.js";

/**
 * Estimates of the memory that things take in V8. They are rather too high than too low: the ring's bound has
 * to hold.
 */

/** An entry with its bodies, its heads and its report, without what is in them. */
export const entryBytes = 1_024;
/** A Buffer with memory of its own, besides that memory. */
export const bufferBytes = 384;
/** A string, besides its characters. */
export const stringBytes = 32;
/** What reads a WebSocket, without what it holds. */
export const readerBytes = 4_096;
/** What splits an event stream, without what it holds. */
export const splitterBytes = 1_024;
/** A slot of an array. */
const slotBytes = 8;
/** An event or a message, without what is in it. */
const itemBytes = 128;

/** Fields of a head or trailers. Their characters take one byte each, as they came (RFC 9110 section 5.5). */
export function fieldsCost(fields: RawHeaders): number {
  let cost = fields.length * (slotBytes + stringBytes);
  for (let i = 0; i < fields.length; i++) cost += (fields[i] as string).length;
  return cost;
}

export function eventCost({ event, id, data }: CapturedEvent): number {
  return itemBytes + textCost(event) + textCost(id ?? "") + textCost(data);
}

export function messageCost({ data }: CapturedMessage): number {
  return itemBytes + bufferBytes + data.length;
}

/** V8 keeps a text in two bytes for each character if one of them needs more than one byte. */
function textCost(text: string): number {
  const isAscii = Buffer.byteLength(text) === text.length;
  return stringBytes + (isAscii ? text.length : 2 * text.length);
}
