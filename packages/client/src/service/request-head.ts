import { carriedProtocols, isNamed, isToken } from "mcp-tunnel-protocol";
import type { RawHeaders, RequestHead } from "mcp-tunnel-protocol";

/**
 * Names the fault of a request head, if there is one. The relay is not trusted. A target in absolute form or
 * a CONNECT would turn a local service into a proxy, and a second length would split the request in two.
 */
export function headFault(head: RequestHead, end: boolean): string | undefined {
  const { method, path } = head;
  if (method.toUpperCase() === "CONNECT") return "CONNECT is not forwarded";
  if (!isToken(method)) return "the method is not a token";
  if (path !== "*" ? !originForm.test(path) : method !== "OPTIONS") {
    return "the request target is not in origin form";
  }
  const length = lengthOf(head.headers);
  if (length === "invalid") return "the content length is not one whole number";
  if (head.upgrade === true) {
    if (length !== undefined && length > 0) return "a body on a request to upgrade";
    if (carriedProtocols(head.headers) === "") return "an upgrade to nothing that a tunnel carries";
  }
  if (end && length !== undefined && length > 0)
    return "the body that the content length announces is missing";
  return undefined;
}

/**
 * A path, byte for byte. It has no space and no control character, which would end the request line, and no
 * fragment, at which some services would end the path.
 */
const originForm = /^\/[\x21\x22\x24-\x7e\x80-\xff]*$/;

/** The announced length of a body. `invalid` if there are several lengths, or the length is not a number. */
export function lengthOf(headers: RawHeaders): number | undefined | "invalid" {
  let length: number | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (!isNamed(headers[i] as string, "content-length")) continue;
    const value = headers[i + 1] as string;
    if (length !== undefined || !/^\d{1,15}$/.test(value)) return "invalid";
    length = Number(value);
  }
  return length;
}
