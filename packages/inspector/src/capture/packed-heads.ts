import type { RawHeaders, RequestHead, ResponseHead } from "mcp-tunnel-protocol";

/**
 * A head in one string. The garbage collector has to move everything that lives longer than a moment, and a
 * head has dozens of strings. So heads are packed once their exchange is over.
 */
export type PackedHead = string;

const separator = "\n";

/** Undefined: some part has a line end in it, as only a service of the user's own may send. */
export function packRequest({ method, path, headers }: RequestHead): PackedHead | undefined {
  if (method.includes(separator) || path.includes(separator) || !isPackable(headers)) return undefined;
  return `${method}\n${path}\n${headers.join(separator)}`;
}

export function unpackRequest(packed: PackedHead, upgrade: boolean): RequestHead {
  const [method = "", path = "", ...headers] = packed.split(separator);
  const head: RequestHead = { method, path, headers: fieldsOf(headers) };
  if (upgrade) head.upgrade = true;
  return head;
}

export function packResponse({ status, headers }: ResponseHead): PackedHead | undefined {
  return isPackable(headers) ? `${status}\n${headers.join(separator)}` : undefined;
}

export function unpackResponse(packed: PackedHead): ResponseHead {
  const [status, ...headers] = packed.split(separator);
  return { status: Number(status), headers: fieldsOf(headers) };
}

function isPackable(headers: RawHeaders): boolean {
  // A loop over the fields takes three times as long as long as V8 has not compiled it.
  return !headers.join("").includes(separator);
}

/** No fields leave an empty string. */
function fieldsOf(headers: string[]): RawHeaders {
  return headers.length === 1 && headers[0] === "" ? [] : headers;
}
