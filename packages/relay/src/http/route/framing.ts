import type { VisitorRequest } from "../message.js";

/**
 * The fault of a request whose end is in doubt; `undefined` if it is not. Node's parser refuses most such
 * requests. It does not refuse a request of HTTP/1.0 with Transfer-Encoding, a request whose
 * Transfer-Encoding is empty, or a version that does not exist (RFC 9112 sections 2.3 and 6.1).
 */
export function framingFault(req: VisitorRequest): "invalid_framing" | "unsupported_version" | undefined {
  const { httpVersion, rawHeaders } = req;
  // HTTP/2 has frames, and Node refuses fields that contradict them.
  if (httpVersion === "2.0" && req.isMultiplexed) return undefined;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") return "unsupported_version";
  let hasCoding = false;
  let hasLength = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 17 && name.toLowerCase() === "transfer-encoding") {
      if (hasCoding || (rawHeaders[i + 1] as string).toLowerCase() !== "chunked") return "invalid_framing";
      hasCoding = true;
    } else if (name.length === 14 && name.toLowerCase() === "content-length") hasLength = true;
  }
  return hasCoding && (hasLength || httpVersion === "1.0") ? "invalid_framing" : undefined;
}
