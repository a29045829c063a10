import { messagesOfBatch } from "../batch.js";
import { parseMessage, type Message } from "../message.js";

/**
 * The messages of a line: one, or those of a batch (MCP 2025-03-26, "Transports": stdio). `undefined` if the
 * line is no message.
 */
export function messagesOf(line: string): Message[] | undefined {
  if (!line.trimStart().startsWith("[")) {
    const message = parseMessage(line);
    return message === undefined ? undefined : [message];
  }
  try {
    return messagesOfBatch(line, JSON.parse(line) as unknown[]);
  } catch {
    return undefined;
  }
}
