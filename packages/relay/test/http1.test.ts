import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { Http1Request, Http1Response } from "../src/http/wire/http1.js";

const opened = closingAfterEach();

/** The connections of a server that answers every request at once, and reads nothing of it. */
async function setUp() {
  const requests: Http1Request[] = [];
  const events: string[] = [];
  const options = { IncomingMessage: Http1Request, ServerResponse: Http1Response };
  const server = createServer(options, (req, res) => {
    requests.push(req);
    req.on("end", () => events.push("end")).on("close", () => events.push("close"));
    res.end("answer");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  opened({
    close() {
      agent.destroy();
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
  const { port } = server.address() as AddressInfo;
  const send = async (method: string, body?: Buffer): Promise<string> => {
    const sent = request({ host: "127.0.0.1", port, method, agent });
    sent.end(body);
    const [res] = (await once(sent, "response")) as [NodeJS.ReadableStream];
    let text = "";
    for await (const chunk of res) text += String(chunk);
    return text;
  };
  return { requests, events, send };
}

/** The request that Node keeps for a connection. */
function keptBy(socket: object): unknown {
  return (socket as { parser?: { incoming?: unknown } }).parser?.incoming ?? undefined;
}

describe("a request over HTTP/1", () => {
  it("without a body is let go of once its response is out, and is not ended event by event", async () => {
    const { requests, events, send } = await setUp();
    expect(await send("GET")).toBe("answer");
    const [first] = requests as [Http1Request];
    expect(first.readableEnded).toBe(true);
    expect(keptBy(first.socket)).toBeUndefined();
    expect(await send("GET")).toBe("answer");
    expect(requests[1]?.socket).toBe(first.socket);
    expect(events).toEqual([]);
  });

  it("with a body that nobody reads has it thrown away, and the connection goes on", async () => {
    const { requests, events, send } = await setUp();
    expect(await send("POST", Buffer.alloc(300_000))).toBe("answer");
    expect(await send("GET")).toBe("answer");
    const [first, second] = requests as [Http1Request, Http1Request];
    expect(second.socket).toBe(first.socket);
    expect(first.readableEnded).toBe(true);
    expect(events).toEqual(["end", "close"]);
  });
});
