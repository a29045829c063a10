import type { Command } from "commander";
import type { CheckedRegistration } from "mcp-tunnel-client";
import { relayName } from "mcp-tunnel-client/options";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableJson } from "mcp-tunnel-shared";
import { table } from "mcp-tunnel-shared/command";
import { exitStatus } from "../options/exit-status.js";
import { addRelayOptions, readRelayOptions } from "../options/relay-options.js";
import type { RelayFlags, TokenSource } from "../options/relay-options.js";
import { subcommand } from "../options/subcommand.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";
import { explainRefusal } from "../tunnel/refusal.js";

const description = `Says which relay and token a tunnel would use now, which names the token may have, and whether a tunnel has them. Nothing is registered, and a tunnel that runs does not notice it.`;

/** Most rows for which the relay is asked one by one: it counts each question as a registration. */
const maxAsked = 10;

/** A name that the token may have, or a pattern of such names. */
interface Name {
  /** Undefined for a pattern. */
  readonly name: string | undefined;
  readonly pattern: string | undefined;
  readonly url: string | undefined;
  /** Undefined: it is not known. */
  readonly inUse: boolean | undefined;
  /** Why the token cannot have it now. */
  readonly refused: string | undefined;
}

/** `mcp-tunnel-client whoami`. */
export const whoami: CliCommand = { build: buildWhoami, run };

function buildWhoami(): Command {
  return addRelayOptions(subcommand("whoami", description)).option("--json", "print one JSON object");
}

/**
 * Runs `mcp-tunnel-client whoami`, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`,
 * `refused` if the relay does not take the token, `unsupported` if it is too old to be asked, or whatever
 * keeps it from being asked, and `unavailable` for files that cannot be read.
 */
async function run(args: readonly string[], output: Output): Promise<number> {
  const program = buildWhoami();
  program.parse(args, { from: "user" });
  const flags = program.opts<RelayFlags & { json?: true }>();
  const { client, token } = readRelayOptions(flags, program);
  const relay = relayName(client.relayUrl);
  // With its HTTP library the client takes longer to load than an answer to --help may take.
  const { checkRegistration } = await import("mcp-tunnel-client");
  let checked: CheckedRegistration;
  let names: Name[];
  try {
    checked = await checkRegistration(client);
    names = await namesOf((subdomain) => checkRegistration({ ...client, subdomain }), checked);
  } catch (error) {
    if (error instanceof TunnelError) explainRefusal(error, { client, token });
    throw error;
  }
  const { relayVersion, requiresVisitorAuth } = checked;
  if (flags.json === true) {
    output.out(printableJson({ relay, relayVersion, token: token.kind, names, requiresVisitorAuth }));
    return exitStatus.ended;
  }
  output.out(printable(`Relay  ${relay} (version ${relayVersion})`));
  output.out(printable(`Token  ${sourceText(token)}`));
  if (requiresVisitorAuth) output.out("Gate   needed: the relay takes only tunnels with --visitor-auth");
  output.out("");
  const rows = names.map((name) => [name.name ?? name.pattern ?? "(none)", useText(name)]);
  if (rows.length === 0) output.out("The token may have no name at all.");
  else for (const line of table(["NAME", "STATE"], rows)) output.out(line);
  return exitStatus.ended;
}

/** `ask`: asks the relay for a name. */
async function namesOf(
  ask: (subdomain: string) => Promise<CheckedRegistration>,
  checked: CheckedRegistration,
): Promise<Name[]> {
  if (checked.patterns === undefined) return [nameOf(checked, checked.subdomain)];
  const names: Name[] = [];
  for (const pattern of checked.patterns) {
    const isPattern = pattern.includes("*");
    if (!isPattern && names.length < maxAsked) {
      names.push(nameOf(await ask(pattern), pattern));
      continue;
    }
    const about = isPattern ? { name: undefined, pattern } : { name: pattern, pattern: undefined };
    names.push({ ...about, url: undefined, inUse: undefined, refused: undefined });
  }
  return names;
}

function nameOf({ url, inUse, refused }: CheckedRegistration, name: string | undefined): Name {
  return { name, pattern: undefined, url, inUse, refused: refused?.reason };
}

function sourceText(source: TokenSource): string {
  switch (source.kind) {
    case "given":
      return `of ${source.by}`;
    case "kept":
      return "kept by login";
    case "none":
      return "none: a random one, as for an open relay";
  }
}

function useText({ inUse, refused, pattern, url }: Name): string {
  if (refused !== undefined) return refused;
  if (pattern !== undefined) return "any such name";
  if (inUse === undefined) return "not asked";
  return inUse ? `in use: ${url}` : "free";
}
