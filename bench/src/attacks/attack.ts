import type { Field } from "./field.js";

export interface Attack {
  readonly name: string;
  /** The attack in words, for the table. */
  readonly what: string;
  /** Options of the relay besides the defaults. */
  readonly relayArgs?: readonly string[];
  /** The relay speaks TLS, and HTTP/2 with it. */
  readonly tls?: true;
  /**
   * The process whose memory, sockets and end are measured. An attack on the client plays the relay itself.
   * Default: the relay.
   */
  readonly victim?: "client";
  /**
   * The relay does not read the attack's connections while the service takes nothing. They stay until
   * `--response-timeout` (docs/security.md).
   */
  readonly leavesSockets?: true;
  run(field: Field): Promise<void>;
}
