import { errorResponse } from "../http/answers.js";
import { errorCodes, isRequestId, type Message } from "../message.js";

/** Why a message is not passed to the server: a JSON-RPC error and the status to send it with. */
export interface Refusal {
  readonly httpStatus: number;
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** A header field that does not say what the message says. `body` tells where they disagree. */
export function mismatch(header: string, body: string): Refusal {
  return {
    httpStatus: 400,
    code: errorCodes.headerMismatch,
    message: `Bad Request: the request headers and body disagree: ${body}`,
    data: { mismatch: { header, body } },
  };
}

export function refusalResponse(refusal: Refusal, { value }: Message): Response {
  const { httpStatus, code, message, data } = refusal;
  // A response that was posted has the id of another's request: it is not answered under it.
  const id = typeof value["method"] === "string" && isRequestId(value["id"]) ? value["id"] : null;
  return errorResponse(httpStatus, code, message, { id, data });
}
