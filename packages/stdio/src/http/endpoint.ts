import { isObject } from "mcp-tunnel-shared";
import { errorCodes, isMessageValue, isRequestId, onOneLine, type Message } from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";
import { messagesOfBatch } from "../batch.js";
import { endpointPage, isBrowser } from "../browser-pages.js";
import { namesEventStream } from "./accept.js";
import { errorResponse, invalidRequest } from "./answers.js";
import { BodyReader, noJson, refuse } from "./body.js";

/** Messages in one batch, as many as MCP's SDKs take. */
const maxBatchMessages = 100;

/** What answers the requests whose form is right. */
export interface EndpointHandler {
  /**
   * `isBatch`: they came as an array (revision 2025-03-26), and so may be one. There is always at least one.
   */
  post(request: Request, messages: readonly Message[], isBatch: boolean): Promise<Response>;
  get(request: Request): Promise<Response>;
  delete(request: Request): Promise<Response>;
}

/**
 * The endpoint of MCP's Streamable HTTP, as far as all revisions agree: the method, the Content-Type, the
 * length, the JSON and its shape. The statuses and texts are those of MCP's SDKs, because hosts read them.
 */
export class Endpoint {
  readonly #bodies: BodyReader;
  readonly #handler: EndpointHandler;

  constructor(
    options: Pick<ResolvedStdioOptions, "maxMessageBytes" | "maxReceivingBytes">,
    handler: EndpointHandler,
  ) {
    this.#bodies = new BodyReader(options);
    this.#handler = handler;
  }

  async fetch(request: Request): Promise<Response> {
    switch (request.method) {
      case "POST":
        if (isJson(request.headers.get("Content-Type"))) {
          return this.#bodies.read(request, (text) => this.#post(request, text));
        }
        return refuse(
          request,
          errorResponse(
            415,
            errorCodes.badRequest,
            "Unsupported Media Type: Content-Type must be application/json",
          ),
        );
      case "GET":
        if (isBrowser(request) && !namesEventStream(request)) return endpointPage(request);
        return this.#handler.get(request);
      case "DELETE":
        return refuse(request, await this.#handler.delete(request));
      default:
        return refuse(request, methodNotAllowed("GET, POST, DELETE"));
    }
  }

  #post(request: Request, text: string): Promise<Response> {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return Promise.resolve(noJson());
    }
    const messages = Array.isArray(value) ? readBatch(text, value) : readOne(text, value);
    return messages instanceof Response
      ? Promise.resolve(messages)
      : this.#handler.post(request, messages, Array.isArray(value));
  }
}

/** `allow`: the methods that the endpoint takes (RFC 9110 section 15.5.6). */
export function methodNotAllowed(allow: string): Response {
  return errorResponse(405, errorCodes.badRequest, "Method not allowed.", { headers: { Allow: allow } });
}

function readOne(text: string, value: unknown): readonly Message[] | Response {
  if (isMessageValue(value)) return [{ text: onOneLine(text), value }];
  const id = isObject(value) && isRequestId(value["id"]) ? value["id"] : null;
  return invalidRequest("not a JSON-RPC message", id);
}

function readBatch(text: string, values: readonly unknown[]): readonly Message[] | Response {
  if (values.length === 0) return invalidRequest("the batch is empty");
  if (values.length > maxBatchMessages)
    return invalidRequest(`Batch must not exceed ${maxBatchMessages} messages`);
  return messagesOfBatch(text, values) ?? invalidRequest("not a batch of JSON-RPC messages");
}

/**
 * Parameters are allowed, and not looked at: `charset=utf-8` is usual, and JSON is UTF-8 whatever they say.
 */
function isJson(contentType: string | null): boolean {
  return contentType?.split(";", 1)[0]!.trim().toLowerCase() === "application/json";
}
