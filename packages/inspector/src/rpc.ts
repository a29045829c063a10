/** What the inspector reads of a JSON-RPC message. Anything may stand where it is not expected. */
export interface RpcMessage {
  readonly kind: "request" | "notification" | "result" | "error";
  readonly method: string | undefined;
  readonly id: string | number | null | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly error: { readonly code: number | undefined; readonly message: string } | undefined;
}

/** The messages in a text: one, those of a batch, or none if it is not JSON-RPC. */
export function readMessages(text: string): RpcMessage[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.map(readMessage).filter((message) => message !== undefined);
}

function readMessage(value: unknown): RpcMessage | undefined {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined;
  const { id: givenId, method: givenMethod, params, result, error } = value;
  const id =
    typeof givenId === "string" || typeof givenId === "number" || givenId === null ? givenId : undefined;
  const method = typeof givenMethod === "string" ? givenMethod : undefined;
  const read = { method, id, params: isObject(params) ? params : {}, result: undefined, error: undefined };
  if (method !== undefined) return { ...read, kind: id == null ? "notification" : "request" };
  if (error !== undefined) return { ...read, kind: "error", error: readError(error) };
  if (result !== undefined) return { ...read, kind: "result", result: isObject(result) ? result : {} };
  return undefined;
}

function readError(error: unknown): { code: number | undefined; message: string } {
  if (!isObject(error)) return { code: undefined, message: "" };
  const { code, message } = error;
  return {
    code: typeof code === "number" ? code : undefined,
    message: typeof message === "string" ? message : "",
  };
}

/** What a request is about: the tool, the prompt or the resource. */
export function subjectOf({ method, params }: RpcMessage): string | undefined {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return typeof params["name"] === "string" ? params["name"] : undefined;
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return typeof params["uri"] === "string" ? params["uri"] : undefined;
    default:
      return undefined;
  }
}

/** The first text of a tool's result that says that the tool has failed. */
export function toolErrorOf({ result }: RpcMessage): string | undefined {
  if (result?.["isError"] !== true) return undefined;
  const content: unknown[] = Array.isArray(result["content"]) ? result["content"] : [];
  const first = content.find((part) => isObject(part) && typeof part["text"] === "string");
  return isObject(first) ? String(first["text"]) : "";
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
