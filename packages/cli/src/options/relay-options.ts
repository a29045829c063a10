import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { Mistakes, readSecret, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { checkRelayHeaders, registerUrl, relayName } from "mcp-tunnel-client/options";
import { keptCredential } from "../credentials/credentials.js";
import { readCertificates } from "./certificate-option.js";
import { environmentProxy } from "./environment-proxy.js";
import { option } from "./flags.js";
import { throwAll } from "./mistakes.js";
import { addLine, readSecretLines } from "./secret-lines.js";

/** The values of the flags of {@link addRelayOptions}. */
export interface RelayFlags {
  relay?: string;
  proxy?: string;
}

const defaultToken =
  "by default the one that login has kept for the relay, or else a random one, for open relays";

/**
 * Adds the flags that say which relay is meant, how it is reached, and by which token it knows the client.
 * `withoutToken`: what happens if there is no token, for the help.
 */
export function addRelayOptions(command: Command, withoutToken = defaultToken): Command {
  return command
    .addOption(
      option(
        "--relay <url>",
        "the relay: an https, http, wss or ws URL; without a scheme, https. By default the one of the last login",
      ),
    )
    .addOption(
      option(
        "--proxy <url>",
        "an HTTP proxy on the way to the relay; by default HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide",
      ),
    )
    .addOption(
      option(
        "--relay-ca <path>",
        "a file with the certificates to believe at the relay, as PEM, in place of the known authorities: that " +
          "of an authority of your own, or the relay's itself",
      ),
    )
    .addOption(
      option(
        "--relay-header <field>",
        "'Name: value', for an access proxy in front of the relay; can be given several times. It shows in the " +
          "process list: a file is better",
      ).argParser(addLine),
    )
    .addOption(
      option("--relay-header-file <path>", "read such fields from a file: one on each line, # for comments"),
    )
    .addOption(option("--token <token>", `the token that the relay knows; ${withoutToken}`))
    .addOption(
      option("--token-file <path>", "read the token from a file, so that it is not in the process list"),
    );
}

/** The options of the client about the relay: where it is, the way to it, and who asks. */
export type RelayClientOptions = Pick<
  TunnelClientOptions,
  "relayUrl" | "proxyUrl" | "relayTls" | "relayHeaders" | "token"
>;

/** Those of all options of a client. */
export function relayPart(options: RelayClientOptions): RelayClientOptions {
  const { relayUrl, proxyUrl, relayTls, relayHeaders, token } = options;
  return {
    relayUrl,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(relayTls === undefined ? {} : { relayTls }),
    ...(relayHeaders === undefined ? {} : { relayHeaders }),
    ...(token === undefined ? {} : { token }),
  };
}

/** The relay, the way to it, and the token. */
export interface RelayOptions {
  readonly client: RelayClientOptions;
  readonly token: TokenSource;
}

interface GivenToken {
  readonly token: string;
  /** The option or the variable. */
  readonly by: string;
}

/** Where a token comes from. */
export type TokenSource =
  | { readonly kind: "given"; readonly by: string }
  /** A login has kept it. */
  | { readonly kind: "kept" }
  /** There is none: a random one, which only open relays take. */
  | { readonly kind: "none" };

/** Stands for a relay that is not known, so that the way there can be looked at. */
const anyRelay = "https://localhost";

/**
 * Reads the flags of {@link addRelayOptions}. The command line wins over the environment, and the environment
 * over what a login has kept.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read; OptionMistakes if
 * there are several such mistakes.
 */
export function readRelayOptions(flags: RelayFlags, command: Command): RelayOptions {
  const mistakes = new Mistakes(TunnelError);
  const relay = gatherRelayOptions(flags, command, mistakes);
  throwAll(mistakes);
  if (relay === undefined) throw noRelay();
  return relay;
}

/** The same, with all mistakes told to `mistakes`; `undefined` if there are any. */
export function gatherRelayOptions(
  flags: RelayFlags,
  command: Command,
  mistakes: Mistakes<TunnelError>,
): RelayOptions | undefined {
  const before = mistakes.all.length;
  const given = mistakes.attempt(() => readToken(command));
  const isTokenGiven = given !== undefined || mistakes.all.length > before;
  const known = mistakes.attempt(() => findRelay(flags.relay, isTokenGiven));
  const way = wayTo(known?.relayUrl ?? anyRelay, flags, command, mistakes);
  if (known === undefined || mistakes.all.length > before) return undefined;
  const { kept } = known;
  const token = given?.token ?? kept?.token;
  return {
    client: { ...way, ...(token === undefined ? {} : { token }) },
    token:
      given === undefined ? { kind: kept === undefined ? "none" : "kept" } : { kind: "given", by: given.by },
  };
}

/**
 * The relay, and what a login has kept for it, if that is needed.
 * @throws TunnelError `invalid_option`, or `unavailable` when what was kept cannot be read.
 */
function findRelay(
  given: string | undefined,
  isTokenGiven: boolean,
): { readonly relayUrl: string; readonly kept: ReturnType<typeof keptCredential> } {
  if (given !== undefined) registerUrl(given);
  // What was kept is not read, and cannot be wrong, if it is not needed.
  const kept = given === undefined || !isTokenGiven ? keptCredential(given) : undefined;
  const relayUrl = given ?? kept?.relay;
  if (relayUrl === undefined) throw noRelay();
  return { relayUrl, kept };
}

/** @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read. */
export function readToken(command: Command): GivenToken | undefined {
  const token = readSecret(command, "token", TunnelError);
  if (token === undefined) return undefined;
  const isOfOption = command.getOptionValue("token") === token;
  return { token, by: sourceName(command, isOfOption ? "token" : "token-file") };
}

/**
 * The relay and the way to it. What is wrong with the way is told to `mistakes`, and then the value is of no
 * use: `invalid_option`, or `unavailable` for a file that cannot be read.
 * @throws TunnelError `invalid_option` for a `relayUrl` that is none.
 */
export function wayTo(
  relayUrl: string,
  { proxy }: RelayFlags,
  values: OptionValues,
  mistakes: Mistakes<TunnelError>,
): RelayClientOptions {
  const url = registerUrl(relayUrl);
  const proxyUrl = mistakes.attempt(() => proxy ?? environmentProxy(url));
  const place = { isSecure: url.startsWith("wss:"), shown: relayName(relayUrl) };
  const ca = mistakes.attempt(() => readCertificates(values, "relay-ca", place));
  const relayHeaders = readHeaders(values, mistakes);
  return {
    relayUrl,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(ca === undefined ? {} : { relayTls: { ca } }),
    ...(relayHeaders === undefined ? {} : { relayHeaders }),
  };
}

/** The fields of `--relay-header`. Messages name the place of a field, and never its value. */
function readHeaders(
  values: OptionValues,
  mistakes: Mistakes<TunnelError>,
): Record<string, string> | undefined {
  const headers = new Map<string, [name: string, value: string]>();
  const options = ["relay-header", "relay-header-file"];
  const refuse = (message: string): void => mistakes.add(unusable(message, { options }));
  for (const { text, place } of mistakes.attempt(() => readSecretLines(values, "relay-header")) ?? []) {
    const at = text.indexOf(":");
    if (at < 1) {
      refuse(`${place} is not 'Name: value'`);
      continue;
    }
    const name = text.slice(0, at).trim();
    const value = text.slice(at + 1).trim();
    const found = new Mistakes(TunnelError);
    found.attempt(() => checkRelayHeaders({ [name]: value }, place));
    for (const { message } of found.all) refuse(message);
    if (found.all.length === 0 && headers.has(name.toLowerCase()))
      refuse(`${place}: the field '${name}' is there twice`);
    headers.set(name.toLowerCase(), [name, value]);
  }
  return headers.size === 0 ? undefined : Object.fromEntries(headers.values());
}

export function noRelay(): TunnelError {
  return unusable(
    "no relay is given: add --relay <url>, set MCP_TUNNEL_RELAY, or keep one with mcp-tunnel-client login",
    { options: ["relay"] },
  );
}
