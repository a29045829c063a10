import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { launchBrowser } from "../support/browser.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type ClientCommand, RunningCommand } from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { missingProgram } from "../support/requires.js";
import { type SecureRelay, startSecureRelay } from "../support/secure.js";
import { startUpstream, type Upstream } from "../support/upstream.js";

const opened = closingAfterEach();

describe.skipIf(missingProgram("h2load"))("h2load", () => {
  let upstream: Upstream;
  let secure: SecureRelay;
  let client: ClientCommand;

  beforeAll(async () => {
    upstream = await startUpstream();
    secure = await startSecureRelay();
    client = await secure.connectClient(upstream.port, "demo");
  });

  afterAll(async () => {
    await client.close();
    await secure.close();
    await upstream.close();
  });

  async function load(path: string, args: readonly string[]): Promise<string> {
    const url = `https://demo.tunnel.test:${secure.port}${path}`;
    const h2load = new RunningCommand("h2load", [`--connect-to=127.0.0.1:${secure.port}`, ...args, url]);
    opened(h2load);
    expect(await h2load.exited).toEqual({ code: 0, signal: null });
    return h2load.stdout.join("\n");
  }

  it.each([
    ["h2", ["-c", "4", "-m", "25"]],
    ["http/1.1", ["-c", "4", "-m", "1", "--h1"]],
  ])("gets every answer by %s", { timeout: 60_000 }, async (protocol, args) => {
    const said = await load("/bytes/2000", ["-n", "2000", ...args]);
    expect(said).toContain(`Application protocol: ${protocol}`);
    expect(said).toContain("2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout");
    expect(said).toContain("status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx");
    expect(said).toMatch(/\(4000000\) data/);
  });

  it("sends bodies, many at once", { timeout: 60_000 }, async () => {
    const folder = opened(createFolder());
    const body = folder.write("body", "b".repeat(50_000));
    const said = await load("/echo", ["-n", "300", "-c", "2", "-m", "20", "-d", body]);
    expect(said).toContain("300 done, 300 succeeded, 0 failed, 0 errored, 0 timeout");
    expect(said).toMatch(/\(15000000\) data/);
  });
});

const page = `<!doctype html><title>page</title><script>
  window.events = [];
  new EventSource("/events").onmessage = ({ data }) => window.events.push(data);
  window.echo = (text) => new Promise((resolve, reject) => {
    const socket = new WebSocket("wss://" + location.host + "/socket", ["mcp"]);
    socket.onerror = () => reject(new Error("no WebSocket"));
    socket.onopen = () => socket.send(text);
    socket.onmessage = ({ data }) => {
      socket.close(1000, "enough");
      socket.onclose = ({ code, wasClean }) => resolve({ data, code, wasClean, protocol: socket.protocol });
    };
  });
  window.protocols = () => performance.getEntries().map(({ nextHopProtocol }) => nextHopProtocol).filter(Boolean);
</script>`;

describe.skipIf(missingProgram("chromium"))("Chromium", () => {
  it("does all of it over HTTP/2, and opens a WebSocket on the connection that is there", {
    timeout: 60_000,
  }, async () => {
    const upgrades: string[][] = [];
    const service = createServer((req, res) => {
      if (req.url === "/events") {
        res.writeHead(200, { "content-type": "text/event-stream" });
        for (const data of ["one", "two"]) res.write(`data: ${data}\n\n`);
      } else if (req.method === "POST") {
        let bytes = 0;
        req.on("data", (chunk: Buffer) => (bytes += chunk.length));
        req.on("end", () => res.end(String(bytes)));
      } else if (req.url === "/") res.writeHead(200, { "content-type": "text/html" }).end(page);
      else res.end("x".repeat(1_000));
    });
    const sockets = new WebSocketServer({ server: service, handleProtocols: () => "mcp" });
    sockets.on("connection", (socket, req) => {
      upgrades.push(req.rawHeaders);
      socket.on("message", (data) => socket.send(`echo of ${String(data).length}`));
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    opened({
      close() {
        sockets.close();
        service.close();
        service.closeAllConnections();
      },
    });
    const secure = opened(await startSecureRelay());
    opened(await secure.connectClient((service.address() as AddressInfo).port, "demo"));
    // The proxy counts the browser's connections.
    const proxy = opened(await startFaultProxy(secure.port));

    const browser = opened(await launchBrowser());
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const tab = await context.newPage();
    await tab.goto(`https://demo.tunnel.test:${proxy.port}/`);
    await tab.waitForFunction("window.events.length === 2");
    const [fetched, posted] = await tab.evaluate<[number, string]>(`Promise.all([
      Promise.all(Array.from({ length: 50 }, (_, i) => fetch("/many/" + i).then((answer) => answer.text())))
        .then((texts) => texts.join("").length),
      fetch("/", { method: "POST", body: "p".repeat(2000000) }).then((answer) => answer.text()),
    ])`);
    expect([fetched, posted]).toEqual([50_000, "2000000"]);
    const connections = proxy.accepted;
    const echo = await tab.evaluate(`window.echo("m".repeat(100000))`);
    expect(echo).toEqual({ data: "echo of 100000", code: 1000, wasClean: true, protocol: "mcp" });
    expect(proxy.accepted).toBe(connections);
    expect(upgrades).toHaveLength(1);
    // The names are in lower case: the browser did not write this request in HTTP/1.1.
    expect(upgrades[0]).toContain("sec-websocket-version");
    const protocols = await tab.evaluate<string[]>("window.protocols()");
    expect(new Set(protocols)).toEqual(new Set(["h2"]));
  });
});
