import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import { relayName } from "mcp-tunnel-client/options";
import { forgetCredential, keptCredential, keptCredentials } from "../credentials/credentials.js";
import { exitStatus } from "../options/exit-status.js";
import { option } from "../options/flags.js";
import { subcommand } from "../options/subcommand.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";

const description = `Forgets the token that login has kept for a relay. At the relay the token stays as it is, and tunnels that run go on.`;

/** `mcp-tunnel-client logout`. */
export const logout: CliCommand = { build: buildLogout, run };

function buildLogout(): Command {
  return subcommand("logout", description).addOption(
    option("--relay <url>", "the relay; by default the one of the last login"),
  );
}

/**
 * Runs `mcp-tunnel-client logout`, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`
 * if nothing is kept for the relay, or `unavailable` for files that cannot be read or written.
 */
async function run(args: readonly string[], output: Output): Promise<number> {
  const program = buildLogout();
  program.parse(args, { from: "user" });
  const { relay: relayUrl } = program.opts<{ relay?: string }>();
  const found = keptCredential(relayUrl);
  if (found === undefined) throw notKept(relayUrl);
  await forgetCredential(found.relay);
  const next = keptCredential()?.relay;
  const rest = next === undefined ? "" : `; the default is ${next} now`;
  output.out(printable(`The token for ${found.relay} is forgotten${rest}`));
  return exitStatus.ended;
}

function notKept(relayUrl: string | undefined): Error {
  if (relayUrl === undefined) return unusable("no token is kept: there was no login");
  const others = keptCredentials().map(({ relay }) => relay);
  const list = others.length === 0 ? "" : `; there is one for ${others.join(", ")}`;
  return unusable(`no token is kept for ${relayName(relayUrl)}${list}`, { options: ["relay"] });
}
