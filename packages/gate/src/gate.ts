import type { RequestListener } from "node:http";
import type { GateDeclaration } from "./declaration.js";
import type { BearerKey } from "./options.js";
import type { Verdict, Visit } from "./visit.js";

/** Decides who may visit a service. It knows no tunnel: `gated` (entry `/service`) puts it before one. */
export interface Gate {
  /** What a relay is told of the gate. */
  readonly declaration: GateDeclaration;
  /** The gate decides by the visitor's address, so somebody has to say it. */
  readonly needsAddress: boolean;
  /**
   * Gets ready for visits at a public origin. Called before its first visit, and again for another origin.
   * @throws TunnelError `invalid_option` if the gate cannot work there: OAuth over plain http beyond loopback.
   */
  begin(origin: string): void;
  judge(visit: Visit): Verdict;
  /**
   * Answers visits whose verdict is `page`. `Host` and `X-Forwarded-Proto` have to be the public origin's, and
   * `X-Tunnel-Visitor` the visitor's address, if it is known: whoever mounts the gate writes them.
   */
  readonly pages: RequestListener;
  /**
   * The owner types the number that a page shows. True if somebody waited with that number: he has his grant
   * now.
   */
  approve(number: string): boolean;
  /** Keys and passcode that hold from now on. Grants stay. */
  renew(secrets: { readonly keys?: readonly BearerKey[]; readonly passcode?: string }): void;
  /** Writes what waits to be written, and lets go. */
  close(): Promise<void>;
}
