import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiProblem } from "mcp-tunnel-shared/page";
import type { StreamHub } from "./hub.js";
import type { ServerParts } from "./parts.js";
import { StreamReader, type Wanted } from "./stream.js";

/** Streams at once. Each open page has one. */
const maxStreams = 16;

/** The streams that are open. */
export class Streams {
  readonly #hub: StreamHub;
  readonly #parts: ServerParts;
  readonly #open = new Set<StreamReader>();

  constructor(hub: StreamHub, parts: ServerParts) {
    this.#hub = hub;
    this.#parts = parts;
  }

  /** @throws ApiProblem `too_many` */
  open(req: IncomingMessage, res: ServerResponse, wanted: Wanted): void {
    if (this.#open.size >= maxStreams) {
      throw new ApiProblem(429, "too_many", `there are ${maxStreams} streams already: close other pages`);
    }
    if (req.method === "HEAD") {
      res.writeHead(200, { "Content-Type": "application/x-ndjson" }).end();
      return;
    }
    // A stream may be quiet for hours.
    req.socket.setTimeout(0);
    const reader = new StreamReader(res, this.#parts, wanted);
    const leave = this.#hub.read(reader);
    const lookAway = this.#parts.attention.look();
    this.#open.add(reader);
    res.on("close", () => {
      this.#open.delete(reader);
      leave();
      lookAway();
      reader.close();
    });
  }

  close(): void {
    for (const reader of this.#open) reader.close();
  }
}
