import type { Socket } from "node:net";
import {
  anything,
  fromJson,
  listOf,
  number,
  objectOf,
  oneOf,
  type TunnelErrorCode,
} from "mcp-tunnel-protocol";
import type { Engine, EngineEvent } from "../engine.js";

/** What a worker may call of the primary's engine. */
const callNames = [
  "join",
  "renew",
  "leave",
  "nodes",
  "find",
  "claim",
  "release",
  "changed",
  "reconcile",
  "verdict",
  "remember",
  "stick",
  "stuck",
  "read",
  "write",
  "lock",
] as const satisfies readonly (keyof Engine)[];

export type CallName = (typeof callNames)[number];

/** A worker calls a method of the engine. */
export interface Call {
  readonly id: number;
  readonly call: CallName;
  readonly args: readonly unknown[];
}

/** What the primary says: the answer to a call, or an event, which every worker hears. */
export type Said =
  | { readonly id: number; readonly value?: unknown }
  | { readonly id: number; readonly error: { readonly code: TunnelErrorCode; readonly message: string } }
  | { readonly event: EngineEvent };

/**
 * The longest message, in bytes, and how much may wait for a worker that does not read. A worker with 100,000
 * tunnels reconciles with 25 MiB.
 */
export const maxMessageBytes = 33_554_432;

const callShape = objectOf<Call>({ id: number(), call: oneOf(callNames), args: listOf(anything) });

/** The call in a line, or `undefined` if it is none. */
export function readCall(line: string): Call | undefined {
  return fromJson(callShape, line);
}

/** A message as a line. JSON has no line breaks outside of strings, and escapes those within. */
export function lineOf(message: Call | Said): string {
  return `${JSON.stringify(message)}\n`;
}

/** Calls `onLine` for each line that comes, and cuts a connection whose line is too long. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let begun: string[] = [];
  let length = 0;
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = chunk.split("\n");
    const rest = lines.pop() as string;
    for (const line of lines) {
      const whole = begun.length === 0 ? line : [...begun, line].join("");
      begun = [];
      length = 0;
      if (socket.destroyed) return;
      onLine(whole);
    }
    if (rest === "") return;
    begun.push(rest);
    length += rest.length;
    if (length > maxMessageBytes) socket.destroy();
  });
}
