import type { Service, TunnelClientOptions } from "mcp-tunnel-client";
import { createGate, drawPasscode } from "mcp-tunnel-gate";
import type { Gate, GateEvent, GateOptions, OAuthOptions } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { hasSlot, openSlot } from "mcp-tunnel-gate/state";
import type { Drawn, SecretKind, Secrets, Slot } from "mcp-tunnel-gate/state";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import type { McpPlace } from "../render/mcp-addresses.js";
import type { VisitorAuth } from "../render/visitor-lines.js";
import type { VisitorOptions } from "../options/visitor-options.js";

/** Where the command runs, as far as it matters for secrets. */
export interface Surroundings {
  /** The standard output is a terminal, and no program reads it: secrets may be shown. */
  readonly isTerminal: boolean;
  /** There is a person who may approve at the terminal. */
  readonly isPersonThere: boolean;
}

/** The gate of the command, with what it keeps in files. */
export interface VisitorGate {
  readonly auth: VisitorAuth;
  /** The service behind the gate, which closes both. */
  guard(service: Service): Service;
  /** {@link Gate.approve} */
  approve(number: string): boolean;
  /** The relay has said what the tunnel is called. `places`: of MCP servers; none for another service. */
  named(tunnel: { readonly subdomain: string; readonly url: string }, places: readonly McpPlace[]): void;
  /** Closes the gate, and lets go of the files. Call it once the service is closed. */
  close(): Promise<void>;
}

/**
 * Makes the gate, and draws what was not given. All that can fail fails here, before the tunnel is asked for.
 * @throws TunnelError `invalid_option`, or `unavailable` for files that cannot be read or written, and for an
 * OpenID provider that does not answer.
 */
export async function openVisitorGate(
  visitors: VisitorOptions,
  client: TunnelClientOptions,
  surroundings: Surroundings,
  onEvent: (event: GateEvent) => void,
): Promise<VisitorGate> {
  const wanted = {
    key: visitors.kinds.includes("bearer") && visitors.keys.length === 0,
    passcode: visitors.kinds.includes("oauth") && visitors.login === undefined,
  };
  const { relayUrl, token, subdomain } = client;
  const tunnel = { relayUrl, token, subdomain };
  // A gate that keeps nothing opens no slot, but what was kept before has to say that it is not in use.
  if (!wanted.key && !visitors.kinds.includes("oauth") && !hasSlot(tunnel)) {
    const gate = await makeGate(gateOptions(visitors, { keys: [] }, surroundings, undefined, onEvent));
    const auth = authOf(visitors, surroundings, wanted, undefined, undefined);
    return new CommandGate(gate, undefined, auth, onEvent);
  }
  const slot = await openSlot({ ...tunnel, onNotice: (text) => onEvent({ type: "notice", text }) });
  try {
    const drawn = await slot.draw(wanted, drawPasscode);
    const gate = await makeGate(gateOptions(visitors, drawn.secrets, surroundings, slot, onEvent));
    slot.onRenewed(({ keys, passcode }) => {
      gate.renew({ ...(keys.length > 0 ? { keys } : {}), ...(passcode === undefined ? {} : { passcode }) });
      onEvent({ type: "notice", text: "what lets visitors in was renewed: mcp-tunnel-client auth show" });
    });
    return new CommandGate(gate, slot, authOf(visitors, surroundings, wanted, slot, drawn), onEvent);
  } catch (error) {
    await slot.close();
    throw error;
  }
}

/**
 * Checks what a gate is made of, without files of what was drawn and without the OpenID provider.
 * @throws TunnelError `invalid_option`.
 */
export async function checkVisitors(visitors: VisitorOptions): Promise<void> {
  const passcode = drawPasscode();
  const drawn = { keys: [{ name: "default", key: passcode }], passcode };
  const alone = { isTerminal: false, isPersonThere: false };
  const gate = await makeGate(
    gateOptions({ ...visitors, login: undefined }, drawn, alone, undefined, () => {}),
  );
  await gate.close();
}

/** @throws TunnelError, which names options as the command does. */
async function makeGate(options: GateOptions): Promise<Gate> {
  try {
    return await createGate(options);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    error.message = error.message.replace(/^allowEmails\b/, "--allow-email");
    throw error;
  }
}

