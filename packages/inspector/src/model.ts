/**
 * The entry /model: what the API of the inspector speaks, as JSON. The page and other programs read these
 * types. Texts of strangers come as they were, except that secrets are replaced: whoever shows them has to
 * escape them.
 *
 * A secret stands as `[hidden:MARK]` in every text. A mark is 8 hexadecimal digits, the same for the same
 * secret in one run. `GET /api/exchanges/ID/hidden/MARK` tells the secret. Exports have `[hidden]`.
 */

// ---- the list

/** `refused`: no exchange, but requests that the relay has answered in the tunnel's name. */
export type EntryKind = "http" | "stream" | "websocket" | "refused";

/**
 * `open`: still going on. `done`: it ended well, whatever its status. `failed`: the visitor got an error of
 * the tunnel, or only a part. `cancelled`: the visitor has left.
 */
export type EntryState = "open" | "done" | "failed" | "cancelled";

/** A row of the list. */
export interface ExchangeSummary {
  /** Counts what was captured from 1. Unique in one run of the inspector. */
  readonly id: number;
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  readonly kind: EntryKind;
  readonly state: EntryState;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly method: string;
  /** The target with its query, secrets hidden. */
  readonly path: string;
  /** The final status. Undefined until there is one. */
  readonly status?: number;
  /** The whole exchange, in milliseconds. Undefined while it is open. */
  readonly durationMs?: number;
  /** From the start to the head of the answer, in milliseconds. */
  readonly waitMs?: number;
  /** Bytes of the bodies as they passed, or of an upgraded connection. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** What the request is in MCP. Left out if it is none, or not read yet. */
  readonly mcp?: SummaryMcp;
  /** The user of the gate. */
  readonly user?: string;
  /** This is a replay of the exchange with that id (or of one that is gone). */
  readonly replayOf?: number;
  /** Of `refused`: how many requests this row stands for, and why. */
  readonly refusal?: { readonly code: string; readonly count: number; readonly message: string };
}

export interface SummaryMcp {
  /** The JSON-RPC method of the first message; `(answer)` if the visitor answers a request of the server. */
  readonly method: string;
  /** Name of the tool or the prompt, or URI of the resource. */
  readonly name?: string;
  /** How many messages the request has, if there are more than one. */
  readonly batch?: number;
  /** The key of the session in which it is shown. */
  readonly session?: string;
  /** The answer is a JSON-RPC error, or a tool's result with `isError`. */
  readonly error?: { readonly code?: number; readonly message: string };
}

// ---- one exchange

export interface ExchangeDetail extends ExchangeSummary {
  /** The visitor's address, if the relay says it. */
  readonly visitor?: string;
  readonly request: MessageDetail;
  /**
   * The head as a gate has changed it. Left out if it is the visitor's own. A service on a port may get
   * another `Host` and `Origin` still.
   */
  readonly forService?: { readonly path: string; readonly headers: readonly Field[] };
  readonly interim: readonly {
    readonly atMs: number;
    readonly status: number;
    readonly headers: readonly Field[];
  }[];
  /** Left out if there is no answer (yet). */
  readonly response?: MessageDetail & { readonly status: number };
  /** The messages of a WebSocket, the newest that are kept. */
  readonly socket?: SocketDetail;
  readonly timing: Timing;
  /** How many different secrets are hidden in this answer. */
  readonly hidden: number;
  /** The calls that this exchange carries, by their keys. */
  readonly calls: readonly string[];
  /** Why it cannot be sent again. Left out if it can. */
  readonly noReplay?: string;
  /** What the user may lose by sending it again. Left out if nothing is known to change by it. */
  readonly replayWarning?: string;
}

/** Name and value. */
export type Field = readonly [name: string, value: string];

export interface MessageDetail {
  readonly headers: readonly Field[];
  readonly trailers: readonly Field[];
  readonly body: Body;
}

/**
 * `bytes`: as they passed. `kept`: how many of them are shown. `encoding`: Content-Encoding that was undone.
 */
export type Body =
  | { readonly form: "none" }
  | {
      readonly form: "text";
      readonly text: string;
      readonly json: boolean;
      readonly bytes: number;
      readonly kept: number;
      readonly encoding?: string;
    }
  | {
      readonly form: "binary";
      /** The kept bytes. */
      readonly base64: string;
      readonly bytes: number;
      readonly kept: number;
    }
  | {
      readonly form: "events";
      readonly events: readonly EventDetail[];
      /** Events that came before those that are kept. */
      readonly dropped: number;
      readonly bytes: number;
    }
  /** Content-Encoding that cannot be undone, or a body that was not kept because too much came at once. */
  | { readonly form: "unread"; readonly why: string; readonly bytes: number };

