import { setImmediate as nextTurn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import type { ProcessPurpose, StdioEvent } from "../../src/events.js";
import { Unread } from "../../src/http/unread.js";
import { FakeBackoff } from "../support/fake-backoff.js";
import type { JsonObject } from "mcp-tunnel-shared";
import { parseMessage } from "../../src/message.js";
import { SharedServer } from "../../src/modern/shared-server.js";
import { resolveOptions, type StdioOptions } from "../../src/options.js";
import type { Pipe, PipeEnd, PipeOwner } from "../../src/pipe.js";

/** A process that says what the test says. */
export class ScriptedProcess implements Pipe {
  readonly purpose: ProcessPurpose;
  /** The texts that the process was sent. */
  readonly received: string[] = [];
  /** Whether `send` asks for a pause. */
  isFull = false;
  readonly #owner: PipeOwner;
  #isGone = false;

  constructor(purpose: ProcessPurpose, owner: PipeOwner) {
    this.purpose = purpose;
    this.#owner = owner;
  }

  /** What the process was sent, parsed. */
  get messages(): JsonObject[] {
    return this.received.map((text) => JSON.parse(text) as JsonObject);
  }

  get last(): JsonObject {
    return this.messages.at(-1)!;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  say(message: unknown): void {
    this.sayText(JSON.stringify(message));
  }

  sayText(text: string): void {
    if (!this.#isGone) this.#owner.onMessage(parseMessage(text)!);
  }

  /** Answers the request that was sent last. */
  answer(result: unknown = {}): void {
    this.say({ jsonrpc: "2.0", id: this.last["id"], result });
  }

  refuse(code: number, data?: unknown): void {
    this.say({ jsonrpc: "2.0", id: this.last["id"], error: { code, message: "No", data } });
  }

  /** Takes messages again. `isFull`: one, and then asks for a pause again. */
  drain({ isFull = false } = {}): void {
    this.isFull = isFull;
    this.#owner.onDrain();
  }

  exit(code: PipeEnd["code"] = "exited"): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.onEnd({ code, message: "/secret/path has ended" });
  }

  send(text: string): boolean {
    this.received.push(text);
    return !this.isFull;
  }

  pause(): void {
    throw new Error("The shared process is never paused");
  }

  resume(): void {}

  async end(): Promise<void> {
    await nextTurn();
    this.exit("ended");
  }
}

/** A server whose processes do what the test says. */
export function scriptedServer(options: Partial<StdioOptions> = {}) {
  const processes: ScriptedProcess[] = [];
  const events: StdioEvent[] = [];
  const backoff = new FakeBackoff();
  const resolved = resolveOptions({
    command: "server",
    era: "modern",
    onEvent: (event) => events.push(event),
    ...options,
  });
  const open = (purpose: ProcessPurpose) => (owner: PipeOwner) => {
    const process = new ScriptedProcess(purpose, owner);
    processes.push(process);
    return process;
  };
  const unread = new Unread(resolved.maxUnreadBytes);
  const server = new SharedServer(resolved, open, backoff, unread);
  onTestFinished(async () => {
    await server.close();
    unread.close();
  });
  return { server, processes, events, backoff, unread };
}

const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

export interface Posted {
  readonly id?: string | number;
  readonly params?: JsonObject;
  readonly meta?: JsonObject;
  /** Header fields besides those that the message asks for. Null takes one out. */
  readonly headers?: Record<string, string | null>;
  readonly signal?: AbortSignal;
}

/** A well-made POST of a request, and its message. */
export function post(
  method: string,
  posted: Posted = {},
): [Request, NonNullable<ReturnType<typeof parseMessage>>] {
  const { id = 1, params = {}, meta: more = {} } = posted;
  const body = { jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...meta, ...more } } };
  return postText(JSON.stringify(body), posted);
}

/** The POST of a message that the test has written. */
export function postText(
  text: string,
  { headers = {}, signal }: Posted = {},
): [Request, NonNullable<ReturnType<typeof parseMessage>>] {
  const message = parseMessage(text)!;
  const { method, params } = message.value as { method?: string; params?: JsonObject };
  const fields = new Headers({ "Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28" });
  if (method !== undefined) fields.set("Mcp-Method", method);
  const name = params?.["name"] ?? params?.["uri"];
  if (typeof name === "string") fields.set("Mcp-Name", name);
  for (const [field, value] of Object.entries(headers)) {
    if (value === null) fields.delete(field);
    else fields.set(field, value);
  }
  const init = { method: "POST", headers: fields, body: text, ...(signal !== undefined && { signal }) };
  return [new Request("http://localhost/mcp", init), message];
}

/** The texts of the messages in a response, be it JSON or a stream of events that ends. */
export async function textsOf(response: Response): Promise<string[]> {
  const body = await response.text();
  if (response.headers.get("content-type") !== "text/event-stream") return [body];
  return eventsOf(body);
}

export function eventsOf(body: string): string[] {
  return [...body.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => data);
}

export async function messagesOf(response: Response): Promise<JsonObject[]> {
  return (await textsOf(response)).map((text) => JSON.parse(text) as JsonObject);
}

/** Waits until the process was sent so many messages. */
export async function received(process: ScriptedProcess, count: number): Promise<void> {
  while (process.received.length < count) await nextTurn();
}

/** Waits until so many processes were started. */
export async function started(processes: readonly ScriptedProcess[], count = 1): Promise<ScriptedProcess> {
  for (;;) {
    const process = processes[count - 1];
    if (process !== undefined) return process;
    await nextTurn();
  }
}
