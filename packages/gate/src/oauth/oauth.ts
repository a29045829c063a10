import type { RequestListener } from "node:http";
import type { Identity, Visit } from "../visit.js";

/** OAuth, as the judge sees it. */
export interface OAuth {
  begin(origin: string): void;
  /** Whose access token this is. Undefined if it is none of this gate, or not for this place. */
  identify(token: string, visit: Visit): Identity | undefined;
  /** The value of `WWW-Authenticate` for a visit that is refused (RFC 9728 section 5.1). */
  challenge(visit: Visit, isTokenWrong: boolean): string;
  /** Whether the gate answers this target itself. */
  owns(target: string): boolean;
  readonly pages: RequestListener;
  approve(number: string): boolean;
  renew(passcode: string): void;
  close(): Promise<void>;
}