function gateOptions(
  visitors: VisitorOptions,
  secrets: Secrets,
  { isPersonThere }: Surroundings,
  slot: Slot | undefined,
  onEvent: (event: GateEvent) => void,
): GateOptions {
  const { kinds, keys, users, allowAddresses } = visitors;
  return {
    ...(kinds.includes("bearer") ? { bearer: { keys: keys.length > 0 ? keys : secrets.keys } } : {}),
    ...(kinds.includes("basic") ? { basic: { users } } : {}),
    ...(kinds.includes("oauth") ? { oauth: oauthOptions(visitors, secrets, isPersonThere, slot) } : {}),
    ...(allowAddresses.length > 0 ? { allowAddresses } : {}),
    onEvent,
  };
}

function oauthOptions(
  { login, issParameter }: VisitorOptions,
  { passcode }: Secrets,
  isPersonThere: boolean,
  slot: Slot | undefined,
): OAuthOptions {
  return {
    // A person who names a provider wants it to decide, and nobody else.
    ...(login === undefined ? { terminal: isPersonThere } : { login }),
    ...(login === undefined && passcode !== undefined ? { passcode } : {}),
    ...(slot === undefined ? {} : { storage: slot.storage }),
    issParameter,
  };
}

function authOf(
  { kinds, login }: VisitorOptions,
  { isTerminal }: Surroundings,
  wanted: Readonly<Record<SecretKind, boolean>>,
  slot: Slot | undefined,
  drawn: Drawn | undefined,
): VisitorAuth {
  const key = wanted.key ? drawn?.secrets.keys[0]?.key : undefined;
  const passcode = wanted.passcode ? drawn?.secrets.passcode : undefined;
  return {
    kinds,
    shown: {
      ...(isTerminal && drawn?.drawnNow.key === true && key !== undefined ? { key } : {}),
      ...(isTerminal && drawn?.drawnNow.passcode === true && passcode !== undefined ? { passcode } : {}),
    },
    files: {
      ...(key === undefined || slot === undefined ? {} : { key: slot.files.key }),
      ...(passcode === undefined || slot === undefined ? {} : { passcode: slot.files.passcode }),
    },
    namesFiles: !isTerminal,
    loginIssuer: login?.issuer,
  };
}

class CommandGate implements VisitorGate {
  readonly auth: VisitorAuth;
  readonly #gate: Gate;
  readonly #slot: Slot | undefined;
  readonly #onEvent: (event: GateEvent) => void;
  #hasWarned = false;

  constructor(gate: Gate, slot: Slot | undefined, auth: VisitorAuth, onEvent: (event: GateEvent) => void) {
    this.#gate = gate;
    this.#slot = slot;
    this.auth = auth;
    this.#onEvent = onEvent;
  }

  guard(service: Service): Service {
    return gated(service, this.#gate);
  }

  approve(number: string): boolean {
    return this.#gate.approve(number);
  }

  named(
    { subdomain: name, url }: { readonly subdomain: string; readonly url: string },
    places: readonly McpPlace[],
  ): void {
    this.#warnOfPlainHttp(new URL(url));
    const { kinds, loginIssuer } = this.auth;
    this.#slot?.named({ name, url, kinds, places, loginIssuer }).catch((error: unknown) => {
      this.#onEvent({ type: "notice", text: messageOf(error) });
    });
  }

  /** OAuth does not even begin there. */
  #warnOfPlainHttp({ protocol, hostname }: URL): void {
    const { kinds } = this.auth;
    const isSent = kinds.includes("bearer") || kinds.includes("basic");
    if (this.#hasWarned || !isSent || protocol !== "http:" || isLoopback(hostname)) return;
    this.#hasWarned = true;
    const text =
      "warning: visitors send their keys and passwords over plain http, and everybody on the way can read them";
    this.#onEvent({ type: "notice", text });
  }

  async close(): Promise<void> {
    // The service that it guards has closed it already, if that was closed.
    await this.#gate.close();
    await this.#slot?.close();
  }
}
