import { headerValue } from "mcp-tunnel-protocol";
import type { VisitorRequest } from "./message.js";

/** What the head of a request says about its body. */
export interface DeclaredBody {
  /** The declared length; `undefined` for a chunked body or none. */
  contentLength: number | undefined;
  isPresent: boolean;
  /** The visitor sent `Expect: 100-continue`, and has not been answered. */
  awaitsContinue: boolean;
}

/**
 * Reads the head's declaration of the body. Node has checked that there is only one (RFC 9112 section 6.3).
 */
export function declaredBody(req: VisitorRequest, awaitsContinue: boolean): DeclaredBody {
  const length = headerValue(req.rawHeaders, "content-length");
  if (length !== undefined) {
    const contentLength = Number(length);
    return { contentLength, isPresent: contentLength > 0, awaitsContinue };
  }
  return { contentLength: undefined, isPresent: req.hasUnsizedBody, awaitsContinue };
}
