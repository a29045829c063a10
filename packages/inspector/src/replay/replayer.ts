import type { Service } from "mcp-tunnel-client";
import type { RequestHead } from "mcp-tunnel-protocol";
import type { Recorder } from "../capture/recorder.js";
import type { Captured } from "../captured.js";
import type { ReplayAnswer, ReplayRequest, ToolInfo } from "../model.js";
import { subjectOf } from "../rpc.js";
import type { RpcMessage } from "../rpc.js";
import { Allowance } from "./allowance.js";
import { editedRequest } from "./edited.js";
import type { Edit } from "./edited.js";
import type { ReplayEvent } from "./event.js";
import { warningOf, whyNot } from "./judgement.js";
import { eraOf, isEndpoint, isOfOldTransport, messagesOf } from "./mcp-source.js";
import type { McpSource } from "./mcp-source.js";
import { withMcpFields, withNewId } from "./modern.js";
import type { Outgoing } from "./outgoing.js";
import { ReplayProblem } from "./problem.js";
import { Replay } from "./replay.js";
import type { Call, Plan } from "./replay.js";
import type { Way } from "./sending.js";
import { WrappedService } from "./wrapped.js";

export interface ReplayerOptions {
  /** Has the exchanges of a replay read as they come, until what it returns is called. */
  readonly look: () => () => void;
  /** The secret that the page shows as a mark, in the details of an entry. */
  readonly secretOf: (entry: Captured, mark: string) => string | undefined;
  /** Called when a replay begins, and when it is over. */
  readonly onReplay?: (event: ReplayEvent) => void;
}

/**
 * Sends captured requests again, as they were or edited. They go to the service of their tunnel that was
 * wrapped, in this program, and nowhere else: a request has no say in where that service is, and redirects
 * are not followed.
 */
export class Replayer {
  readonly #recorder: Recorder;
  readonly #mcp: McpSource;
  readonly #options: ReplayerOptions;
  readonly #allowance = new Allowance();
  /** Replays that are not over, and where they go. */
  readonly #open = new Map<Replay, WrappedService>();
  /** The services of the tunnels, by name. A service that has ended is not there. */
  readonly #wrapped = new Map<string | undefined, WrappedService>();

  constructor(recorder: Recorder, mcp: McpSource, options: ReplayerOptions) {
    this.#recorder = recorder;
    this.#mcp = mcp;
    this.#options = options;
  }

