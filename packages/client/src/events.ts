import type { ResetCode, TunnelError, Wire } from "mcp-tunnel-protocol";
import type { RelayClient } from "./relay-client.js";
import type { RefusedEvent } from "./refusals.js";
import type { RequestEndEvent, RequestStartEvent } from "./service/request-events.js";
import type { ClientWarning } from "./service/service.js";

/**
 * The events of a {@link TunnelClient}, with the arguments of their listeners. Their texts are as the relay,
 * visitors and the local service said them. A listener has to escape control characters in them before it
 * prints them, or a terminal obeys them.
 *
 * None is called `error`, which Node throws if nobody listens, and for which `once` and `on` of node:events
 * reject. What a listener throws becomes an uncaught exception of its own: the client goes on, and the
 * listeners of the event that were added later are not called.
 */
export interface ClientEvents {
  /**
   * The client is registered. `resumed`: open exchanges go on. It is false the first time and for a new
   * session. `relayClient`: the package of the client that the relay serves, if it says so.
   */
  connected: [
    {
      url: string;
      subdomain: string;
      wire: Wire;
      resumed: boolean;
      relayClient: RelayClient | undefined;
    },
  ];
  /**
   * The connection to the relay is gone. This event does not come if a relay shuts down and another one takes
   * over in time.
   */
  disconnected: [{ cause: TunnelError }];
  /**
   * Another attempt follows after `delayMs`. `attempt` counts from 1 since the last stable connection. If the
   * code of `cause` is `draining`, nothing is lost yet: the relay is shutting down and still serves.
   */
  reconnecting: [{ attempt: number; delayMs: number; cause: TunnelError }];
  /** Another client has taken the name. `closed` follows. */
  evicted: [{ reason: string }];
  /**
   * A request has begun. It comes before anything of it is checked, and for each there is one `request` with
   * the same `id`. Nothing is made for an event to which nobody listens.
   */
  requestStart: [RequestStartEvent];
  /** A request, or an upgraded connection, is over. */
  request: [RequestEndEvent];
  /**
   * The relay has answered requests in the tunnel's name, or cut answers, because of a limit of its own or
   * because this client was away. Each event stands for all refusals of a kind. There are at most 32 kinds,
   * and one event a second for each of them. A request that had reached this client before has its `request`
   * event as well. Older relays report no refusals.
   */
  refused: [RefusedEvent];
  /**
   * A fault that does not end the client: the local service cannot be reached, or a `fetch` handler or a
   * `service` threw (`internal`, with its stack), the latter perhaps when it was closed. A `handler` in
   * Node's form that throws, or rejects, is no event: it is an uncaught exception, as in any server of
   * node:http.
   */
  fault: [{ code: ResetCode; message: string }];
  /**
   * Something works differently through the tunnel, and a setting of the service or an option of the client
   * mends it. Each code comes once. `signed_metadata`: the service's OAuth metadata names the local origin
   * and cannot be rewritten. `redirects_to_https`: the service redirects visitors to the URL that they asked
   * for. `own_login`: the service behind a gate asks for a token of its own, which no visitor can show it.
   */
  warning: [ClientWarning];
  /** The client has ended for good. `error` says why, unless `close` ended it. */
  closed: [{ error: TunnelError | undefined }];
}
