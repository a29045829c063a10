import type { IncomingMessage, ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { ApiProblem } from "./problem.js";

/** A file of a page, as the page's build has made it. */
export interface PageFile {
  /** Its media type, with its charset. */
  readonly type: string;
  /** Its content, gzipped, in base64. */
  readonly gzipped: string;
}

interface StoredFile {
  readonly type: string;
  readonly gzipped: Buffer;
}

/** The files that a page consists of. They have nothing secret in them. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, StoredFile>;

  /** `files`: by their paths. `/` is the document. */
  constructor(files: Readonly<Record<string, PageFile>>) {
    this.#files = new Map(
      Object.entries(files).map(([path, { type, gzipped }]) => [
        path,
        { type, gzipped: Buffer.from(gzipped, "base64") },
      ]),
    );
  }

  /** @throws ApiProblem `not_found`, `method_not_allowed` */
  answer(req: IncomingMessage, res: ServerResponse): void {
    const [path = "/"] = (req.url ?? "/").split("?", 1);
    const file = this.#files.get(path);
    if (file === undefined) throw new ApiProblem(404, "not_found", "there is no such page");
    if (req.method !== "GET" && req.method !== "HEAD") {
      throw new ApiProblem(405, "method_not_allowed", "only GET is known here", { Allow: "GET, HEAD" });
    }
    const isGzipWelcome = /\bgzip\b/i.test(req.headers["accept-encoding"] ?? "");
    const content = isGzipWelcome ? file.gzipped : gunzipSync(file.gzipped);
    if (isGzipWelcome) res.setHeader("Content-Encoding", "gzip");
    res.writeHead(200, { "Content-Type": file.type, "Content-Length": content.length }).end(content);
  }
}
