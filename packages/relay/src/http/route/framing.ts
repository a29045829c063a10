import type { VisitorRequest } from "../message.js";

/**
 * Is it beyond doubt where this request ends? Node's parser refuses most that is in doubt, but not a request of HTTP/1.0
 * with Transfer-Encoding, one whose Transfer-Encoding is empty, or a version that is none (RFC 9112 sections 2.3 and 6.1).
 */
export function framingFault(req: VisitorRequest): "invalid_framing" | "unsupported_version" | undefined {
  const { httpVersion, rawHeaders } = req;
  // HTTP/2 has frames, and its own ways to say otherwise are refused by Node.
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
