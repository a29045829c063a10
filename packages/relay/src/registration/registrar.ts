import { hash, randomUUID } from "node:crypto";
import type { Claimant, ReturningClient, Verdict } from "mcp-tunnel-cluster/relay";
import {
  type AcknowledgeMessage,
  type ClientPackage,
  closeCodes,
  gateRequiredReason,
  isName,
  type Link,
  parsePick,
  parseRegister,
  type RegisterMessage,
  supportedProtocols,
  TunnelError,
} from "mcp-tunnel-protocol";
import { defaultWindow, JsonRelaySession, V1RelaySession } from "mcp-tunnel-protocol/sessions";
import { printable, stackOf } from "mcp-tunnel-shared";
import { type AuthenticationResult, checkAnswer, resolveName } from "../auth/authenticator.js";
import { grants, unauthorizedReason } from "../auth/patterns.js";
import { type Admission, type Applicant, tokenKey } from "../admission/admission.js";
import type { LimitReporter } from "../telemetry/limit-reporter.js";
import { asksForProof } from "../tunnels/gate.js";
import { admitName, shorten } from "../tunnels/name.js";
import { notAllowed } from "./allowance.js";
import { check } from "./check.js";
import type { RegistrationOptions } from "./options.js";
import { isLater } from "../tunnels/directory.js";
import { goingAway, Tunnel, type TunnelInfo } from "../tunnels/tunnel.js";
import type { Tunnels } from "../tunnels/tunnels.js";
import { Inbox } from "./inbox.js";
import { Refusal } from "./refusal.js";

type Permission = Exclude<AuthenticationResult, { refused: string }>;

/** How far a registration is. */
export interface RegistrationProgress {
  /** The client has said what it wants. */
  onHeard(): void;
  /** The client has been asked to pick a name. */
  onAsked(): void;
  /** The client has picked one. */
  onPicked(): void;
}

/** Whom a registration is for, as far as it is known by now: for the log and the observers. */
interface Registrant {
  readonly address: string;
  /** The name that it has asked for, or gets. */
  name: string | undefined;
  /** The id of its token. */
  token: string | undefined;
}

/** Makes tunnels of the connections of clients (PROTOCOL.md, section 1). */
export class Registrar {
  readonly #options: RegistrationOptions;
  readonly #tunnels: Tunnels;
  readonly #admission: Admission;
  readonly #limits: LimitReporter;
  readonly #publicUrl: (name: string) => string;

  /** `publicUrl` gives the public URL of a name. */
  constructor(
    options: RegistrationOptions,
    tunnels: Tunnels,
    admission: Admission,
    limits: LimitReporter,
    publicUrl: (name: string) => string,
  ) {
    this.#options = options;
    this.#tunnels = tunnels;
    this.#admission = admission;
    this.#limits = limits;
    this.#publicUrl = publicUrl;
  }

  /**
   * Lets a client register, and resolves when it has a tunnel or has been sent away. `isAtDomain`: it has
   * come to the relay's own domain. `progress` is told how far it is.
   */
  async register(
    link: Link,
    applicant: Applicant,
    isAtDomain: boolean,
    progress: RegistrationProgress,
  ): Promise<void> {
    const registrant: Registrant = { address: applicant.address, name: undefined, token: undefined };
    try {
      await this.#register(link, applicant, registrant, isAtDomain, progress);
    } catch (error) {
      this.#reject(link, error, registrant);
    }
  }

