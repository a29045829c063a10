import {
  abortError,
  claimFeature,
  closeCodes,
  gateRequiredReason,
  parseAcknowledge,
  parseOffer,
  poolFeature,
  providerUnavailableReason,
  TunnelError,
  unusable,
} from "mcp-tunnel-protocol";
import type { AcknowledgeMessage, RegisterMessage } from "mcp-tunnel-protocol";
import type { WebSocketLink } from "mcp-tunnel-protocol/ws";
import type { PickSubdomain } from "../options.js";
import { openLink, requireFeature } from "./open-link.js";
import type { LinkRequest } from "./open-link.js";

export interface RegisterRequest extends LinkRequest {
  readonly message: RegisterMessage;
  readonly pick: PickSubdomain;
  /** Gives the attempt up: for {@link anotherAttempt}, or for good. */
  readonly signal: AbortSignal;
}

/**
 * The reason for which an attempt is given up when another one replaces it. The relay must not take that for
 * the end of the session.
 */
export const anotherAttempt = "another attempt is made";

/** The relay has accepted us. The next message on the link belongs to the session. */
export interface Registration {
  readonly link: WebSocketLink;
  readonly acknowledge: AcknowledgeMessage;
}

/**
 * One attempt to register: opens the WebSocket, says who we are, picks from an offer, waits for the
 * acknowledgement.
 * @throws TunnelError `refused`, `evicted`, `taken` and `unsupported` (final); `unreachable`, `timeout`,
 * `protocol_error` (worth another try); `ABORT_ERR` after `signal`; any error that `pick` throws.
 */
export async function register(request: RegisterRequest): Promise<Registration> {
  const opened = await openLink(request);
  const { claim, pool } = request.message;
  // A relay that does not know them would ignore them, and evict whoever has the name.
  if (claim !== undefined)
    requireFeature(opened, request, claimFeature, "cannot register a name only if it is free");
  if (pool === true)
    requireFeature(opened, request, poolFeature, "cannot let several clients share a name (--pool)");
  const attempt = new RegistrationAttempt(opened.link, request);
  return attempt.result;
}

class RegistrationAttempt {
  readonly result: Promise<Registration>;
  readonly #link: WebSocketLink;
  readonly #request: RegisterRequest;
  #settle!: { resolve(registration: Registration): void; reject(error: unknown): void };
  #timer: NodeJS.Timeout | undefined;
  #picking: "not yet" | "now" | "done" = "not yet";
  #closed: TunnelError | undefined;
  #done = false;

