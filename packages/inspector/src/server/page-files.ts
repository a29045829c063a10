import type { IncomingMessage, ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { ApiProblem } from "./problem.js";

interface StoredFile {
  readonly type: string;
  readonly gzipped: Buffer;
}

/** The files that the page consists of. They have nothing secret in them. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, StoredFile>;

  private constructor(files: ReadonlyMap<string, StoredFile>) {
    this.#files = files;
  }

  /** Loads them. A client that shows no page never does. */
  static async load(): Promise<PageFiles> {
    const { files } = await import("#page");
    return new PageFiles(
      new Map(
        Object.entries(files).map(([path, { type, gzipped }]) => [
          path,
          { type, gzipped: Buffer.from(gzipped, "base64") },
        ]),
      ),
    );
  }

  /** @throws ApiProblem */
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
