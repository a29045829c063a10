/** A request that the user of the inspector has sent to the service again. */
export interface ReplayEvent {
  /** The id of the replay, which is an exchange as well. */
  readonly id: number;
  /** The id of the exchange that it repeats. */
  readonly replayOf: number;
  /** The name of the tunnel, if the inspector follows several. */
  readonly tunnel?: string;
  /** The HTTP method. */
  readonly method: string;
  /** Secrets are hidden in it. */
  readonly path: string;
  /** Undefined when it begins. */
  readonly status: number | undefined;
  /** The whole replay, in milliseconds. Undefined when it begins. */
  readonly durationMs: number | undefined;
  /** Why it failed: a code of the tunnel, and its text. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** What it is in MCP: `tools/call`, and the name of the tool. */
  readonly mcp:
    | {
        readonly method: string;
        readonly name?: string;
        /** The key of the session in which the inspector shows it. */
        readonly session?: string;
        readonly error?: { readonly code?: number; readonly message: string };
      }
    | undefined;
}