export interface EventDetail {
  /** Since the start of the exchange. */
  readonly atMs: number;
  /** Name of the event; empty: `message`. */
  readonly event: string;
  readonly id?: string;
  readonly data: string;
  /** A comment, as in keep-alives: `data` is its text. */
  readonly comment?: boolean;
  /** Bytes of the event as it passed. More than `data` has if it was too long to keep. */
  readonly bytes: number;
  readonly cut?: boolean;
}

export interface SocketDetail {
  readonly messages: readonly SocketMessage[];
  readonly dropped: number;
  /** Why no further messages can be read. */
  readonly unread?: string;
}

export interface SocketMessage {
  readonly atMs: number;
  readonly from: "visitor" | "service";
  readonly kind: "text" | "binary" | "ping" | "pong" | "close";
  /** Text, or base64 of `binary`. Of `close`: code and reason. */
  readonly data: string;
  readonly bytes: number;
  readonly cut?: boolean;
}

/** Milliseconds since the start of the exchange. Left out: it has not happened. */
export interface Timing {
  readonly requestEndMs?: number;
  /** The head of the answer: until then the visitor waits for the service. */
  readonly headMs?: number;
  readonly firstByteMs?: number;
  readonly endMs?: number;
}

// ---- MCP

export type Era = "legacy" | "modern";

/** What one client says to one server: a session of MCP up to 2025-11-25, or all of one client since. */
export interface McpSession {
  /** Unique in one run of the inspector: `s1`. */
  readonly key: string;
  readonly era: Era;
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  /** The path of the endpoint, without its query. */
  readonly path: string;
  /** The `Mcp-Session-Id` of a session of the earlier era. */
  readonly id?: string;
  readonly client?: { readonly name: string; readonly version?: string; readonly title?: string };
  readonly server?: { readonly name: string; readonly version?: string; readonly title?: string };
  readonly protocolVersion?: string;
  /** Names of the capabilities that each side has announced. */
  readonly clientCapabilities?: readonly string[];
  readonly serverCapabilities?: readonly string[];
  /** The user of the gate. */
  readonly user?: string;
  readonly startedAt: number;
  readonly lastAt: number;
  /** Ended by DELETE. */
  readonly endedAt?: number;
  /** Calls that are kept. */
  readonly calls: number;
  readonly errors: number;
  readonly open: number;
  /** The last answer to `tools/list`: what a host pays for with its context. */
  readonly tools?: { readonly count: number; readonly bytes: number };
  /** A session that the inspector has opened to send a call again. */
  readonly replay?: boolean;
}

/**
 * `tool_error`: a result with `isError`. `cancelled`: the client took it back. `cut`: it ended without an
 * answer.
 */
export type CallOutcome = "open" | "ok" | "error" | "tool_error" | "cancelled" | "cut";

/** A JSON-RPC request of the client, with all that belongs to it. */
export interface McpCall {
  /** `ID.N`: the N-th message of the exchange with that id, from 0. */
  readonly key: string;
  readonly exchange: number;
  readonly session: string;
  readonly method: string;
  /** Name of the tool or the prompt, or URI of the resource. */
  readonly name?: string;
  readonly id: string | number;
  readonly startedAt: number;
  readonly durationMs?: number;
  readonly outcome: CallOutcome;
  readonly error?: { readonly code?: number; readonly message: string };
  readonly lastProgress?: { readonly progress: number; readonly total?: number; readonly message?: string };
  readonly counts: { readonly progress: number; readonly logs: number; readonly requests: number };
  /**
   * Things that the user should know: header fields that disagree with the body, a limit of hosts exceeded.
   */
  readonly notes: readonly CallNote[];
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly replayOf?: number;
}

export interface CallNote {
  readonly code:
    | "header_mismatch"
    | "over_limit"
    | "large_tools_list"
    | "unknown_session"
    | "no_answer"
    | "not_read";
  readonly text: string;
}

export interface CallDetail extends McpCall {
  readonly sessionInfo: McpSession;
  /** The whole message of the client as JSON text, and the `params`, `result` and `error` in it. */
  readonly request: string;
  readonly params?: string;
  readonly result?: string;
  readonly timeline: readonly TimelineItem[];
  /** Its duration beside what hosts wait for. */
  readonly limits: readonly HostLimit[];
  /** From the last tools/list of the session. */
  readonly tool?: ToolInfo;
  readonly hidden: number;
}

export interface TimelineItem {
  /** Since the start of the call. */
  readonly atMs: number;
  readonly from: "client" | "server";
  /** `server_request` and `client_answer`: sampling, elicitation, roots. */
  readonly kind:
    | "request"
    | "progress"
    | "log"
    | "server_request"
    | "client_answer"
    | "notification"
    | "cancel"
    | "result"
    | "error"
    | "end";
  readonly method?: string;
  /** In a few words. */
  readonly text: string;
  /** The message as JSON text. Left out if it is not kept any more. */
  readonly message?: string;
  readonly exchange: number;
}

export interface HostLimit {
  readonly host: string;
  readonly limitMs: number;
  readonly exceeded: boolean;
  /** How far the documentation of that host goes. */
  readonly note?: string;
}

