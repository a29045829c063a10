import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { startRawServer } from "../../../test/support/raw-server.js";
import { startRig } from "./relay-side.js";
import type { Rig } from "./relay-side.js";

/** A whole answer. */
export const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A request as the scripted service sees it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Connections and the requests on each, counted from 1. */
  readonly connection: number;
  readonly nth: number;
}

export interface Scripted {
  readonly port: number;
  readonly rig: Rig;
  readonly seen: Seen[];
  readonly sockets: Socket[];
  /** Waits until as many connections as this have been made. */
  connected(count: number): Promise<void>;
  /** Waits until a request for `path` has come. */
  asked(path: string): Promise<Seen>;
  close(): Promise<void>;
}

type Answer = (socket: Socket, request: Seen) => void;

/**
 * A client in front of a service that answers each request with `answer`. Requests are small, so that each is
 * one read. `oneAtATime`: the service reads nothing from a connection while there is an older one.
 */
export async function startScripted(answer: Answer, oneAtATime = false): Promise<Scripted> {
  const seen: Seen[] = [];
  const sockets: Socket[] = [];
  const events = new EventEmitter();
  let turn = Promise.resolve();
  const serve = (socket: Socket, connection: number): void => {
    let nth = 0;
    socket.on("end", () => socket.end());
    socket.on("data", (data: Buffer) => {
      nth += 1;
      const [head = "", body = ""] = data.toString("latin1").split("\r\n\r\n");
      const [method = "", path = ""] = head.split(" ");
      const request = { method, path, body, connection, nth };
      seen.push(request);
      events.emit("request", request);
      answer(socket, request);
    });
  };
  const server = await startRawServer((socket) => {
    const connection = sockets.push(socket);
    events.emit("connection");
    if (!oneAtATime) serve(socket, connection);
    else
      turn = turn.then(async () => {
        serve(socket, connection);
        await once(socket, "close");
      });
  });
  const rig = startRig({ port: server.port });
  return {
    port: server.port,
    rig,
    seen,
    sockets,
    async connected(count) {
      while (sockets.length < count) await once(events, "connection");
    },
    async asked(path) {
      for (;;) {
        const request = seen.find((each) => each.path === path);
        if (request !== undefined) return request;
        await once(events, "request");
      }
    },
    async close() {
      await rig.close();
      await server.close();
    },
  };
}
