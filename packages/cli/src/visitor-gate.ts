import type { Service, TunnelClientOptions } from "mcp-tunnel-client";
import { createGate, drawPasscode } from "mcp-tunnel-gate";
import type { Gate, GateEvent, GateOptions, OAuthOptions } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { openSlot } from "mcp-tunnel-gate/state";
import type { Drawn, Secrets, Slot } from "mcp-tunnel-gate/state";
import { messageOf } from "mcp-tunnel-shared";
import type { VisitorAuth } from "./visitor-lines.js";
import type { VisitorOptions } from "./visitor-options.js";

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
  /** The relay has said what the tunnel is called. */
  named(tunnel: { readonly subdomain: string; readonly url: string }): void;
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
  if (!wanted.key && !visitors.kinds.includes("oauth")) {
    const gate = await createGate(gateOptions(visitors, { keys: [] }, surroundings, undefined, onEvent));
    return new CommandGate(gate, undefined, authOf(visitors, surroundings, undefined, undefined), onEvent);
  }
  const slot = await openSlot({
    relayUrl: client.relayUrl,
    token: client.token,
    subdomain: client.subdomain,
    onNotice: (text) => onEvent({ type: "notice", text }),
  });
  try {
    const drawn = await slot.draw(wanted, drawPasscode);
    const options = gateOptions(visitors, drawn.secrets, surroundings, slot, onEvent);
    const gate = await createGate(options);
    slot.onRenewed((secrets) => {
      gate.renew({
        ...(wanted.key && secrets.keys.length > 0 ? { keys: secrets.keys } : {}),
        ...(wanted.passcode && secrets.passcode !== undefined ? { passcode: secrets.passcode } : {}),
      });
      onEvent({ type: "notice", text: "what lets visitors in was renewed: mcp-tunnel-client auth show" });
    });
    return new CommandGate(gate, slot, authOf(visitors, surroundings, slot, drawn), onEvent);
  } catch (error) {
    await slot.close();
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
  { kinds, keys, login }: VisitorOptions,
  { isTerminal }: Surroundings,
  slot: Slot | undefined,
  drawn: Drawn | undefined,
): VisitorAuth {
  const key = keys.length === 0 ? drawn?.secrets.keys[0]?.key : undefined;
  const passcode = login === undefined ? drawn?.secrets.passcode : undefined;
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

  named({ subdomain: name, url }: { readonly subdomain: string; readonly url: string }): void {
    this.#slot?.named({ name, url, kinds: this.auth.kinds }).catch((error: unknown) => {
      this.#onEvent({ type: "notice", text: messageOf(error) });
    });
  }

  async close(): Promise<void> {
    // The service that it guards has closed it already, if that was closed.
    await this.#gate.close();
    await this.#slot?.close();
  }
}
