import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { type RawServer, startRawServer } from "../support/raw-server.js";

/**
 * An answer of a local service, and its results. `about` in test/vectors/answers.json explains the fields.
 */
export interface AnswerVector {
  readonly name: string;
  readonly origin: string;
  readonly method?: "HEAD" | "POST";
  readonly bytes: string;
  readonly visitor: string;
  readonly nginx?: string;
  readonly reason?: keyof AnswerFile["reasons"];
}

interface AnswerFile {
  readonly about: string;
  readonly reasons: Readonly<Record<string, string>>;
  readonly answers: readonly AnswerVector[];
}

export const answerFile = JSON.parse(
  readFileSync(new URL("../vectors/answers.json", import.meta.url), "utf8"),
) as AnswerFile;

/** The bytes that the service writes. */
export function bytesOf({ bytes }: Pick<AnswerVector, "bytes">): Buffer {
  const text = bytes
    .replaceAll("{fields}", Array.from({ length: 400 }, (_, i) => `X-${i}: 1\r\n`).join(""))
    .replaceAll(/\{(\d+)\}/g, (_, length) => "a".repeat(Number(length)));
  return Buffer.from(text, "latin1");
}

/** A service that answers /answers/N with the Nth answer, and ends the connection. */
export function startAnswering(answers: readonly Pick<AnswerVector, "bytes">[]): Promise<RawServer> {
  return startRawServer((socket) => {
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      const [, index] = /^[A-Z]+ \/answers\/(\d+) .*\r\n\r\n/s.exec(received) ?? [];
      if (index === undefined) return;
      received = "";
      socket.end(bytesOf(answers[Number(index)] as AnswerVector));
    });
  });
}

/**
 * The visitor's result in one line: the status, the significant fields and the body, or that the answer was
 * cut.
 */
export async function visitAnswer(
  port: number,
  host: string,
  index: number,
  method = "GET",
): Promise<string> {
  const interims: number[] = [];
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const req = request(
        {
          port,
          host: "127.0.0.1",
          method,
          path: `/answers/${index}`,
          agent: false,
          maxHeaderSize: 300_000,
          headers: { Host: host },
          signal: AbortSignal.timeout(4_000),
        },
        resolve,
      );
      req.on("information", ({ statusCode }) => interims.push(statusCode));
      req.on("upgrade", ({ statusCode }, socket) => {
        socket.destroy();
        reject(new Error(`${statusCode}`));
      });
      req.on("error", reject);
      req.end(method === "POST" ? "x" : undefined);
    });
    const chunks: Buffer[] = [];
    let end = "";
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (error) {
      end = (error as Error).name === "AbortError" ? " hangs" : " cut";
    }
    return [...interims, described(response, Buffer.concat(chunks), method)].join(", ") + end;
  } catch (error) {
    if ((error as Error).name === "AbortError") return "hangs";
    if ((error as Error).message === "101") return "101";
    const code = String((error as NodeJS.ErrnoException).code);
    return code.startsWith("HPE_") ? "not HTTP" : "no answer";
  }
}

function described(response: IncomingMessage, body: Buffer, method: string): string {
  const status = response.statusCode as number;
  // The relay and nginx each have a text of their own for it.
  if (status === 502) return "502";
  const shown = /^(?:x-(?!request-id)|link$|etag$|location$)/;
  const hasLength = status === 304 || method === "HEAD";
  const fields: string[] = [];
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = (response.rawHeaders[i] as string).toLowerCase();
    if (shown.test(name) || (hasLength && name === "content-length")) {
      fields.push(` ${name}: ${response.rawHeaders[i + 1]}`);
    }
  }
  const trailers = response.rawTrailers.length > 0 ? ` then ${response.rawTrailers.join(": ")}` : "";
  return `${status}${short(fields.toSorted().join(""))} ${short(JSON.stringify(body.toString("latin1")))}${trailers}`;
}

const short = (text: string): string =>
  text.length <= 200 ? text : `${text.slice(0, 20)}... of ${text.length}`;

/** The result of curl, which asks the service itself, in the same words but without the fields. */
export function curlAnswer(port: number, index: number, method = "GET"): Promise<string> {
  const args = ["-s", "-S", "--max-time", "5", "-o", "-", "-w", "%{stderr}%{http_code}"];
  if (method === "HEAD") args.push("-I", "-o", "/dev/null");
  if (method === "POST") args.push("-d", "x");
  const url = `http://127.0.0.1:${port}/answers/${index}`;
  return new Promise((resolve) => {
    execFile("curl", [...args, url], { encoding: "latin1" }, (error, body, stderr) => {
      const status = /(\d{3})$/.exec(stderr)?.[1];
      const isCut = /end of response|transfer closed|Recv failure/.test(stderr);
      if (error !== null && (!isCut || status === "000")) resolve("refused");
      else resolve(`${status} ${short(JSON.stringify(body))}${error === null ? "" : " cut"}`);
    });
  });
}
