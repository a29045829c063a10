import { request as sendRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { AnswerReader, fieldsOf } from "./question.js";
import type { Answer, Ask, Question } from "./question.js";
import { placeOf } from "./way.js";
import type { Way } from "./way.js";
import { version } from "../version.js";

/** Asks what is at a URL, on a connection of its own for each question. A path of `base` comes first. */
export function askAt(base: URL, way: Way): Ask {
  return async (question, signal) => {
    const response = await openAnswer(base, way, question, signal);
    return readAnswer(response, question);
  };
}

/** Sends a request, and resolves with the head of the answer. `signal` cuts the connection, also later. */
export async function openAnswer(
  base: URL,
  way: Way,
  { method, path, headers = {}, body }: Question,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const socket = await way.open(placeOf(base), signal);
  return new Promise((resolve, reject) => {
    const request = sendRequest({
      createConnection: () => socket,
      method,
      path,
      headers: {
        host: base.host,
        "user-agent": `mcp-tunnel-client-doctor/${version}`,
        ...(body === undefined ? {} : { "content-length": body.length }),
        ...headers,
      },
      signal,
    });
    request.once("response", resolve);
    // A server that does not want a body answers and cuts. The answer says more than the error.
    request.on("error", reject);
    request.end(body);
  });
}

function readAnswer(response: IncomingMessage, question: Question): Promise<Answer> {
  const reader = new AnswerReader(question);
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      response.destroy();
      resolve(reader.answer as Answer);
    };
    response.on("error", reject);
    response.on("data", (chunk: Buffer) => {
      if (reader.take(chunk)) finish();
    });
    response.once("end", finish);
    if (reader.begin({ status: response.statusCode ?? 0, headers: fieldsOf(response.rawHeaders) })) finish();
  });
}
