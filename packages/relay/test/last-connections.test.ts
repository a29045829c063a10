import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { type RelayCommand, startRelayCommand } from "../../../test/support/commands.js";
import { startSecureRelay, type SecureRelay, secureDomain } from "../../../test/support/secure.js";
import { answerOver } from "../../../test/support/visitor.js";
import { leaveWaiting } from "../../../test/support/waiting.js";
import { startCrew } from "../../../test/workers/support.js";
import { LastConnections } from "../src/net/last-connections.js";
import { startRelay } from "./support.js";

const closing = closingAfterEach();
const visits = 50;

// Nothing stops a process on Windows for a while.
describe.skipIf(process.platform === "win32")(
  "visitors who wait when the relay is stopped are answered",
  () => {
    async function stop(relay: RelayCommand): Promise<void> {
      relay.child.kill("SIGTERM");
      relay.child.kill("SIGCONT");
      expect(await relay.exited).toEqual({ code: 0, signal: null });
    }

    const requestFor = (host: string): string =>
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

    it("at its port", async () => {
      const relay = closing(await startRelayCommand());
      const sockets = await leaveWaiting(relay, relay.port, visits);
      const answers = sockets.map((socket) => answerOver(socket, requestFor("app.localhost")));
      await stop(relay);
      // The relay may have one of them before it knows that it is stopped.
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 50[23] /);
    });

    it("at the local port of a tunnel", async () => {
      const relay = closing(await startRelayCommand(["--local-port", "app=0"]));
      const { url } = await relay.waitForJson({ msg: "local port listening", name: "app" });
      const port = Number(new URL(url as string).port);
      const sockets = await leaveWaiting(relay, port, visits);
      const answers = sockets.map((socket) => answerOver(socket, requestFor(`localhost:${port}`)));
      await stop(relay);
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 50[23] /);
    });

    it("by one of several workers", async () => {
      const relay = closing(await startCrew());
      const sockets = await leaveWaiting(relay, relay.port, visits);
      const answers = sockets.map((socket) => answerOver(socket, requestFor("app.localhost")));
      await stop(relay);
      // A worker may have the first of them before it is told to stop.
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 50[23] /);
    });

    it("at its port with TLS", async () => {
      const { relay, authority } = closing(await startSecureRelay());
      const sockets = await leaveWaiting(relay, relay.port, visits);
      const servername = `app.${secureDomain}`;
      const answers = sockets.map((socket) => {
        const secure = connectTls({ socket, servername, ca: authority.cert });
        return answerOver(secure, requestFor(servername));
      });
      await stop(relay);
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 503 /);
    });

    it("over HTTP/2, and are told to use another connection then", async () => {
      const secureRelay = closing(await startSecureRelay());
      const { relay } = secureRelay;
      const sockets = await leaveWaiting(relay, relay.port, 2);
      const answers = sockets.map((socket) => answerOverHttp2(secureRelay, socket));
      await stop(relay);
      expect(await Promise.all(answers)).toEqual([
        [503, true],
        [503, true],
      ]);
    });

    it("at the port that redirects to HTTPS", async () => {
      const { relay } = closing(await startSecureRelay(["--http-redirect", "0"]));
      const { port } = await relay.waitForJson({ msg: "redirecting to HTTPS" });
      const sockets = await leaveWaiting(relay, port as number, visits);
      const answers = sockets.map((socket) => answerOver(socket, requestFor(`app.${secureDomain}`)));
      await stop(relay);
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 308 /);
    });
  },
);

it("a relay that is closed without a grace cuts the visitors who wait as well", async () => {
  const relay = await startRelay();
  const sockets = Array.from({ length: 200 }, () => connect(relay.port, "127.0.0.1").on("error", () => {}));
  const ends = sockets.map((socket) => new Promise((resolve) => socket.on("close", resolve)));
  // The system has them, and the relay none of them.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  await relay.close(0);
  await Promise.all(ends);
});

/**
 * The status of a response, and whether a GOAWAY has come. The relay may have one of the visitors before its
 * ports are closed. He has his answer then before the GOAWAY, which all connections get with the ports' end.
 */
async function answerOverHttp2({ authority }: SecureRelay, socket: Socket): Promise<[number, boolean]> {
  const servername = `app.${secureDomain}`;
  const session = connectHttp2(`https://${servername}`, {
    createConnection: () => connectTls({ socket, servername, ca: authority.cert, ALPNProtocols: ["h2"] }),
  });
  const told = new Promise<boolean>((resolve) => {
    session.on("goaway", () => resolve(true));
    session.on("close", () => resolve(false));
  });
  const stream = session.request({ ":path": "/" });
  const [head] = (await once(stream, "response")) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
  stream.resume();
  await once(stream, "close");
  const isTold = await told;
  session.close();
  return [head[":status"] ?? 0, isTold];
}

describe("the last connections", () => {
  async function listening(): Promise<{ server: Server; served: Socket[]; visit: () => Socket }> {
    const served: Socket[] = [];
    const server = createServer((socket) => served.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const sockets: Socket[] = [];
    closing({
      async close() {
        const closed = once(server, "close");
        if (server.listening) server.close();
        for (const socket of [...sockets, ...served]) socket.destroy();
        await closed;
      },
    });
    const visit = (): Socket => {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      sockets.push(socket);
      return socket;
    };
    return { server, served, visit };
  }

  /** When the system has what the process has asked of it, before a turn of the event loop begins. */
  const asked = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

  it("are those of all servers, and are served when the ports are closed", async () => {
    const [one, other] = [await listening(), await listening()];
    one.visit();
    for (let i = 0; i < 20; i++) other.visit();
    await asked();
    const last = new LastConnections([one.server, other.server]);
    await last.gathered();
    for (const { server } of [one, other]) server.close();
    expect([one.served.length, other.served.length]).toEqual([0, 0]);
    last.serve();
    expect([one.served.length, other.served.length]).toEqual([1, 20]);
  });

  it("are gathered in two turns of the event loop if there are none", async () => {
    const { server } = await listening();
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const last = new LastConnections([server]);
    await last.gathered();
    clearImmediate(next);
    expect(turns).toBe(2);
    last.serve();
  });

  it("do not include visitors who have left", async () => {
    const { server, served, visit } = await listening();
    const [left] = [visit(), visit()];
    await asked();
    const last = new LastConnections([server]);
    const arrived = once(server, "connection");
    left.on("connect", () => left.resetAndDestroy());
    const [socket] = (await arrived) as [Socket];
    if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
    await last.gathered();
    last.serve();
    expect(served).toHaveLength(1);
    expect(served[0]).not.toBe(socket);
  });

  it("have an end although visitors keep coming", async () => {
    const { server, visit } = await listening();
    const last = new LastConnections([server]);
    // Each that is accepted brings the next, so that one always waits.
    server.on("connection", visit);
    visit();
    visit();
    await last.gathered();
    await once(server, "connection");
    last.serve();
  });
});
