import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApprovalKind } from "../events.js";

/** A host's request for a grant, which waits for somebody's consent. */
export interface ConsentRequest {
  /** Unguessable. It stands in the path of the page. */
  readonly id: string;
  readonly client: ConsentClient;
  /** The URL of what would be granted. Several URLs have spaces between. */
  readonly resource: string;
  readonly expiresAtMs: number;
  /** Somebody has approved it already: the page has only to go on. */
  readonly approved: Approval | undefined;
}

export interface ConsentClient {
  readonly id: string;
  /** The name that the client gave itself. Anybody may call himself anything. */
  readonly name: string;
  /**
   * The host of its metadata document, which proves that the client is that host's; undefined: it registered
   * itself.
   */
  readonly documentHost: string | undefined;
  /** Where the answer goes. */
  readonly redirectUri: string;
  /** The answer goes to a program on the computer of whoever consents. */
  readonly isLoopback: boolean;
}

export interface Approval {
  readonly by: ApprovalKind;
  /** `owner`, or an e-mail address. */
  readonly user: string;
}

/** The requests that wait, as the pages see them. */
export interface Consents {
  /**
   * The request with this id, if this browser made it: it shows the cookie. `undefined` if it is over, or
   * another browser's.
   */
  find(id: string, req: IncomingMessage, res: ServerResponse): Promise<ConsentRequest | undefined>;
  /**
   * Sends the browser on again, if it made the request and somebody has answered. False if it did not, or the
   * host has the answer already.
   */
  again(id: string, req: IncomingMessage, res: ServerResponse): boolean;
  /** Remembers that the request was approved, and by whom. The browser gets its grant when it comes again. */
  approve(id: string, approval: Approval): void;
  /** Makes the grant, and sends the browser on. */
  grant(id: string, approval: Approval, req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Sends the browser back with `access_denied`. */
  deny(id: string, req: IncomingMessage, res: ServerResponse): Promise<void>;
}

/** The pages on which people consent. */
export interface ConsentPages {
  /**
   * Answers requests for {@link ownPaths.consent} and {@link ownPaths.loggedIn}. `origin`: the public one.
   */
  handle(req: IncomingMessage, res: ServerResponse, about: PageVisit): Promise<void>;
  /**
   * A page for an error of the authorization endpoint. `back`: where a person may go to tell the client, by a
   * link.
   */
  error(res: ServerResponse, status: number, problem: Problem): void;
  /** {@link Gate.approve} */
  approve(number: string): boolean;
  /** A passcode that holds from now on. */
  renew(passcode: string): void;
}

export interface Problem {
  readonly title: string;
  readonly text: string;
  readonly back?: string;
}

export interface PageVisit {
  readonly origin: string;
  readonly address: string | undefined;
}
