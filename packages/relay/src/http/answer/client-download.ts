import { createHash } from "node:crypto";
import { headerValue } from "mcp-tunnel-protocol";
import type { ClientPackage } from "../../client-package.js";
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

  constructor({ version, file }: ClientPackage) {
    this.version = version;
    this.#file = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
    this.#sha256 = createHash("sha256").update(file).digest("hex");
    this.path = `/client-${version}-${this.#sha256.slice(0, 12)}.tgz`;
  }

  /**
   * Answers a request for the package; `undefined` when it is for something else. `relayUrl`: the relay's own
   * URL, without a slash at its end. `isPrivate`: the visitor comes by https.
   */
  answer(
    { method, rawHeaders }: VisitorRequest,
    path: string,
    relayUrl: string,
    isPrivate: () => boolean,
  ): DownloadAnswer | undefined {
    const plain = path.replace(/\?.*/s, "");
    const isFile = plain === this.path || plain === "/client.tgz";
    if (!isFile && plain !== "/client.tgz.sha256" && !/^\/client-[^/]*\.tgz$/.test(plain)) return undefined;
    if (method !== "GET" && method !== "HEAD") {
      return text(405, "method not allowed", ["Allow", "GET, HEAD"]);
    }
    if (!isPrivate()) return text(403, onlyPrivate);
    if (plain === "/client.tgz.sha256") return text(200, `${this.#sha256}  client.tgz\n`);
    if (!isFile) {
      return text(404, `this relay hands out another client by now: ${relayUrl}${this.path}\n`);
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
}

/** Behind a proxy that nobody declared the relay sees plain http, whatever the visitor sees. */
const onlyPrivate =
  "the client is handed out over https only, because on its way over plain http anybody could exchange it " +
  "for a program of theirs. If a proxy in front of the relay does https, start the relay with " +
  "--trusted-proxy, and let the proxy set X-Forwarded-Proto.\n";

function text(status: number, content: string, more: string[] = []): DownloadAnswer {
  const body = Buffer.from(content);
  const headers = ["Content-Type", "text/plain; charset=utf-8", "Content-Length", String(body.length)];
  return { status, headers: [...headers, "Cache-Control", "no-cache", ...more], body };
}
