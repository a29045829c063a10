import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { fieldsOf } from "./question.js";
import type { Answer } from "./question.js";
import { placeOf } from "./way.js";
import type { Way } from "./way.js";

/** The longest message that is taken, in bytes. */
const maxMessageBytes = 65_536;

/** A WebSocket did not open: something gave another answer than 101. */
export class UpgradeRefusal extends Error {
  readonly answer: Answer;

  constructor(response: IncomingMessage) {
    super(`answered ${response.statusCode} in place of 101`);
    this.answer = {
      status: response.statusCode ?? 0,
      headers: fieldsOf(response.rawHeaders),
      body: Buffer.alloc(0),
    };
  }
}

/** Opens a WebSocket below a public URL. `signal` cuts it, also later. */
export async function openWebSocket(
  base: URL,
  path: string,
  way: Way,
  signal: AbortSignal,
): Promise<WebSocket> {
  const url = new URL(path, base);
  const connection = await way.open(placeOf(base), signal);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, {
    createConnection: () => connection,
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
  });
  signal.addEventListener("abort", () => socket.terminate(), { once: true });
  return new Promise((resolve, reject) => {
    // Later errors come as a close.
    socket.on("error", reject);
    socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      reject(new UpgradeRefusal(response));
      response.destroy();
    });
    socket.once("open", () => resolve(socket));
  });
}

/** Sends a text, and waits until it comes back. Rejects if the socket closes before, or `signal` comes. */
export async function echo(socket: WebSocket, text: string, signal: AbortSignal): Promise<void> {
  const limit = new AbortController();
  const closed = once(socket, "close", { signal: limit.signal }).then(() => {
    throw new Error("the WebSocket was closed");
  });
  socket.send(text);
  try {
    const [data] = (await Promise.race([once(socket, "message", { signal }), closed])) as [Buffer];
    if (data.toString() !== text) throw new Error("something else came back");
  } finally {
    limit.abort();
    closed.catch(() => {});
  }
}
