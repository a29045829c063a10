import { isObject } from "mcp-tunnel-shared";
import type { CallOutcome, Era, McpSession } from "../model.js";
import type { CallReading } from "../reading.js";
import { type RpcId } from "../rpc.js";
import type { ToolList } from "./tool-list.js";
import { textOrPart } from "./words.js";

/** Who somebody is, as `clientInfo` and `serverInfo` say it. */
export interface Identity {
  readonly name: string;
  readonly version?: string;
  readonly title?: string;
}

export interface SessionStart {
  readonly key: string;
  readonly era: Era;
  /** The name of the tunnel, if there are several. */
  readonly tunnel: string | undefined;
  readonly path: string;
  readonly user: string | undefined;
  readonly startedAt: number;
  readonly isReplay: boolean;
  /** The key of the visitor's session of which it repeats something. */
  readonly repeats: string | undefined;
}

/** Requests of a server that wait for an answer, and calls that wait for one to be made again. */
const maxWaiting = 64;
const maxName = 200;
/** Capabilities that are named, and how much of each name, in characters. */
const maxCapabilities = 30;
const maxCapability = 60;

const failures: ReadonlySet<CallOutcome> = new Set(["error", "tool_error", "cut"]);

/** What one client says to one server. It knows its calls as long as their exchanges are kept. */
export class Session {
  readonly start: SessionStart;
  /** The `Mcp-Session-Id`. */
  id: string | undefined;
  lastAt: number;
  endedAt: number | undefined;
  client: Identity | undefined;
  server: Identity | undefined;
  protocolVersion: string | undefined;
  clientCapabilities: readonly string[] | undefined;
  serverCapabilities: readonly string[] | undefined;
  /** JSON text of the `params` of `initialize`. */
  initializeParams: string | undefined;
  tools: ToolList | undefined;
  /** The answers come on a stream of their own (the transport HTTP with SSE of MCP 2024-11-05). */
  readonly isAnsweredElsewhere: boolean;
  /** What was told of it, as long as nothing has changed. */
  shown: McpSession | undefined;
  /** Listeners know that it has changed, and nobody has looked since. */
  isToldOf = false;
  /** In order. */
  readonly calls = new Set<CallReading>();
  readonly openCalls = new Set<CallReading>();
  errors = 0;
  /** What it is found by. */
  readonly groups = new Set<string>();
  readonly #byId = new Map<RpcId, CallReading>();
  readonly #byToken = new Map<RpcId, CallReading>();
  /** The requests of the server by their ids. */
  readonly #asking = new Map<RpcId, { readonly call: CallReading; readonly method: string }>();
  /** Calls whose result has asked for something (MCP 2026-07-28). */
  readonly #unfinished = new Map<string, CallReading>();

  constructor(start: SessionStart, isAnsweredElsewhere: boolean) {
    this.start = start;
    this.lastAt = start.startedAt;
    this.isAnsweredElsewhere = isAnsweredElsewhere;
  }

  get key(): string {
    return this.start.key;
  }

  /** Bytes of what outlives the exchanges. */
  get keptBytes(): number {
    return (this.tools?.keptBytes ?? 0) + 2 * (this.initializeParams?.length ?? 0);
  }

  forgetTexts(): void {
    this.tools = undefined;
    this.initializeParams = undefined;
  }

  // ---- calls

  add(call: CallReading): void {
    this.calls.add(call);
    if (call.outcome === "open") this.openCalls.add(call);
    else if (failures.has(call.outcome)) this.errors += 1;
    if (call.id !== undefined) this.#byId.set(call.id, call);
    if (call.progressToken !== undefined) this.#byToken.set(call.progressToken, call);
  }

