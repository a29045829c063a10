import type { Field } from "./field.js";

export interface Attack {
  readonly name: string;
  /** What is done, for the table. */
  readonly what: string;
  /** Options of the relay besides the defaults. */
  readonly relayArgs?: readonly string[];
  /** The relay speaks TLS, and HTTP/2 with it. */
  readonly tls?: true;
  /** Whose memory, sockets and end are measured. An attack on the client is a relay of its own; absent: the relay. */
  readonly victim?: "client";
  /** Its connections are not read while the service takes nothing, and stay until `--response-timeout` (docs/security.md). */
  readonly leavesSockets?: true;
  run(field: Field): Promise<void>;
}
