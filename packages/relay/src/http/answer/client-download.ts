import { createHash } from "node:crypto";
import { headerValue } from "mcp-tunnel-protocol";
import { html, type Page } from "mcp-tunnel-shared/visitor-page";
import type { ClientPackage } from "../../client-package.js";
import type { Operator } from "./operator.js";
import { type Content, pageContent, plainContent, simplePage, wantsHtml } from "./page.js";
import type { VisitorRequest } from "../message.js";

/** An answer about the package of the client. */
export interface DownloadAnswer {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

/**
 * The package of the client, handed out at the relay's own domain. Its path names its version and its
 * content: npx knows a package by its URL alone, and would go on running the old one under the same URL.
 */
export class ClientDownload {
  readonly version: string;
  /** Where the package is: `/client-<version>-<12 hexadecimal digits of its SHA-256>.tgz`. */
  readonly path: string;
  readonly #file: Buffer;
  readonly #sha256: string;
  readonly #operator: Operator;

  /** `operator`: who runs the relay, for pages that say why there is no package. */
  constructor({ version, file }: ClientPackage, operator: Operator = {}) {
    this.version = version;
    this.#file = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
    this.#operator = operator;
    this.#sha256 = createHash("sha256").update(file).digest("hex");
    this.path = `/client-${version}-${this.#sha256.slice(0, 12)}.tgz`;
  }

  /**
   * Answers a request for the package; `undefined` when it is for something else. `relayUrl`: the relay's own
   * URL, without a slash at its end. `isPrivate`: the visitor comes by https.
   */
  answer(
    req: VisitorRequest,
    path: string,
    relayUrl: string,
    isPrivate: () => boolean,
  ): DownloadAnswer | undefined {
    const { method, rawHeaders } = req;
    const plain = path.replace(/\?.*/s, "");
    const isFile = plain === this.path || plain === "/client.tgz";
    if (!isFile && plain !== "/client.tgz.sha256" && !/^\/client-[^/]*\.tgz$/.test(plain)) return undefined;
    if (method !== "GET" && method !== "HEAD") {
      const text = "method not allowed";
      const page = simplePage(text, text, "The client's package can only be fetched.");
      return this.#refuse(req, 405, text, page, ["Allow", "GET, HEAD"]);
    }
    if (!isPrivate()) {
      const page = simplePage("https only", handedOut, `This is so ${onlyPrivate}`);
      return this.#refuse(req, 403, `${handedOut}, ${onlyPrivate}\n`, page);
    }
    if (plain === "/client.tgz.sha256") {
      return answerOf(200, plainContent(`${this.#sha256}  client.tgz\n`));
    }
    if (!isFile) {
      const url = relayUrl + this.path;
      const link = html` <a href="${url}">${url}</a>`;
      const page = simplePage(
        "another client",
        "this client is no longer here",
        "By now this one is handed out:",
        link,
      );
      return this.#refuse(req, 404, `${another}: ${url}\n`, page);
    }
    const tag = `"${this.#sha256}"`;
    const caching = plain === this.path ? "public, max-age=31536000, immutable" : "no-cache";
    const headers = ["Cache-Control", caching, "ETag", tag];
    // npm asks at each start whether what it has is still the same, although the answer said that it stays.
    const known = headerValue(rawHeaders, "if-none-match") ?? "";
    if (known.split(",").some((one) => one.trim().replace(/^W\//, "") === tag)) {
      return { status: 304, headers, body: Buffer.alloc(0) };
    }
    headers.push("Content-Type", "application/gzip", "Content-Length", String(this.#file.length));
    headers.push("X-Content-Type-Options", "nosniff");
    return { status: 200, headers, body: this.#file };
  }

  /** In a browser `page` stands in the place of the text. */
  #refuse(req: VisitorRequest, status: number, text: string, page: Page, more?: string[]): DownloadAnswer {
    const content = wantsHtml(req) ? pageContent(page, this.#operator) : plainContent(text);
    return answerOf(status, content, more);
  }
}

const another = "this relay hands out another client by now";
const handedOut = "the client is handed out over https only";
/** Behind a proxy that nobody declared the relay sees plain http, whatever the visitor sees. */
const onlyPrivate =
  "because on its way over plain http anybody could exchange it for a program of theirs. If a proxy in " +
  "front of the relay does https, start the relay with --trusted-proxy, and let the proxy set " +
  "X-Forwarded-Proto.";

function answerOf(status: number, content: Content, more: string[] = []): DownloadAnswer {
  const body = Buffer.from(content.text);
  const headers = ["Content-Type", content.type ?? "", "Content-Length", String(body.length)];
  return { status, headers: [...headers, ...content.fields, "Cache-Control", "no-cache", ...more], body };
}
