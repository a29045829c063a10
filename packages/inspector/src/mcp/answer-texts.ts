import { headerValue, isEventStreamType } from "mcp-tunnel-protocol";
import type { Captured } from "../captured.js";
import { maxBodyBytes } from "../limits.js";
import { EventSplitter } from "../sse/splitter.js";
import { bodyText } from "./body-text.js";
import type { Room } from "./room.js";

/** The texts of an answer in which messages may stand. */
export interface AnswerTexts {
  readonly texts: readonly string[];
  /** This is the start of the answer. */
  readonly isCut: boolean;
}

/**
 * The texts of an answer that was not captured event by event: the body, or the data of each event if it is
 * an event stream with a Content-Encoding. Undefined if it cannot be read.
 */
export function answerTexts(
  { response, responseBody }: Captured,
  unpacked?: Room["unpacked"],
): AnswerTexts | undefined {
  if (response === undefined) return undefined;
  const body = bodyText(responseBody, response.headers, unpacked);
  const isStream = isEventStreamType(headerValue(response.headers, "content-type") ?? "");
  if (body === undefined || !isStream) return body && { texts: [body.text], isCut: body.isCut };
  const texts: string[] = [];
  const splitter = new EventSplitter(({ data, isComment }) => {
    if (!isComment) texts.push(data);
  }, maxBodyBytes);
  splitter.push(Buffer.from(body.text));
  return { texts, isCut: body.isCut };
}
