import type { GrantInfo, GrantStorage } from "../grants.js";
import type { BearerKey } from "../options.js";

/** What can be drawn. */
export const secretKinds = ["key", "passcode"] as const;
/** A kind of secret that can be drawn. @useDeclaredType */
export type SecretKind = (typeof secretKinds)[number];

/** What was drawn for a slot. */
export interface Secrets {
  /** The key that was drawn, or none. Its name is `default`. */
  readonly keys: readonly BearerKey[];
  /** The passcode that was drawn. */
  readonly passcode?: string;
}

/** Which tunnels a slot belongs to. The same three always have the same slot. */
export interface SlotOptions {
  /** The relay's URL, as it was given. Two spellings of one URL are the same relay. */
  readonly relayUrl: string;
  /** The relay's token. Only its digest is kept. */
  readonly token: string | undefined;
  /** The name that the relay is asked for. */
  readonly subdomain: string | undefined;
  /** The state folder. Default: `MCP_TUNNEL_STATE_DIR`, or the place that the system has for it. */
  readonly folder?: string;
  /** Something that the person should know: grants could not be written, say. */
  readonly onNotice: (text: string) => void;
}

/** What lasts for the tunnels of one relay, token and name. Held by the client that runs the tunnel. */
export interface Slot {
  /** The folder of the slot. */
  readonly path: string;
  /** The files in which secrets are, if they were drawn. Each holds its secret and a line feed. */
  readonly files: Readonly<Record<SecretKind, string>>;
  /** Keeps the grants of the tunnels: the `storage` of a gate with OAuth. */
  readonly storage: GrantStorage;
  /**
   * Draws what is wanted and was not drawn yet. `secrets` in the result is all that was ever drawn. What is
   * wanted is what the gate uses: {@link SlotInfo.uses} says so from {@link named} on.
   * @throws TunnelError `unavailable`.
   */
  draw(wanted: Readonly<Record<SecretKind, boolean>>, drawPasscode: () => string): Promise<Drawn>;
  /**
   * Remembers what the relay has called the tunnel, for `auth list` and to find the slot again by its name. A
   * client that has lost the slot to another changes nothing.
   * @throws TunnelError `unavailable`.
   */
  named(tunnel: NamedTunnel): Promise<void>;
  /**
   * Another process has rotated secrets: these are all that hold from now on, of those that {@link draw} was
   * asked for. The listener is called at once if they were rotated since they were read. There is one
   * listener at most. If it throws, it is called again every second, and the other process is told that
   * nobody has taken the secrets yet. A secret whose file is gone holds on.
   * @throws TunnelError `unavailable`, and what the listener throws at once.
   */
  onRenewed(listener: (secrets: Secrets) => void): void;
  /** Closes {@link storage} too, and lets go. */
  close(): Promise<void>;
}

/** What {@link Slot.draw} has found and drawn. */
export interface Drawn {
  /** All that was ever drawn. */
  readonly secrets: Secrets;
  /** What was drawn by this call, and has to be shown. */
  readonly drawnNow: Readonly<Record<SecretKind, boolean>>;
}

/** What a slot remembers of the tunnel that was there last. */
export interface NamedTunnel {
  /** The name that the relay gave. */
  readonly name: string;
  /** The public URL. */
  readonly url: string;
  /** The kinds of proofs that the gate takes. */
  readonly kinds: readonly string[];
  /** Where MCP servers answer. Empty: the service is something else. */
  readonly places: readonly Place[];
  /** The OpenID provider that says who may come in by OAuth; undefined: the owner does, or a passcode. */
  readonly loginIssuer?: string | undefined;
}

/** Where an MCP server answers. */
export interface Place {
  /** Its name, if the tunnel has several. */
  readonly name?: string | undefined;
  /** The path of its URL. */
  readonly path: string;
}

/** A slot, as a process sees it that does not run its tunnel. */
export interface SlotInfo {
  /** The folder of the slot. Everything about it can be forgotten by removing the folder. */
  readonly path: string;
  /** The relay, as an https or http URL. Undefined, like the rest, if `slot.json` cannot be read. */
  readonly relay: string | undefined;
  /** A token was given. */
  readonly hasToken: boolean | undefined;
  /** The name that the relay was asked for. */
  readonly asked: string | undefined;
  /** The name that the relay gave last. Undefined: the tunnel was never there. */
  readonly name: string | undefined;
  /** The public URL that the tunnel had last. */
  readonly url: string | undefined;
  /** The kinds of proofs that the gate took when the tunnel was there last. */
  readonly kinds: readonly string[];
  /** Where MCP servers answered then. */
  readonly places: readonly Place[];
  /** {@link NamedTunnel.loginIssuer} of then. */
  readonly loginIssuer: string | undefined;
  /**
   * Which of what can be drawn the gate used then: none of a kind that was given by options. All of it, if
   * the tunnel was never there.
   */
  readonly uses: Readonly<Record<SecretKind, boolean>>;
  /** When the tunnel was registered last, in milliseconds since 1970. */
  readonly lastNamedMs: number | undefined;
  /** A client runs the tunnel now. */
  readonly isRunning: boolean;
  /** As in {@link Slot.files}. */
  readonly files: Readonly<Record<SecretKind, string>>;
  /** Which secrets were drawn. */
  readonly drawn: Readonly<Record<SecretKind, boolean>>;
  /** Without those that were revoked and wait for a client. */
  readonly grants: readonly GrantInfo[];
  /** Why something of the slot could not be read, in words. The rest is shown all the same. */
  readonly problem: string | undefined;
}

/**
 * Whether a client has taken what another process left for it. `waiting`: it takes effect when the tunnel is
 * started the next time.
 */
export type Taken = "taken" | "waiting";