  async #register(
    link: Link,
    applicant: Applicant,
    registrant: Registrant,
    isAtDomain: boolean,
    progress: RegistrationProgress,
  ): Promise<void> {
    const { registrationTimeoutMs } = this.#options;
    const { address } = registrant;
    let inbox = new Inbox(link);
    const { message, text } = await inbox
      .next(readRegister, registrationTimeoutMs)
      .catch((error: unknown) => {
        if (isTimeout(error)) this.#limits.hit("registration_time", { address });
        throw error;
      });
    progress.onHeard();
    registrant.name = nameIn(message.subdomain);
    if (message.claim === "unknown") {
      throw new Refusal(
        closeCodes.authenticationFailed,
        "this relay knows the claims check, if_free and take",
      );
    }
    // Below the name of a tunnel, the path of the package is the tunnel's own.
    if (!isAtDomain) delete message.clientPackage;
    if (message.claim !== "check") {
      if (this.#resume(link, message, address)) {
        this.#admission.resumed(applicant);
        return;
      }
      // A client that has come through another relay goes no further: that relay has asked this one.
      if (applicant.spliced !== true && this.#isElsewhere(message)) {
        inbox.release();
        if (await this.#returnElsewhere(link, message.resume, text, applicant, isAtDomain)) return;
        // The client may have left, or said more. The new inbox hears of both.
        inbox = new Inbox(link);
      }
    }

    const permission = await this.#authenticate(message, applicant);
    const { allowed, grant } = permission;
    registrant.token = grant?.id;
    if (message.claim === "check") {
      const checked = await check(message, permission, {
        options: this.#options,
        tunnels: this.#tunnels,
        publicUrl: this.#publicUrl,
      });
      this.#options.logger.info(
        { name: checked.subdomain, address, token: registrant.token },
        "registration checked",
      );
      link.send(JSON.stringify({ checked }));
      link.close(closeCodes.normal, "checked");
      return;
    }
    this.#checkGate(message);
    if (message.pool === true && message.instance === undefined) {
      throw new Refusal(closeCodes.authenticationFailed, "a client of a pool has to say which process it is");
    }
    const wanted =
      resolveName(allowed, message.subdomain || undefined) ??
      (await this.#offer(link, inbox, allowed, registrant, progress));
    registrant.name = nameIn(wanted);
    const admitted = admitName(wanted, allowed, this.#options.reservedNames);
    if ("refused" in admitted) throw new Refusal(closeCodes.authenticationFailed, admitted.refused);
    const wants: Wants = {
      name: admitted.name,
      address,
      owner: tokenKey(message.token),
      grant,
      instance: message.instance === undefined ? undefined : hash("sha256", message.instance, "base64url"),
      pool: message.pool === true ? (message.gate?.digest ?? "") : undefined,
    };
    this.#checkAllowed(wants, registrant);

    this.#checkOpen(inbox);
    await this.#begin(link, inbox, this.#tunnelOf(message, wants), message);
  }

  /** Which names the token may have. */
  async #authenticate(message: RegisterMessage, applicant: Applicant): Promise<Permission> {
    if (!this.#admission.mayTryToken(applicant)) {
      throw new Refusal(closeCodes.tryAgainLater, "too many refused tokens from this address; try later");
    }
    const { token, subdomain } = message;
    const credentials = { token, subdomain: subdomain || undefined };
    const result = checkAnswer(await this.#options.authenticator.authenticate(credentials));
    if (!("refused" in result)) return result;
    if (result.undecided !== true) this.#admission.tokenFailed(applicant);
    // A client takes a refusal for final. But an outage of the provider should not end the clients that come
    // back meanwhile, and a client that only asks should not be told that its token is bad.
    const mayAskAgain = result.undecided === true && (isReturning(message) || message.claim === "check");
    throw new Refusal(
      mayAskAgain ? closeCodes.tryAgainLater : closeCodes.authenticationFailed,
      result.refused,
    );
  }

  /** A resumed session does not come here: it keeps the gate with which it was registered. */
  #checkGate({ gate }: RegisterMessage): void {
    if (!this.#options.requireVisitorAuth || asksForProof(gate?.kinds)) return;
    // Most clients that are told this are originals or older than gates, so the reason says what to do.
    const reason = `${gateRequiredReason}: use mcp-tunnel-client with --visitor-auth oauth,bearer`;
    throw new Refusal(closeCodes.authenticationFailed, reason);
  }

  #checkAllowed(wants: Wants, registrant: Registrant): void {
    const found = notAllowed(wants, this.#tunnels, this.#options);
    if (found === undefined) return;
    if (found.limit !== undefined) this.#limits.hit(found.limit, registrant);
    throw found.refusal;
  }

  /** Lets the client pick a name that matches one of the patterns. */
  async #offer(
    link: Link,
    inbox: Inbox,
    allowed: readonly string[],
    registrant: Registrant,
    progress: RegistrationProgress,
  ): Promise<string> {
    progress.onAsked();
    link.send(JSON.stringify({ subdomains: allowed }));
    const pick = await inbox.next(parsePick, this.#options.pickTimeoutMs).catch((error: unknown) => {
      if (isTimeout(error)) this.#limits.hit("pick_time", registrant);
      throw error;
    });
    progress.onPicked();
    if (grants(allowed, pick.subdomain)) return pick.subdomain;
    throw new Refusal(closeCodes.authenticationFailed, unauthorizedReason(shorten(pick.subdomain)));
  }

  /** Resumes the session that the client names; false when the relay does not know it. */
  #resume(link: Link, message: RegisterMessage, address: string): boolean {
    const { resume } = message;
    if (resume === undefined || !speaksV1(message)) return false;
    const verdict = this.#tunnels.sessions.verdict(resume.session);
    if (verdict !== undefined) throw new Refusal(verdict.code, verdict.reason);
    const found = this.#tunnels.sessions.find(resume.session, resume.secret);
    if (found === undefined) return false;
    const { tunnel, session } = found;
    // Before `attach`, which sends at once, because the acknowledgement is the last text message.
    this.#acknowledge(link, {
      ...this.#v1Terms(tunnel, message),
      session: { id: resume.session, secret: resume.secret },
      resumed: { received: session.received },
    });
    tunnel.attach(session, link, resume.received, address);
    this.#options.logger.info({ name: tunnel.name, address, streams: session.streamCount }, "tunnel resumed");
    return true;
  }

  /** Whether the client wants to go on with a session that another relay of the cluster has, or had. */
  #isElsewhere(message: RegisterMessage): message is RegisterMessage & { resume: Resume } {
    const { member } = this.#options;
    if (member === undefined || message.resume === undefined || !speaksV1(message)) return false;
    const node = nodeOf(message.resume.session);
    return node !== undefined && node !== member.node;
  }

  /**
   * Takes a client to the relay that has its session. False when no relay has it any more: then the client
   * registers anew. As it returns, it evicts nobody by that.
   */
  async #returnElsewhere(
    link: Link,
    { session, secret }: Resume,
    text: string,
    applicant: Applicant,
    isAtDomain: boolean,
  ): Promise<boolean> {
    const { member, logger } = this.#options;
    const { address } = applicant;
    const client: ReturningClient = { session, secret, message: text, link, address, isAtDomain };
    const answer = (await member?.returning(client)) ?? "gone";
    if (answer === "gone") return false;
    if (answer !== "taken") throw new Refusal(answer.refused.code, answer.refused.reason);
    this.#admission.resumed(applicant);
    logger.info({ relay: nodeOf(session), address }, "client taken to the relay that has its session");
    return true;
  }

  #tunnelOf(message: RegisterMessage, wants: Wants): Tunnel {
    const isV1 = speaksV1(message);
    const info: TunnelInfo = {
      ...wants,
      url: this.#publicUrl(wants.name),
      client: message.client,
      session: isV1 ? this.#newSession() : undefined,
      wire: isV1 ? "v1" : "json",
      takesRefusals: isV1 && message.refusals === true,
      gate: message.gate,
    };
    return new Tunnel(info, this.#options.resumeTimeoutMs, this.#tunnels);
  }

  /** The id of a new session. In a cluster it tells which relay has the session. */
  #newSession(): string {
    const { member } = this.#options;
    return member === undefined ? randomUUID() : `${member.node}.${randomUUID()}`;
  }

  /** Gives the client its name and its session, in this turn if the directory answers at once. */
  async #begin(link: Link, inbox: Inbox, tunnel: Tunnel, message: RegisterMessage): Promise<void> {
    let displaced: readonly Claimant[] = [];
    try {
      const answer = this.#tunnels.claim(tunnel, {
        mayEvict: !isReturning(message) && message.claim !== "if_free",
        maxOwned: this.#maxOwned(tunnel.info),
      });
      const result = isLater(answer) ? await answer : answer;
      if ("refused" in result) throw notGiven(result.refused, message, tunnel.name);
      displaced = result.displaced;
      this.#checkClaimed(inbox, tunnel);
      this.#serve(link, message, tunnel);
    } catch (error) {
      this.#tunnels.withdraw(tunnel, displaced);
      throw error;
    }
    this.#tunnels.add(tunnel, displaced);
  }

  #maxOwned({ grant }: TunnelInfo): number {
    return grant?.maxTunnels ?? this.#options.maxTunnelsPerToken;
  }

  /** Repeats the checks from before the claim: the directory may have taken its time to answer. */
  #checkClaimed(inbox: Inbox, { name, info, dismissal }: Tunnel): void {
    if (dismissal !== undefined) throw new Refusal(dismissal.code, dismissal.reason);
    const refused = info.grant?.refusal(name);
    if (refused !== undefined) throw new Refusal(closeCodes.authenticationFailed, refused);
    this.#checkOpen(inbox);
  }

  /** Picking a name, for example, takes time: the client may have left meanwhile, or the relay may drain. */
  #checkOpen(inbox: Inbox): void {
    if (!inbox.isOpen || this.#tunnels.draining) throw new Refusal(closeCodes.tryAgainLater, goingAway);
  }

  /** Gives the tunnel its session, and its client the acknowledgement. */
  #serve(link: Link, message: RegisterMessage, tunnel: Tunnel): void {
    const { liveness, maxResponseBodyBytes, maxStreamsPerTunnel, maxQueuedBytesPerTunnel } = this.#options;
    const { session: id } = tunnel.info;
    if (id !== undefined) {
      const session = new V1RelaySession(tunnel, {
        liveness,
        sendWindow: message.window ?? defaultWindow,
        maxStreams: maxStreamsPerTunnel,
        maxQueuedBytes: maxQueuedBytesPerTunnel,
      });
      const credentials = this.#tunnels.sessions.add(id, tunnel, session);
      tunnel.serve(session);
      this.#acknowledge(link, { ...this.#v1Terms(tunnel, message), session: credentials });
      session.attach(link, 0);
    } else {
      // An original gets no field that it does not know.
      const said =
        message.protocol === undefined
          ? {}
          : { visitorAddress: true, pool: isPooled(tunnel), clientPackage: this.#packageFor(message) };
      this.#acknowledge(link, { subdomain: tunnel.name, url: tunnel.info.url, ...said });
      tunnel.serve(
        new JsonRelaySession(link, tunnel, {
          liveness,
          maxResponseBody: maxResponseBodyBytes,
          maxStreams: maxStreamsPerTunnel,
          maxQueuedBytes: maxQueuedBytesPerTunnel,
        }),
      );
    }
  }

  #v1Terms(tunnel: Tunnel, message: RegisterMessage): AcknowledgeMessage {
    return {
      subdomain: tunnel.name,
      url: tunnel.info.url,
      visitorAddress: true,
      protocol: v1,
      window: defaultWindow,
      resumeTimeoutMs: this.#options.resumeTimeoutMs,
      maxResponseBody: this.#options.maxResponseBodyBytes,
      pool: isPooled(tunnel),
      clientPackage: this.#packageFor(message),
    };
  }

  #packageFor({ clientPackage }: RegisterMessage): ClientPackage | undefined {
    return clientPackage === true ? this.#options.handedOut : undefined;
  }

  #acknowledge(link: Link, message: AcknowledgeMessage): void {
    link.send(JSON.stringify(message));
  }

  /** A client is turned away. `code` is the close code or the HTTP status. */
  onRefused(code: number, reason: string, { address, name, token }: Readonly<Registrant>): void {
    this.#tunnels.tellRefused({ address, name, token }, reason);
    const { logger } = this.#options;
    logger.info({ code, reason: printable(reason), address, name, token }, "registration refused");
  }

  #reject(link: Link, error: unknown, registrant: Registrant): void {
    const { logger } = this.#options;
    if (error instanceof Refusal) {
      this.onRefused(error.code, error.message, registrant);
      link.close(error.code, error.message);
      return;
    }
    const { address } = registrant;
    if (error instanceof TunnelError) {
      this.#tunnels.tellRefused(registrant, error.message);
      // The client was late, has left, or cannot resume its session. It may come back.
      logger.debug({ reason: printable(error.message), address }, "registration failed");
      const late = error.code === "timeout";
      link.close(
        late ? closeCodes.tryAgainLater : closeCodes.protocolError,
        late ? "no registration in time" : error.message,
      );
    } else {
      this.#tunnels.tellRefused(registrant, "relay error");
      logger.error({ error: stackOf(error), address }, "registration failed");
      link.close(closeCodes.internal, "relay error");
    }
  }
}

