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
  /** What it is. */
  readonly kind: EntryKind;
  /** How far it is. */
  readonly state: EntryState;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** The HTTP method. Of `refused`: that of the first request. */
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
  /** The same of the answer. */
  readonly responseBytes: number;
  /** Why the exchange failed: a code of the tunnel, and its text. */
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

/** What a request is in MCP, for a row of the list. */
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

/** One exchange, with its heads and bodies. */
export interface ExchangeDetail extends ExchangeSummary {
  /** The visitor's address, if the relay says it. */
  readonly visitor?: string;
  /** The request as the visitor sent it. */
  readonly request: MessageDetail;
  /**
   * The head as a gate has changed it. Left out if it is the visitor's own. A service on a port may get
   * another `Host` and `Origin` still.
   */
  readonly forService?: { readonly path: string; readonly headers: readonly Field[] };
  /** Interim heads of the answer (1xx). `atMs`: since the start of the exchange. */
  readonly interim: readonly {
    readonly atMs: number;
    readonly status: number;
    readonly headers: readonly Field[];
  }[];
  /** Left out if there is no answer (yet). */
  readonly response?: MessageDetail & { readonly status: number };
  /** The messages of a WebSocket, the newest that are kept. */
  readonly socket?: SocketDetail;
  /** When the parts of the exchange passed. */
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

/** A request or an answer: its fields as they came, in their order, and its body. */
export interface MessageDetail {
  /** The fields of the head. */
  readonly headers: readonly Field[];
  /** The fields behind the body. */
  readonly trailers: readonly Field[];
  /** The body, as far as it is kept. */
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

/** One event of an event stream. */
export interface EventDetail {
  /** Since the start of the exchange. */
  readonly atMs: number;
  /** Name of the event; empty: `message`. */
  readonly event: string;
  /** The event's `id`, if it has one. */
  readonly id?: string;
  /** The text of its `data` lines. */
  readonly data: string;
  /** A comment, as in keep-alives: `data` is its text. */
  readonly comment?: boolean;
  /** Bytes of the event as it passed. More than `data` has if it was too long to keep. */
  readonly bytes: number;
  /** Only a part of the event is kept. */
  readonly cut?: boolean;
}

/** What passed over a WebSocket. */
export interface SocketDetail {
  /** The newest messages, the oldest of them first. */
  readonly messages: readonly SocketMessage[];
  /** How many messages came before those that are kept. */
  readonly dropped: number;
  /** Why no further messages can be read. */
  readonly unread?: string;
}

/** One message of a WebSocket. */
export interface SocketMessage {
  /** Milliseconds since the start of the exchange. */
  readonly atMs: number;
  /** Who sent it. */
  readonly from: "visitor" | "service";
  /** The kind of its frame. */
  readonly kind: "text" | "binary" | "ping" | "pong" | "close";
  /** Text, or base64 of `binary`. Of `close`: code and reason. */
  readonly data: string;
  /** Bytes of the message as it passed. */
  readonly bytes: number;
  /** Only a part of the message is kept. */
  readonly cut?: boolean;
}

/** Milliseconds since the start of the exchange. Left out: it has not happened. */
export interface Timing {
  /** The end of the request. */
  readonly requestEndMs?: number;
  /** The head of the answer: until then the visitor waits for the service. */
  readonly headMs?: number;
  /** The first byte of the answer's body. */
  readonly firstByteMs?: number;
  /** The end of the exchange. */
  readonly endMs?: number;
}

// ---- MCP

/** Revisions of MCP: `legacy` up to 2025-11-25, with sessions, and `modern` since, without. */
export type Era = "legacy" | "modern";

/** What one client says to one server: a session of MCP up to 2025-11-25, or all of one client since. */
export interface McpSession {
  /** Unique in one run of the inspector: `s1`. */
  readonly key: string;
  /** The revisions that the client speaks. */
  readonly era: Era;
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  /** The path of the endpoint, without its query. */
  readonly path: string;
  /** The `Mcp-Session-Id` of a session of the earlier era. */
  readonly id?: string;
  /** What the client says of itself. */
  readonly client?: { readonly name: string; readonly version?: string; readonly title?: string };
  /** What the server says of itself. */
  readonly server?: { readonly name: string; readonly version?: string; readonly title?: string };
  /** The revision of MCP that both have agreed on. */
  readonly protocolVersion?: string;
  /** Names of the capabilities that each side has announced. */
  readonly clientCapabilities?: readonly string[];
  /** The same of the server. */
  readonly serverCapabilities?: readonly string[];
  /** The user of the gate. */
  readonly user?: string;
  /** Its first message, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Its last message, in milliseconds since 1970. */
  readonly lastAt: number;
  /** Ended by DELETE. */
  readonly endedAt?: number;
  /** Calls that are kept. */
  readonly calls: number;
  /** Calls among them that failed. */
  readonly errors: number;
  /** Calls among them that are still going on. */
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
  /** The id of the exchange that carries it. */
  readonly exchange: number;
  /** The key of its session. */
  readonly session: string;
  /** The JSON-RPC method. */
  readonly method: string;
  /** Name of the tool or the prompt, or URI of the resource. */
  readonly name?: string;
  /** The id of the request in JSON-RPC. */
  readonly id: string | number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** From the request to its result, in milliseconds. Left out while it is open. */
  readonly durationMs?: number;
  /** How it ended. */
  readonly outcome: CallOutcome;
  /** The JSON-RPC error, or the text of a tool's error, which has no code. */
  readonly error?: { readonly code?: number; readonly message: string };
  /** The last progress that the server has told. */
  readonly lastProgress?: { readonly progress: number; readonly total?: number; readonly message?: string };
  /** How many messages of each kind the server has sent during the call. */
  readonly counts: { readonly progress: number; readonly logs: number; readonly requests: number };
  /**
   * Things that the user should know: header fields that disagree with the body, a limit of hosts exceeded.
   */
  readonly notes: readonly CallNote[];
  /** Bytes of the request's body. */
  readonly requestBytes: number;
  /** Bytes of the answer's body. */
  readonly responseBytes: number;
  /** This is a replay of the exchange with that id. */
  readonly replayOf?: number;
}

/** Something about a call that the user should know. */
export interface CallNote {
  /** What it is, as a stable token. */
  readonly code:
    | "header_mismatch"
    | "over_limit"
    | "large_tools_list"
    | "unknown_session"
    | "no_answer"
    | "not_read";
  /** The same in words. */
  readonly text: string;
}

/** A call with its messages. */
export interface CallDetail extends McpCall {
  /** The session in which it was made. */
  readonly sessionInfo: McpSession;
  /** The whole message of the client as JSON text, and the `params`, `result` and `error` in it. */
  readonly request: string;
  /** The `params` of the request as JSON text. */
  readonly params?: string;
  /** The `result` or the `error` as JSON text. */
  readonly result?: string;
  /** All messages of the call, in their order. */
  readonly timeline: readonly TimelineItem[];
  /** Its duration beside what hosts wait for. */
  readonly limits: readonly HostLimit[];
  /** From the last tools/list of the session. */
  readonly tool?: ToolInfo;
  /** How many different secrets are hidden in this answer. */
  readonly hidden: number;
}

/** A message of a call. */
export interface TimelineItem {
  /** Since the start of the call. */
  readonly atMs: number;
  /** Who sent it. */
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
  /** The JSON-RPC method, if it has one. */
  readonly method?: string;
  /** In a few words. */
  readonly text: string;
  /** The message as JSON text. Left out if it is not kept any more. */
  readonly message?: string;
  /** The id of the exchange that carried it. */
  readonly exchange: number;
}

/** How long a host waits for a call. */
export interface HostLimit {
  /** The host's name. */
  readonly host: string;
  /** How long it waits, in milliseconds. */
  readonly limitMs: number;
  /** The call took longer. */
  readonly exceeded: boolean;
  /** How far the documentation of that host goes. */
  readonly note?: string;
}

/** A tool, as the server lists it. */
export interface ToolInfo {
  /** The name by which it is called. */
  readonly name: string;
  /** The name for people. */
  readonly title?: string;
  /** What it does, in the server's words. */
  readonly description?: string;
  /** The JSON schema of the arguments. */
  readonly inputSchema: unknown;
  /** The server says that it changes nothing. */
  readonly readOnly: boolean;
  /** The server says that a second call with the same arguments changes nothing more. */
  readonly idempotent: boolean;
  /** It is not read-only, and the server does not deny that it may destroy something. */
  readonly destructive: boolean;
  /** Its size in the list, as JSON text. */
  readonly bytes: number;
}

/** A session with its calls. */
export interface SessionDetail {
  /** The session itself. */
  readonly session: McpSession;
  /** The newest first. */
  readonly calls: readonly McpCall[];
  /** The tools of the last answer to `tools/list`. */
  readonly tools: readonly ToolInfo[];
}

// ---- MCP servers on stdio

/** An MCP server on stdio, with its processes. */
export interface ServerState {
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  /** The name in the config file. Left out for the server of `--stdio`. */
  readonly name?: string;
  /** Its processes, those that run and the last that ended. */
  readonly processes: readonly ServerProcess[];
  /** How many processes were started and failed, over the whole run. */
  readonly started: number;
  /** How many of them failed. */
  readonly failed: number;
}

/** A process of an MCP server on stdio. */
export interface ServerProcess {
  /** Counts the processes from 1. */
  readonly process: number;
  /** What it was started for. */
  readonly purpose: string;
  /** Whether it runs. */
  readonly state: "running" | "ended" | "failed";
  /** Its start, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Its end, in milliseconds since 1970. */
  readonly endedAt?: number;
  /** The last that is known of it, in words: how it ended, for example. */
  readonly message?: string;
  /** The last lines of its standard error, with their times, and lines of stdout that are no messages. */
  readonly lines: readonly { readonly at: number; readonly text: string; readonly stray?: boolean }[];
  /** How many lines came before those that are kept. */
  readonly dropped: number;
}

// ---- the inspector itself

/** A tunnel's connection to its relay. */
export type Connection = "connecting" | "online" | "reconnecting" | "closed";

/** One tunnel of several. */
export interface TunnelState {
  /** The name by which the inspector knows it. */
  readonly name: string;
  /** The service, as a person would name it. */
  readonly service: string;
  /** The public URL, once there is one. */
  readonly url?: string;
  /** Its connection to the relay. */
  readonly connection: Connection;
}

/** What the inspector follows and keeps. */
export interface InspectorState {
  /** The version of the inspector. */
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
  /** When the inspector was made, in milliseconds since 1970. */
  readonly startedAt: number;
  /** What is kept, and how much may be. */
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
  /** The id of the new exchange. */
  readonly id: number;
}

/** Any answer with a status from 400 on. */
export interface ApiError {
  /** A stable token. */
  readonly code: string;
  /** What was wrong and what to do. */
  readonly message: string;
}