  /**
   * The service for the client, or for a gate. Replays go to the service itself. Call it once for each
   * tunnel, and again for one of the same name that takes its place.
   */
  wrap(service: Service, name?: string): Service {
    const wrapped = new WrappedService(service, this.#recorder, () => this.#ended(name, wrapped));
    this.#wrapped.set(name, wrapped);
    return wrapped;
  }

  #ended(name: string | undefined, wrapped: WrappedService): void {
    if (this.#wrapped.get(name) === wrapped) this.#wrapped.delete(name);
    for (const [replay, goesTo] of this.#open) if (goesTo === wrapped) replay.close();
  }

  /** Replays that are not over. */
  get open(): number {
    return this.#open.size;
  }

  /** Why an entry cannot be sent again. */
  whyNot(entry: Captured): string | undefined {
    if (this.#mcp.summary(entry)?.method === "(answer)") {
      return "It answers a request of the server, which asks nothing in another session.";
    }
    if (isOfOldTransport(entry, this.#mcp)) {
      return "Its answer came on another event stream (HTTP with SSE, revision 2024-11-05).";
    }
    return whyNot(entry);
  }

  /** What may happen again if an entry is sent as it is. */
  warning(entry: Captured): string | undefined {
    const { head, requestBody } = entry;
    return this.#warning(entry, head, messagesOf(head.headers, requestBody.bufferOf()));
  }

  /**
   * Sends an entry again. The answer comes once the request is on its way. In a session of its own that takes
   * as long as the server takes to begin the session.
   * @throws ReplayProblem
   */
  async replay(entry: Captured, { confirmed, edit = {} }: ReplayRequest): Promise<ReplayAnswer> {
    const problem = this.whyNot(entry);
    if (problem !== undefined) throw new ReplayProblem(409, "cannot_replay", problem);
    const [way, wrapped] = this.#wayOf(entry);
    const plan = this.#plan(entry, edit);
    const { head, body } = plan.request;
    const messages = messagesOf(head.headers, body);
    const warning = this.#warning(entry, head, messages);
    if (warning !== undefined && confirmed !== true) {
      throw new ReplayProblem(409, "needs_confirmation", warning);
    }
    this.#allowance.take();
    const replay = new Replay(way, plan);
    this.#open.set(replay, wrapped);
    const lookAway = this.#options.look();
    const call = await replay.begin(() => {
      lookAway();
      this.#open.delete(replay);
      this.#allowance.give();
    });
    void this.#tell(call, plan.request, messages[0]);
    return { id: call.entry.id };
  }

  /** Ends an open replay. `id`: of any of its requests. False if there is none. */
  cancel(id: number): boolean {
    for (const replay of this.#open.keys()) {
      if (!replay.has(id)) continue;
      replay.cancel();
      return true;
    }
    return false;
  }

  /** Ends all replays. None can begin afterwards. */
  close(): void {
    this.#wrapped.clear();
    for (const replay of this.#open.keys()) replay.close();
  }

  #wayOf({ id, tunnel: name }: Captured): [Way, WrappedService] {
    const wrapped = this.#wrapped.get(name);
    const tunnel = wrapped?.tunnel;
    if (wrapped === undefined || tunnel === undefined) {
      const message = "the client has not been connected yet, or is closed: there is nobody to send it to";
      throw new ReplayProblem(409, "not_connected", message);
    }
    const { service } = wrapped;
    return [{ service, tunnel, name, recorder: this.#recorder, replayOf: id }, wrapped];
  }

  #plan(entry: Captured, edit: Edit): Plan {
    const request = editedRequest(entry, edit, (mark) => this.#options.secretOf(entry, mark));
    const alone: Plan = { request, session: "none", initialize: undefined };
    switch (eraOf(entry, this.#mcp)) {
      case undefined:
        return alone;
      case "legacy": {
        const [first] = messagesOf(request.head.headers, request.body);
        if (first?.method === "initialize") return { ...alone, session: "begins" };
        return { request, session: "own", initialize: this.#mcp.initializeOf(entry) };
      }
      case "modern": {
        const { headers } = entry.serviceHead ?? entry.head;
        const toolNamed = (name: string) => this.#mcp.tool(entry, name);
        const fit = edit.body === undefined ? request : withMcpFields(request, headers, toolNamed);
        return { ...alone, request: withNewId(fit) };
      }
    }
  }

  #warning(entry: Captured, { method, path }: RequestHead, given: readonly RpcMessage[]): string | undefined {
    const messages = given.length > 0 && isEndpoint(entry, path, this.#mcp) ? given : [];
    const isOwnSession = eraOf(entry, this.#mcp) === "legacy";
    // A tool is parsed each time that it is asked for, and a batch may have thousands of calls of one.
    const tools = new Map<string, ToolInfo | undefined>();
    return warningOf(method, messages, isOwnSession, (name) => {
      if (!tools.has(name)) tools.set(name, this.#mcp.tool(entry, name));
      return tools.get(name);
    });
  }

  async #tell({ entry, over }: Call, { head }: Outgoing, message: RpcMessage | undefined): Promise<void> {
    const { onReplay } = this.#options;
    if (onReplay === undefined || entry.replayOf === undefined) return;
    const name = message && subjectOf(message);
    const method = message?.method;
    const begun: ReplayEvent = {
      id: entry.id,
      ...(entry.tunnel === undefined ? {} : { tunnel: entry.tunnel }),
      replayOf: entry.replayOf,
      method: head.method,
      path: head.path,
      status: undefined,
      durationMs: undefined,
      error: undefined,
      mcp: method === undefined ? undefined : { method, ...(name === undefined ? {} : { name }) },
    };
    onReplay(begun);
    const { status, durationMs, error } = await over;
    onReplay({ ...begun, status, durationMs, error });
  }
}
