import type { TunnelError } from "mcp-tunnel-protocol";

/**
 * The life of a client:
 *
 * ```
 * connecting --registered--> online --lost--> reconnecting --registered--> online
 *                            online --goaway--> moving --registered--> online
 *                                               moving --lost--> reconnecting
 *      any of these --close--> closing --ended--> closed        any of these --ended--> closed
 * ```
 */
export type ClientState =
  /** Before the first registration. */
  | { readonly name: "connecting" }
  | { readonly name: "online" }
  /** The relay has asked the client to register anew, and still serves. */
  | { readonly name: "moving" }
  /**
   * The client was registered before and is not now. Open exchanges may go on once it is registered again.
   */
  | { readonly name: "reconnecting"; readonly cause: TunnelError; readonly sinceMs: number }
  /** The client was asked to end. Open exchanges may finish. */
  | { readonly name: "closing" }
  /** The client has ended. Without an error, it was asked to end. */
  | { readonly name: "closed"; readonly error: TunnelError | undefined };

/** The state as users see it: a client that moves is online. @useDeclaredType */
export type ClientStateName = Exclude<ClientState["name"], "moving">;

export type ClientTransition =
  | { readonly type: "registered" }
  /** The relay is shutting down. */
  | { readonly type: "goaway" }
  /** `atMs`: on the clock of `performance.now()`. */
  | { readonly type: "lost"; readonly cause: TunnelError; readonly atMs: number }
  | { readonly type: "close" }
  | { readonly type: "ended"; readonly error?: TunnelError };

/**
 * Decides, as the only place, which state follows. Returns the same state if the transition has no effect in
 * it.
 */
export function nextState(state: ClientState, transition: ClientTransition): ClientState {
  if (state.name === "closed") return state;
  switch (transition.type) {
    case "ended":
      return { name: "closed", error: transition.error };
    case "close":
      return state.name === "closing" ? state : { name: "closing" };
    case "registered":
      return state.name === "online" || state.name === "closing" ? state : { name: "online" };
    case "goaway":
      return state.name === "online" ? { name: "moving" } : state;
    case "lost":
      if (state.name !== "online" && state.name !== "moving") return state;
      return { name: "reconnecting", cause: transition.cause, sinceMs: transition.atMs };
  }
}