/** What is known of a tunnel before its name is claimed. */
type Wants = Pick<TunnelInfo, "name" | "address" | "owner" | "grant" | "instance" | "pool">;

/** What the acknowledgement says of a pool: nothing if there is none. */
function isPooled({ info }: Tunnel): true | undefined {
  return info.pool === undefined ? undefined : true;
}

/** The name that a client has asked for, in the relay's form; `undefined` if it is none. */
function nameIn(subdomain: string | null | undefined): string | undefined {
  const name = subdomain?.toLowerCase() ?? "";
  return isName(name) ? name : undefined;
}

type Resume = NonNullable<RegisterMessage["resume"]>;

/** A registration, and its text as it came. */
function readRegister(text: string): { message: RegisterMessage; text: string } | undefined {
  const message = parseRegister(text);
  return message === undefined ? undefined : { message, text };
}

/** The relay that has drawn the id of a session; `undefined` if that relay was in no cluster. */
function nodeOf(session: string): string | undefined {
  const [, node] = /^([^.]+)\./.exec(session) ?? [];
  return node;
}

const v1 = 1;

function speaksV1(message: RegisterMessage): boolean {
  return supportedProtocols.includes(v1) && message.protocol?.includes(v1) === true;
}

/** Whether the client had a tunnel before. Originals do not say so. */
function isReturning(message: RegisterMessage): boolean {
  return message.returning === true || message.resume !== undefined;
}

/** Another client has the name. A client that wanted a free one has not lost anything: it is not evicted. */
function notGiven({ code, reason }: Verdict, message: RegisterMessage, name: string): Refusal {
  const isTaken = code === closeCodes.evicted && message.claim === "if_free" && !isReturning(message);
  return isTaken ? new Refusal(closeCodes.taken, `subdomain '${name}' is in use`) : new Refusal(code, reason);
}

function isTimeout(error: unknown): boolean {
  return error instanceof TunnelError && error.code === "timeout";
}