  remove(call: CallReading): void {
    if (!this.calls.delete(call)) return;
    this.openCalls.delete(call);
    if (failures.has(call.outcome)) this.errors -= 1;
    const { id, progressToken } = call;
    // A later call may have taken the id.
    if (id !== undefined && this.#byId.get(id) === call) this.#byId.delete(id);
    if (progressToken !== undefined && this.#byToken.get(progressToken) === call)
      this.#byToken.delete(progressToken);
    for (const asked of call.asked) {
      if (this.#asking.get(asked)?.call === call) this.#asking.delete(asked);
    }
    for (const [mark, unfinished] of this.#unfinished) {
      if (unfinished === call) this.#unfinished.delete(mark);
    }
  }

  callOf(id: RpcId): CallReading | undefined {
    return this.#byId.get(id);
  }

  callWithToken(token: RpcId): CallReading | undefined {
    return this.#byToken.get(token);
  }

  /** The call that is open, if there is exactly one. */
  get onlyOpen(): CallReading | undefined {
    if (this.openCalls.size !== 1) return undefined;
    const [only] = this.openCalls;
    return only;
  }

  /** Gives a call its outcome. `durationMs`: until then. */
  settle(call: CallReading, outcome: CallOutcome, durationMs: number): void {
    const isKept = this.calls.has(call);
    if (isKept && failures.has(call.outcome)) this.errors -= 1;
    if (isKept && failures.has(outcome)) this.errors += 1;
    this.openCalls.delete(call);
    call.outcome = outcome;
    call.durationMs = durationMs;
  }

  // ---- what the server asks

  /** The server asks the client for something during a call. False: there are too many such requests. */
  ask(call: CallReading, id: RpcId, method: string): boolean {
    if (call.asked.length >= maxWaiting || !this.calls.has(call)) return false;
    call.asked.push(id);
    this.#asking.delete(id);
    this.#asking.set(id, { call, method });
    dropOldest(this.#asking);
    return true;
  }

  /** The request of the server that has this id. A server that resumes a stream may repeat it. */
  asked(id: RpcId): { readonly call: CallReading; readonly method: string } | undefined {
    return this.#asking.get(id);
  }

  /** The result of a call says that the client has to make it again, with answers. */
  leaveUnfinished(mark: string, call: CallReading): void {
    if (!this.calls.has(call)) return;
    this.#unfinished.delete(mark);
    this.#unfinished.set(mark, call);
    dropOldest(this.#unfinished);
  }

  /** The call that is made again. */
  takeUnfinished(mark: string): CallReading | undefined {
    const call = this.#unfinished.get(mark);
    this.#unfinished.delete(mark);
    return call;
  }

  // ---- what is told of it

  info(hide: (text: string) => string): McpSession {
    const { key, era, tunnel, path, user, startedAt, isReplay } = this.start;
    const { id, client, server, protocolVersion, clientCapabilities, serverCapabilities, endedAt, tools } =
      this;
    return {
      key,
      era,
      ...(tunnel !== undefined && { tunnel }),
      path: hide(path),
      ...(id !== undefined && { id: hide(id) }),
      ...(client !== undefined && { client: hidden(client, hide) }),
      ...(server !== undefined && { server: hidden(server, hide) }),
      ...(protocolVersion !== undefined && { protocolVersion: hide(protocolVersion) }),
      ...(clientCapabilities !== undefined && { clientCapabilities: clientCapabilities.map(hide) }),
      ...(serverCapabilities !== undefined && { serverCapabilities: serverCapabilities.map(hide) }),
      ...(user !== undefined && { user }),
      startedAt,
      lastAt: this.lastAt,
      ...(endedAt !== undefined && { endedAt }),
      calls: this.calls.size,
      errors: this.errors,
      open: this.openCalls.size,
      ...(tools !== undefined && { tools: { count: tools.count, bytes: tools.bytes } }),
      ...(isReplay && { replay: true }),
    };
  }
}

function hidden(identity: Identity, hide: (text: string) => string): Identity {
  const { name, version, title } = identity;
  return {
    name: hide(name),
    ...(version !== undefined && { version: hide(version) }),
    ...(title !== undefined && { title: hide(title) }),
  };
}

function dropOldest(map: Map<unknown, unknown>): void {
  if (map.size <= maxWaiting) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** Reads `clientInfo` or `serverInfo`. Undefined if it has no name. */
export function identityOf(info: unknown): Identity | undefined {
  if (!isObject(info) || typeof info["name"] !== "string") return undefined;
  const { name, version, title } = info;
  return {
    name: textOrPart(name, maxName),
    ...(typeof version === "string" && { version: textOrPart(version, maxName) }),
    ...(typeof title === "string" && { title: textOrPart(title, maxName) }),
  };
}

/** The names of capabilities. */
export function namesOf(capabilities: unknown): readonly string[] | undefined {
  if (!isObject(capabilities)) return undefined;
  return Object.keys(capabilities)
    .slice(0, maxCapabilities)
    .map((name) => textOrPart(name, maxCapability));
}