export interface ToolInfo {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  /** The JSON schema of the arguments. */
  readonly inputSchema: unknown;
  readonly readOnly: boolean;
  readonly idempotent: boolean;
  readonly destructive: boolean;
  readonly bytes: number;
}

export interface SessionDetail {
  readonly session: McpSession;
  /** The newest first. */
  readonly calls: readonly McpCall[];
  readonly tools: readonly ToolInfo[];
}

// ---- MCP servers on stdio

export interface ServerState {
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  /** The name in the config file. Left out for the server of `--stdio`. */
  readonly name?: string;
  readonly processes: readonly ServerProcess[];
  /** How many processes were started and failed, over the whole run. */
  readonly started: number;
  readonly failed: number;
}

export interface ServerProcess {
  readonly process: number;
  readonly purpose: string;
  readonly state: "running" | "ended" | "failed";
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly message?: string;
  /** The last lines of its standard error, with their times, and lines of stdout that are no messages. */
  readonly lines: readonly { readonly at: number; readonly text: string; readonly stray?: boolean }[];
  readonly dropped: number;
}

// ---- the inspector itself

export type Connection = "connecting" | "online" | "reconnecting" | "closed";

/** One tunnel of several. */
export interface TunnelState {
  readonly name: string;
  readonly service: string;
  readonly url?: string;
  readonly connection: Connection;
}

export interface InspectorState {
  readonly version: string;
  /** The service, as a person would name it. */
  readonly service: string;
  /** Left out while there is none, and if there are several. */
  readonly url?: string;
  /** Of several tunnels: that of the first one that is not online, or else `online`. */
  readonly connection: Connection;
  /** The tunnels, if the inspector follows several that have names. */
  readonly tunnels?: readonly TunnelState[];
  /** Nothing new is captured. */
  readonly paused: boolean;
  readonly startedAt: number;
  readonly kept: {
    readonly exchanges: number;
    readonly bytes: number;
    readonly maxExchanges: number;
    readonly maxBytes: number;
  };
  /** Exchanges that were not captured, and bodies that were not kept, because too much came at once. */
  readonly missed: { readonly exchanges: number; readonly bodies: number };
}

/** One line of `GET /api/stream`. */
export type StreamMessage =
  /** The first message, and later whenever it has changed. */
  | { readonly type: "state"; readonly state: InspectorState }
  /** New or changed exchanges that match the filters, by id. The first such message has all that are kept. */
  | { readonly type: "exchanges"; readonly exchanges: readonly ExchangeSummary[] }
  /** They are not kept any more, or do not match any more. */
  | { readonly type: "gone"; readonly ids: readonly number[] }
  /** All that was sent before is void, because it was cleared. */
  | { readonly type: "reset" }
  /** New or changed sessions, and keys of those that are gone. */
  | { readonly type: "sessions"; readonly sessions: readonly McpSession[]; readonly gone: readonly string[] }
  | { readonly type: "servers"; readonly servers: readonly ServerState[] };

/** Filters of the list, of the stream and of the HAR export: query parameters of these names. */
export interface Filters {
  /** HTTP methods, separated by commas. */
  readonly method?: string;
  /** The name of a tunnel. */
  readonly tunnel?: string;
  /** A part of the target. */
  readonly path?: string;
  /** Statuses, separated by commas: `404`, `4xx`, `200-299`. */
  readonly status?: string;
  /** A text in heads or bodies, whatever its case. */
  readonly text?: string;
  /** A JSON-RPC method, or the part of one before or after its slash. */
  readonly mcp?: string;
  /** Name of a tool or a prompt, or URI of a resource. */
  readonly tool?: string;
  /** The key of a session. */
  readonly session?: string;
  /** `1`: only what failed: a status from 400 on, a JSON-RPC error, a tool's error, a cut exchange. */
  readonly errors?: "1";
  /** Only what took longer than so many milliseconds, or is open as long. */
  readonly slower?: string;
  /** Kinds of entries, separated by commas. */
  readonly kind?: string;
  /** `1`: only replays; `0`: none. */
  readonly replays?: "0" | "1";
}

/** Body of `POST /api/exchanges/ID/replay`. */
export interface ReplayRequest {
  /** The user has read the warning. Without it, what has a `replayWarning` is 409 `needs_confirmation`. */
  readonly confirmed?: boolean;
  /** Replaces parts of the request. For a message of MCP: `body` is the message; the session is a new one. */
  readonly edit?: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: readonly Field[];
    /** As text. */
    readonly body?: string;
  };
}

/** Answer to a replay, with 202: the replay goes on and is in the list under this id. */
export interface ReplayAnswer {
  readonly id: number;
}

/** Any answer with a status from 400 on. */
export interface ApiError {
  /** A stable token. */
  readonly code: string;
  /** What was wrong and what to do. */
  readonly message: string;
}
