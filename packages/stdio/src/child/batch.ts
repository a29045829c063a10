import { parseMessage, type Message } from "../message.js";

/**
 * The messages of a line: one, or those of a batch (MCP 2025-03-26, "Transports": stdio; no other revision has
 * it). Each message of a batch keeps its own text. `undefined` if any part of the line is no message.
 */
export function messagesOf(line: string): Message[] | undefined {
  if (!line.trimStart().startsWith("[")) {
    const message = parseMessage(line);
    return message === undefined ? undefined : [message];
  }
  const messages: Message[] = [];
  for (const text of elementsOf(line) ?? []) {
    const message = parseMessage(text.trim());
    if (message === undefined) return undefined;
    messages.push(message);
  }
  return messages.length === 0 ? undefined : messages;
}

/** The texts of the elements of a JSON array. `undefined` if the text is no JSON. */
function elementsOf(text: string): string[] | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const elements: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === "[" || character === "{") {
      depth += 1;
      if (depth === 1) start = at + 1;
    } else if (character === "]" || character === "}") {
      depth -= 1;
      if (depth === 0) elements.push(text.slice(start, at));
    } else if (character === "," && depth === 1) {
      elements.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return elements;
}

/** The place of the closing quotation mark of a string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
