import cluster from "node:cluster";
import type { Server, Socket } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";

/**
 * For how long servers go on accepting at most, in milliseconds: visitors keep coming as long as a port is
 * open.
 */
const maxMs = 250;

/**
 * In a worker of node:cluster: how long the primary may take to hand over the next connection, in
 * milliseconds. It accepts the connections, and gives each worker one at a time over a channel. So a turn of
 * this process' event loop says nothing of those that wait.
 */
const handOverMs = 50;

type Listener = (socket: Socket) => void;

/**
 * The connections that servers accept before their ports are closed. A port that closes resets those that the
 * system has taken and the process has not accepted. Node accepts one at each port in a turn of its event
 * loop. So the turns have to be short, and none of these connections is served before the ports are closed:
 * on a busy machine a turn with a handshake of TLS took 10 ms, and the time was over after 25 connections.
 *
 * The socket of a service manager stays open, and resets nothing. It is treated alike: its visitors are
 * better served now than by a process that is still to come.
 */
export class LastConnections {
  /** The servers, each with its own listeners. */
  readonly #servers: ReadonlyMap<Server, readonly Listener[]>;
  readonly #accepted: { readonly server: Server; readonly socket: Socket }[] = [];

  /** From now on `servers` serve no new connection, until {@link serve} is called. */
  constructor(servers: readonly Server[]) {
    this.#servers = new Map(servers.map((server) => [server, server.listeners("connection") as Listener[]]));
    for (const server of servers) {
      server.removeAllListeners("connection");
      server.on("connection", (socket) => {
        this.#accepted.push({ server, socket });
        // The visitor may leave meanwhile.
        socket.on("error", ignore);
      });
    }
  }

  /**
   * Resolves when no connection waits to be accepted, or after a quarter of a second. Then close the ports at
   * once: what comes later is reset.
   */
  async gathered(): Promise<void> {
    if (this.#servers.size === 0) return;
    const until = performance.now() + maxMs;
    // The present turn may have looked for connections already. Only a whole one that brings none says so.
    await nextTurn();
    for (let before = -1; before < this.#accepted.length && performance.now() < until; ) {
      before = this.#accepted.length;
      // oxlint-disable-next-line no-await-in-loop -- each turn says whether another is needed
      await nextTurn();
    }
  }

  /** Gives the connections to their servers. To be called once. */
  serve(): void {
    for (const [server, listeners] of this.#servers) {
      server.removeAllListeners("connection");
      for (const listener of listeners) server.on("connection", listener);
    }
    for (const { server, socket } of this.#accepted) {
      if (!socket.destroyed) server.emit("connection", socket);
    }
  }
}

/** These are the timers of no fake clock, which would stop the relay's end with the time of a test. */
function nextTurn(): Promise<void> {
  return cluster.isWorker ? setTimeout(handOverMs) : setImmediate();
}

function ignore(): void {}
