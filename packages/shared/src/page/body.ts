import type { IncomingMessage } from "node:http";
import { ApiProblem } from "./problem.js";

/**
 * The JSON value in a request's body of up to `maxBytes` bytes. A form cannot have this type, and a script of
 * another origin is asked about it before (a CORS preflight, which fails here).
 * @throws ApiProblem `bad_request` (415 or 400), `too_large` (413)
 */
export async function readJson(req: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = req.headers["content-type"] ?? "";
  if (!/^application\/json *(?:;|$)/i.test(type)) {
    throw new ApiProblem(415, "bad_request", "the body has to be JSON, with Content-Type: application/json");
  }
  const tooLarge = new ApiProblem(413, "too_large", `the body is longer than ${maxBytes} bytes`);
  if (Number(req.headers["content-length"] ?? 0) > maxBytes) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new ApiProblem(400, "bad_request", "the body is not JSON");
  }
}
