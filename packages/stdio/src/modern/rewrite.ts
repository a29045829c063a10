import { detached, splice, type JsonEdit } from "mcp-tunnel-shared";
import {
  cancelledOf,
  isResponse,
  metaOf,
  progressOf,
  type Message,
  type RequestMessage,
} from "../message.js";
import { subscriptionIdKey } from "./meta-keys.js";

/** What a visitor calls a request, as JSON text. */
export interface VisitorNames {
  readonly id: string;
  /** `undefined`: the visitor wants to hear of no progress. */
  readonly progressToken: string | undefined;
}

const idPath = ["id"];
const tokenPath = ["params", "_meta", "progressToken"];

/**
 * The text of a request for the server: `number` takes the place of the visitor's id and progress token,
 * because visitors who share a process may choose the same ones. Its answer to `subscriptions/listen` names
 * the subscription by the id of the request, so that the number names it as well.
 */
export function toServer({ text }: RequestMessage, number: number): { text: string; names: VisitorNames } {
  const to = String(number);
  const { text: rewritten, found } = splice(text, [
    { path: idPath, to },
    { path: tokenPath, to },
  ]);
  const [id = "null", progressToken] = found.map((name) => (name === undefined ? undefined : detached(name)));
  return { text: rewritten, names: { id, progressToken } };
}

/** The text of a server's message for the visitor whose request has the number. */
export function toVisitor(message: Message, number: number, { id, progressToken }: VisitorNames): string {
  const edits: JsonEdit[] = [];
  if (isResponse(message)) {
    edits.push({ path: idPath, from: number, to: id });
    edits.push({ path: ["result", "_meta", subscriptionIdKey], from: number, to: id });
  } else {
    edits.push({ path: ["params", "_meta", subscriptionIdKey], from: number, to: id });
    if (cancelledOf(message) === number) edits.push({ path: ["params", "requestId"], from: number, to: id });
    if (progressOf(message) === number && progressToken !== undefined)
      edits.push({ path: ["params", "progressToken"], from: number, to: progressToken });
  }
  return splice(message.text, edits).text;
}

/** The subscription that a notification belongs to. */
export function subscriptionOf(notification: Message): unknown {
  return metaOf(notification)?.[subscriptionIdKey];
}
