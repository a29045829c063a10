import type { Visitor } from "../../forwarded/visitor.js";
import type { DeclaredBody } from "../declared-body.js";
import type { UpgradeSocket } from "./upgrade.js";

/** What is known of a request before it is taken to its tunnel. */
export interface ExchangeRequest {
  /** When its head had come, by the monotonic clock, in milliseconds. */
  startedAt: number;
  /** The name of the tunnel. */
  name: string;
  /** The target in origin form. */
  path: string;
  visitor: Visitor;
  body: DeclaredBody;
  /** The connection, when the visitor asks to leave HTTP. */
  upgrade: UpgradeSocket | undefined;
  /** The key under which it counts among its address's requests; `undefined` if it does not count. */
  addressKey: string | undefined;
}
