import { headerValue, mayBeJsonRpc } from "mcp-tunnel-protocol";
import type { ExchangeObserver, ExchangeStart, ObserveExchange } from "mcp-tunnel-client";

/** The longest request that is looked at, in bytes. `tools/list` needs about 100. */
const maxBytes = 4_096;

/** How many requests are looked at. A service that was never asked for tools by then is no MCP server. */
const maxLooks = 1_000;

/** Fields by which a visitor may prove who he is. A service that is asked with one may have looked at it. */
const proofs = ["authorization", "x-api-key", "cookie"];

/** Code and text of the warning. */
export const openMcpWarning = [
  "open_mcp_server",
  "tools/list was answered without authentication: everybody who knows or guesses the URL can use this MCP " +
    "server with your rights. --visitor-auth oauth,bearer (or bearer, where the relay has no https) lets in " +
    "those whom you allow; --visitor-auth none says that you mean it",
] as const;

/**
 * An observer that calls `onOpen` once, when a visitor without any proof has been told the tools of an MCP
 * server. It looks only at requests that come anyway.
 */
export function watchForOpenMcp(onOpen: () => void): ObserveExchange {
  let isFound = false;
  let looks = 0;
  return (start) => {
    if (isFound || looks >= maxLooks || !mayListTools(start)) return undefined;
    looks += 1;
    return new ToolsListObserver(() => {
      if (isFound) return;
      isFound = true;
      onOpen();
    });
  };
}

function mayListTools({ head: { method, headers } }: ExchangeStart): boolean {
  return mayBeJsonRpc(method, headers) && !proofs.some((name) => headerValue(headers, name) !== undefined);
}

class ToolsListObserver implements ExchangeObserver {
  readonly #onFound: () => void;
  #body: Buffer[] = [];
  #length = 0;
  #isList = false;

  constructor(onFound: () => void) {
    this.#onFound = onFound;
  }

  onRequestData(chunk: Buffer): void {
    this.#length += chunk.length;
    // The bytes are only lent.
    if (this.#length <= maxBytes) this.#body.push(Buffer.from(chunk));
    else this.#body = [];
  }

  onRequestEnd(): void {
    if (this.#length > 0 && this.#length <= maxBytes) this.#isList = listsTools(this.#body);
    this.#body = [];
  }

  onHead({ status }: { readonly status: number }): void {
    if (this.#isList && status >= 200 && status <= 299) this.#onFound();
  }
}

function listsTools(body: readonly Buffer[]): boolean {
  const text = Buffer.concat(body).toString();
  // JSON could also spell the method with escapes. No host does.
  if (!text.includes('"tools/list"')) return false;
  try {
    const message: unknown = JSON.parse(text);
    return (
      typeof message === "object" &&
      message !== null &&
      "method" in message &&
      message.method === "tools/list"
    );
  } catch {
    return false;
  }
}
