import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Agent, type Dispatcher, request } from "undici";

type VisitOptions = Omit<NonNullable<Parameters<typeof request>[1]>, "headers" | "dispatcher"> & {
  headers?: Record<string, string | string[]>;
};

/**
 * A visitor of tunnels under `localhost`, on the relay that listens at `relayPort`. Close it, or sockets stay
 * open.
 */
export interface Visitor {
  /** Requests `path` of the tunnel `name`. Read or dump the answer's body. */
  visit(name: string, path: string, options?: VisitOptions): Promise<Dispatcher.ResponseData<unknown>>;
  /** The same, with the whole body as text. */
  text(name: string, path: string, options?: VisitOptions): Promise<{ status: number; text: string }>;
  close(): Promise<void>;
}

export function createVisitor(relayPort: number, domain = "localhost"): Visitor {
  // undici would give up after waiting 300 s. These tests are about the relay's own limits.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const visit: Visitor["visit"] = (name, path, options = {}) =>
    request(`http://127.0.0.1:${relayPort}${path}`, {
      ...options,
      dispatcher,
      headers: { host: `${name}.${domain}`, ...options.headers },
    });
  return {
    visit,
    async text(name, path, options) {
      const answer = await visit(name, path, options);
      return { status: answer.statusCode, text: await answer.body.text() };
    },
    close: () => dispatcher.destroy(),
  };
}

/** Sends `bytes` over a new connection and returns all bytes that come back until the other side ends it. */
export function rawExchange(port: number, bytes: string | Buffer): Promise<string> {
  return answerOver(connect({ port, host: "127.0.0.1" }), bytes);
}

/** Sends `bytes` over `socket` and returns all bytes that come back until the other side ends it. */
export async function answerOver(socket: Socket, bytes: string | Buffer): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.write(bytes);
  // A reset after the answer is an end as well.
  await once(socket, "close").catch(() => {});
  return Buffer.concat(chunks).toString("latin1");
}