  constructor(link: WebSocketLink, request: RegisterRequest) {
    this.#link = link;
    this.#request = request;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    link.handler = {
      onMessage: (message) => this.#onMessage(message),
      onClose: (code, reason) => this.#onClose(closeError(request, code, reason)),
    };
    request.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (request.signal.aborted) this.#onAbort();
    this.#send(request.message);
  }

  readonly #onAbort = (): void => {
    this.#fail(abortError(this.#request.signal), this.#request.signal.reason !== anotherAttempt);
  };

  #send(message: object): void {
    this.#link.send(JSON.stringify(message));
    this.#timer = setTimeout(() => {
      const { timeoutMs } = this.#request;
      this.#fail(new TunnelError("timeout", `the relay did not answer the registration in ${timeoutMs} ms`));
    }, this.#request.timeoutMs);
  }

  #onMessage(message: Buffer | string): void {
    if (typeof message !== "string") return;
    const offer = this.#picking === "not yet" ? parseOffer(message) : undefined;
    if (offer !== undefined) {
      void this.#pick(offer.subdomains);
      return;
    }
    const acknowledge = parseAcknowledge(message);
    if (acknowledge === undefined) return; // Skipped, as the original does.
    if (!isPublicUrl(acknowledge.url)) {
      this.#fail(new TunnelError("protocol_error", "the relay acknowledged with a URL that is not one"));
      return;
    }
    this.#finish();
    // From here on messages wait in the link until the session takes it over.
    this.#link.handler = undefined;
    this.#settle.resolve({ link: this.#link, acknowledge });
  }

  /** The clocks for registering do not run while a person thinks: neither the relay's nor ours. */
  async #pick(patterns: readonly string[]): Promise<void> {
    this.#picking = "now";
    clearTimeout(this.#timer);
    try {
      const subdomain = await this.#request.pick(patterns);
      this.#picking = "done";
      if (this.#closed !== undefined) this.#fail(this.#closed);
      else if (!this.#done) this.#send({ subdomain });
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * The relay may close the connection while a person thinks. The answer is still wanted, for the next
   * attempt.
   */
  #onClose(error: TunnelError): void {
    if (this.#picking === "now") this.#closed = error;
    else this.#fail(error);
  }

  /** `isGoodbye`: no other attempt follows. */
  #fail(error: unknown, isGoodbye = false): void {
    if (this.#done) return;
    this.#finish();
    this.#link.handler = undefined;
    // Otherwise no goodbye is said. If the relay has accepted us and its answer was lost, the next attempt
    // resumes that session.
    if (isGoodbye) this.#link.close(closeCodes.normal, "");
    else this.#link.terminate();
    this.#settle.reject(error);
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener("abort", this.#onAbort);
  }
}

/** Picks without a person: the only pattern, if it is a name. */
export function pickOnly(patterns: readonly string[]): string {
  const [only] = patterns;
  if (only === undefined) throw new TunnelError("refused", "the relay allows this token no name at all");
  if (patterns.length === 1 && !only.includes("*")) return only;
  throw unusable(
    `the relay allows this token names like ${patterns.map((pattern) => `'${pattern}'`).join(", ")}: ` +
      "ask for one of them as the subdomain",
    { options: ["subdomain"] },
  );
}

/**
 * Whether a relay's text is the URL of a tunnel. A parser of URLs leaves out line ends and spaces, and a
 * person who pastes the text into a shell does not.
 */
export function isPublicUrl(text: string): boolean {
  if (/[\p{C}\p{Z}]/u.test(text) || !URL.canParse(text)) return false;
  const { protocol } = new URL(text);
  return protocol === "https:" || protocol === "http:";
}

/** What the close of a link means that has not been registered. */
export function closeError(
  { message }: Pick<RegisterRequest, "message">,
  code: number,
  reason: string,
): TunnelError {
  const said = reason === "" ? `code ${code}` : `code ${code}: ${reason}`;
  switch (code) {
    case closeCodes.authenticationFailed:
      // An original relay has no other code for an unavailable provider. Ours says 1013 to a client that
      // returns. A client that registers for the first time is told at once.
      if (message.returning === true && reason === providerUnavailableReason) break;
      if (reason.startsWith(gateRequiredReason)) return new TunnelError("refused", gateRequired(message));
      return new TunnelError("refused", `the relay refused the registration: ${reason || "no reason given"}`);
    case closeCodes.evicted:
      return new TunnelError("evicted", reason || "another client holds the name");
    case closeCodes.taken:
      return new TunnelError(
        "taken",
        `${reason || "the name is in use"}: another client has it, or the relay keeps it for one that has ` +
          "lost its connection, and this client takes only a free name",
      );
  }
  return new TunnelError("unreachable", `the relay closed the connection while registering (${said})`);
}

/** What to do is told in the client's own words. Those of the relay are a stranger's. */
function gateRequired({ gate }: RegisterMessage): string {
  const own = gate === undefined ? "has none" : `declares ${gate.kinds.join(", ") || "addresses alone"}`;
  return (
    "the relay takes only tunnels with a gate that asks visitors for a proof (bearer, basic or oauth), and " +
    `this one ${own}: add --visitor-auth oauth,bearer to the command, or put a gate before the service ` +
    "of a program"
  );
}
