import { headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";
import type { RpcMessage } from "../rpc.js";

/** How many requests of servers are remembered. A visitor mostly answers within moments. */
const maxAsked = 256;
/** The longest id and method of a request that is remembered, in characters. */
const maxLength = 128;

/** Requests of servers that no visitor has answered yet, so that the line of an answer can say to what. */
export class Asked {
  readonly #methods = new Map<string, string>();

  /** A server asks on the answer to a request with these `headers`. */
  add(headers: RawHeaders, { id, method = "" }: RpcMessage): void {
    const key = keyOf(headers, id);
    if (key.length > 2 * maxLength || method.length > maxLength) return;
    this.#methods.delete(key);
    this.#methods.set(key, method);
    for (const oldest of this.#methods.keys()) {
      if (this.#methods.size <= maxAsked) return;
      this.#methods.delete(oldest);
    }
  }

  /** The method of the request that is answered by a request with these `headers`. It is forgotten. */
  take(headers: RawHeaders, id: RpcMessage["id"]): string | undefined {
    if (this.#methods.size === 0) return undefined;
    const key = keyOf(headers, id);
    const method = this.#methods.get(key);
    this.#methods.delete(key);
    return method;
  }
}

/** Ids are unique within a session. `1` and `"1"` are two ids. */
function keyOf(headers: RawHeaders, id: RpcMessage["id"]): string {
  return `${headerValue(headers, "mcp-session-id") ?? ""} ${JSON.stringify(id)}`;
}
