import { checkRegistration } from "mcp-tunnel-client";
import type { CheckedRegistration, PickSubdomain, TunnelClientOptions } from "mcp-tunnel-client";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";
import { relayPart } from "../options/relay-options.js";
import type { TunnelSettings } from "../options/tunnel-options.js";

interface TakeoverContext {
  readonly pick: PickSubdomain;
  /** Asks a person whether to take the name. Undefined: nobody is there. */
  readonly ask: ((name: string) => Promise<boolean>) | undefined;
  readonly warn: (code: string, message: string) => void;
  /** Gives the questions to the relay up. */
  readonly signal: AbortSignal;
}

/**
 * Decides what the client does about another client that has its name. The relay is asked before the tunnel
 * is registered with `ask`, and for a client that wants one name alone. The relay might evict another client
 * of a name that this one does not want.
 * @throws TunnelError `taken` if the person leaves the name to the other client; `unsupported` if the relay
 * is too old to be asked; `refused`; `invalid_option` if the person picks no name; `ABORT_ERR` after
 * `signal`.
 */
export async function claimOf(
  { takeover, client }: Pick<TunnelSettings, "takeover" | "client">,
  { pick, ask, warn, signal }: TakeoverContext,
): Promise<NonNullable<TunnelClientOptions["claim"]>> {
  if (client.strictSubdomain === true) await checkStrict(client, signal);
  if (takeover === "always") return "take";
  if (takeover === "never") return "if_free";
  // The relay would not say whether it is the client's own pool that has the name, so nobody can be asked.
  if (client.pool === true) return "if_free";
  if (ask === undefined) {
    warn(
      "takeover_not_asked",
      "--takeover ask has no terminal to ask at: no name is taken from another client",
    );
    return "if_free";
  }
  const checked = await checkName(client, pick, signal);
  // A name that is free now, or that nobody could ask about, may be another's in a moment.
  if (checked?.subdomain === undefined || checked.inUse !== true) return "if_free";
  if (await ask(checked.subdomain)) return "take";
  throw new TunnelError("taken", `another client has the name '${checked.subdomain}', and keeps it`);
}

/** @throws TunnelError `refused` if the relay would give another name. */
async function checkStrict(client: TunnelClientOptions, signal: AbortSignal): Promise<void> {
  let name: string | undefined;
  try {
    name = (await check(client, signal))?.subdomain;
  } catch (error) {
    // The client itself looks at the name that it gets, before it serves anybody.
    if (error instanceof TunnelError && error.code === "unsupported") return;
    throw error;
  }
  if (name === undefined || name === client.subdomain?.toLowerCase()) return;
  const message = `the relay does not give the name '${client.subdomain}': it gives this token '${name}' alone`;
  throw new TunnelError("refused", message);
}

/** Undefined: the relay cannot be reached now, and the client will wait for it. */
async function checkName(
  client: TunnelClientOptions,
  pick: PickSubdomain,
  signal: AbortSignal,
): Promise<CheckedRegistration | undefined> {
  const checked = await check(client, signal);
  if (checked?.patterns === undefined) return checked;
  // The client is offered the same, and gets the same answer from `pick`.
  return check({ ...client, subdomain: await picked(pick, checked.patterns) }, signal);
}

async function picked(pick: PickSubdomain, patterns: readonly string[]): Promise<string> {
  try {
    return await pick(patterns);
  } catch (error) {
    if (error instanceof TunnelError) throw error;
    throw unusable(`no name was picked: ${messageOf(error)}`, { options: ["subdomain"] });
  }
}

async function check(
  options: TunnelClientOptions,
  signal: AbortSignal,
): Promise<CheckedRegistration | undefined> {
  const { subdomain } = options;
  try {
    return await checkRegistration({
      ...relayPart(options),
      signal,
      ...(subdomain === undefined ? {} : { subdomain }),
    });
  } catch (error) {
    const mayPass = error instanceof TunnelError && ["unreachable", "timeout"].includes(error.code);
    if (mayPass) return undefined;
    throw error;
  }
}
