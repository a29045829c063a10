import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createRelay } from "mcp-tunnel";
import type { RelayOptions } from "mcp-tunnel";
import type { ServiceOptions } from "mcp-tunnel-client";
import type { DoctorReport, Step } from "mcp-tunnel-shared/command";
import type { Pair } from "../support/certificates.js";
import type { DoctorSettings } from "../../packages/cli/src/doctor/case.js";
import { Doctor } from "../../packages/cli/src/doctor/doctor.js";
import type { Lookup } from "../../packages/cli/src/doctor/way.js";

/** Something that listens on loopback. */
export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

/** A relay in this process, whose tunnels are at its own port. */
export async function startRelay(options: Partial<RelayOptions> = {}): Promise<Listening> {
  const relay = createRelay({
    domain: "localhost",
    host: "127.0.0.1",
    port: 0,
    startupHoldMs: 0,
    // The doctor tries the largest answer that the relay takes.
    maxResponseBodyBytes: 1_500_000,
    publicUrl: "http://{subdomain}.{domain}:{port}",
    ...options,
  });
  const { port } = await relay.listen();
  return { port, close: () => relay.close(0) };
}

/** A local service, or anything else that speaks HTTP. */
export function startService(listener: RequestListener, host = "127.0.0.1"): Promise<Listening> {
  return listenOn(createServer(listener), host);
}

/** The same with TLS. */
export function startSecureService(pair: Pair, listener: RequestListener): Promise<Listening> {
  return listenOn(createSecureServer(pair, listener), "127.0.0.1");
}

/** A proxy that says `line` to every CONNECT. */
export function startProxy(line: string): Promise<Listening> {
  const server = createServer();
  server.on("connect", (_request, socket) => {
    socket.on("error", () => {});
    socket.end(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\n\r\n`);
  });
  return listenOn(server, "127.0.0.1");
}

async function listenOn(server: Server, host: string): Promise<Listening> {
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** An MCP server without sessions at `path`. `before` may answer in its place, and then returns true. */
export function mcpListener(
  path = "/mcp",
  before: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): RequestListener {
  return (request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      if (before(request, response)) return;
      if (request.url !== path) response.writeHead(404).end();
      else if (request.method !== "POST") response.writeHead(405).end();
      else answer(JSON.parse(text) as { id?: number; method: string }, response);
    });
  };
}

function answer({ id, method }: { id?: number; method: string }, response: ServerResponse): void {
  if (id === undefined) {
    response.writeHead(202).end();
    return;
  }
  const serverInfo = { name: "test server", version: "1.0" };
  const result =
    method === "initialize"
      ? { protocolVersion: "2025-06-18", capabilities: {}, serverInfo }
      : { tools: [{ name: "add" }, { name: "remove" }] };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

/** Settings of a doctor's run that waits for no silence, and looks at no service unless `local` is there. */
export function settingsFor(
  relayUrl: string,
  local?: ServiceOptions,
  others: Partial<DoctorSettings> = {},
): DoctorSettings {
  return {
    relay: { relayUrl, token: "a token", subdomain: "demo" },
    tunnel: local === undefined ? undefined : { local, mcp: undefined, visitors: undefined },
    mcpPath: "/mcp",
    isMcpPathGiven: false,
    idleMs: 0,
    ...others,
  };
}

/** Runs a doctor, and closes all that it has opened. */
export async function examine(settings: DoctorSettings, lookup?: Lookup): Promise<Examined> {
  const doctor = new Doctor(settings, lookup);
  try {
    return new Examined(await doctor.run({ onStep: () => {}, onWaiting: () => {} }));
  } finally {
    await doctor.close();
  }
}

/** A report to look at. */
export class Examined {
  readonly report: DoctorReport;

  constructor(report: DoctorReport) {
    this.report = report;
  }

  step(id: string): Step {
    const found = this.report.steps.find((step) => step.id === id);
    if (found === undefined) throw new Error(`no step ${id} in ${this.said}`);
    return found;
  }

  /** Ids of the steps with a verdict. */
  ids(verdict: Step["verdict"]): string[] {
    return this.report.steps.filter((step) => step.verdict === verdict).map(({ id }) => id);
  }

  get said(): string {
    return this.report.steps.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`).join("\n");
  }
}
