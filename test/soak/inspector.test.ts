import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type ClientCommand,
  type RelayCommand,
  startClientCommand,
  startRelayCommand,
} from "../support/commands.js";
import { tellsMemory } from "../support/memory.js";

// Downloads and event streams through two clients, one of which captures them. They get the same at the same
// time, so the difference of their memory is what the inspector takes. `npm run test:resilience -- --quick`
// runs it for seconds, `npm run soak` for ten minutes.

const minutes = Number(process.env["MCP_TUNNEL_SOAK_MINUTES"] ?? 0);
const totalMs = minutes > 0 ? minutes * 60_000 : 4_000;
const streams = minutes > 0 ? 500 : 50;
const downloadBytes = 10 * 1_024 * 1_024;
const piece = Buffer.alloc(1_024 * 1_024, "0123456789abcdef");
const mebibyte = 1_024 * 1_024;
/** The ring's bound, and what the inspector may take besides. */
const maxMoreBytes = (64 + 32) * mebibyte;

let service: Server;
let beat: NodeJS.Timeout;
const listeners = new Set<ServerResponse>();
let relay: RelayCommand;
const clients: ClientCommand[] = [];
let page: URL;

beforeAll(async () => {
  service = createServer((request, response) => {
    if (request.url === "/events") openStream(response);
    else download(response);
  });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  const event = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${"x".repeat(300)}"}}\n\n`;
  beat = setInterval(() => {
    for (const response of listeners) response.write(event);
  }, 500);
  const { port } = service.address() as AddressInfo;
  relay = await startRelayCommand(["--access-log", "off"]);
  for (const [name, args] of [
    ["with", ["--inspect", "127.0.0.1:0"]],
    ["without", []],
  ] as const) {
    clients.push(await startClientCommand(port, relay.port, ["--subdomain", name, ...args]));
  }
  const { url } = await (clients[0] as ClientCommand).waitForJson({ event: "inspector" });
  page = new URL(url as string);
}, 60_000);

afterAll(async () => {
  clearInterval(beat);
  await Promise.all(clients.map((client) => client.close()));
  await relay.close();
  service.closeAllConnections();
  service.close();
});

function openStream(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.flushHeaders();
  listeners.add(response);
  response.on("close", () => listeners.delete(response));
}

function download(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": downloadBytes });
  Readable.from(Array.from({ length: downloadBytes / piece.length }, () => piece)).pipe(response);
}

async function visit(name: string, path: string): Promise<IncomingMessage> {
  const request = get({ host: "127.0.0.1", port: relay.port, path, headers: { Host: `${name}.localhost` } });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  return response;
}

async function bytesOf(response: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  return bytes;
}

/** The most memory that a process has had, in bytes (proc(5)). */
function peakOf({ pid }: ClientCommand): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
}

it.skipIf(!tellsMemory)(
  `${minutes > 0 ? `${minutes} minutes` : "some seconds"} of downloads and event streams fill the ring and no more`,
  async () => {
    const names = ["with", "without"];
    const open = await Promise.all(
      names.flatMap((name) => Array.from({ length: streams }, () => visit(name, "/events"))),
    );
    for (const response of open) response.resume();
    const untilMs = performance.now() + totalMs;
    let downloads = 0;
    while (performance.now() < untilMs) {
      const all = await Promise.all(names.map(async (name) => bytesOf(await visit(name, "/download"))));
      expect(all).toEqual([downloadBytes, downloadBytes]);
      downloads += 1;
    }
    const [more, base] = clients.map(peakOf) as [number, number];
    const response = await fetch(new URL("/api/state", page), {
      headers: { Authorization: `Bearer ${page.hash.slice(1)}` },
    });
    const { kept, missed } = (await response.json()) as { kept: Record<string, number>; missed: unknown };
    console.info(
      `${downloads} downloads and ${streams} streams for each client; peak ${(more / mebibyte).toFixed(0)} MiB with ` +
        `the inspector, ${(base / mebibyte).toFixed(0)} without; kept ${JSON.stringify(kept)}, missed ${JSON.stringify(missed)}`,
    );
    for (const stream of open) stream.destroy();
    expect(kept["bytes"]).toBeLessThanOrEqual(64 * mebibyte);
    // In the long run the ring is full, and downloads have pushed the streams out of it.
    if (minutes > 1) expect(kept["bytes"]).toBeGreaterThan(60 * mebibyte);
    expect(more - base).toBeLessThan(maxMoreBytes);
  },
  totalMs + 60_000,
);
