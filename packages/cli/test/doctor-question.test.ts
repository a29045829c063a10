import { expect, it } from "vitest";
import { initializeQuestion } from "../src/doctor/mcp.js";
import { AnswerReader } from "../src/doctor/question.js";

const stream = { status: 200, headers: { "content-type": "text/event-stream" } };

it("an answer in an event stream is enough, in whatever pieces it comes", () => {
  const reader = new AnswerReader(initializeQuestion("/mcp"));
  expect(reader.begin(stream)).toBe(false);
  const event = 'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{"name":"Grüße"}}\r\n\r\n';
  const pieces = [...Buffer.from(`: hello\n\ndata: {}\n\n${event}`)].map((byte) => Buffer.of(byte));
  const last = pieces.findIndex((piece) => reader.take(piece));
  expect(reader.answer?.body.toString()).toContain("Grüße");
  expect(pieces.length - 1 - last).toBeLessThanOrEqual(1);
});

/**
 * The attack: the relay names the public URL, and whoever is there sends a mebibyte in pieces of one byte.
 * When all that had come was looked at with each piece, the doctor could not be ended for minutes, not even
 * by Ctrl-C.
 */
it("an endless answer in small pieces costs no more than one in large pieces", () => {
  const reader = new AnswerReader(initializeQuestion("/mcp"));
  reader.begin(stream);
  const bytes = Buffer.from(`${"\n".repeat(100_000)}data: ${"x".repeat(100_000)}`);
  for (const byte of bytes) if (reader.take(Buffer.of(byte))) throw new Error("nothing was answered");
  expect(reader.answer?.body.length).toBe(200_006);
});
