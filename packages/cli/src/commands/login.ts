import type { Command } from "commander";
import type { CheckedRegistration } from "mcp-tunnel-client";
import { registerUrl } from "mcp-tunnel-client/options";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { isLoopback, printable } from "mcp-tunnel-shared";
import { Mistakes } from "mcp-tunnel-shared/command";
import { credentialsFile, keepCredential, keptCredential } from "../credentials/credentials.js";
import { exitStatus } from "../options/exit-status.js";
import { throwAll } from "../options/mistakes.js";
import { addRelayOptions, noRelay, readToken, wayTo } from "../options/relay-options.js";
import type { RelayClientOptions, RelayFlags } from "../options/relay-options.js";
import { subcommand } from "../options/subcommand.js";
import { registrationRefused } from "../tunnel/refusal.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";

const description = `Keeps a relay and the token for it, so that \`mcp-tunnel-client 3000\` is enough from then on. The relay of the last login is the default.

What is not given is asked for at a terminal, where the token does not show. Elsewhere the token is the first line of the standard input. The relay is asked whether it takes the token. A tunnel that runs does not notice that.`;

/** `mcp-tunnel-client login`. */
export const login: CliCommand = { build: buildLogin, run };

function buildLogin(): Command {
  return addRelayOptions(subcommand("login", description), "by default it is asked for");
}

/**
 * Runs `mcp-tunnel-client login`, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`,
 * `refused` if the relay does not take the token, or whatever keeps it from being asked, and `unavailable`
 * for files that cannot be read or written. Nothing is kept then.
 */
async function run(args: readonly string[], output: Output): Promise<number> {
  const program = buildLogin();
  program.parse(args, { from: "user" });
  const flags = program.opts<RelayFlags>();
  // A file that cannot be used is told before anybody types a token.
  const kept = keptCredential()?.relay;
  const isPersonThere = process.stdin.isTTY && process.stdout.isTTY;
  const relayUrl = flags.relay ?? (await relayOf(kept, isPersonThere));
  // Nobody should type a token for a URL that is none.
  const { hostname, protocol } = new URL(registerUrl(relayUrl));
  const given = readToken(program);
  const token = given?.token ?? (await tokenOf(relayUrl, isPersonThere));
  if (protocol === "ws:" && !isLoopback(hostname)) {
    output.err(
      printable(
        `warning: the token goes to ${relayUrl} over plain http, and everybody on the way can read it`,
      ),
    );
  }
  const mistakes = new Mistakes(TunnelError);
  const way = wayTo(relayUrl, flags, program, mistakes);
  throwAll(mistakes);
  // A variable may have given it that the person has forgotten.
  const which = given === undefined ? "this token" : `the token of ${given.by}`;
  const checked = await check({ ...way, token }, which);
  const relay = await keepCredential(relayUrl, token);
  if (checked === undefined) {
    output.err(
      `warning: ${printable(relay)} is too old to be asked whether it takes the token: it was not told`,
    );
  } else {
    output.out(printable(`${relay} takes ${which}, for ${namesOf(checked)}`));
    if (checked.refused !== undefined) output.err(printable(`warning: ${checked.refused.reason}`));
  }
  output.out(printable(`Kept in ${credentialsFile()}. The relay is the default now: ${nextLine()}`));
  return exitStatus.ended;
}

async function relayOf(kept: string | undefined, isPersonThere: boolean): Promise<string> {
  if (!isPersonThere) throw noRelay();
  const { askRelay } = await import("./login-questions.js");
  return askRelay(kept);
}

async function tokenOf(relayUrl: string, isPersonThere: boolean): Promise<string> {
  const { askToken, readPipedToken } = await import("./login-questions.js");
  if (isPersonThere) return askToken(relayUrl);
  if (!process.stdin.isTTY) return readPipedToken(process.stdin);
  throw unusable("no token is given: add --token-file <path>, or give it on the standard input", {
    options: ["token"],
  });
}

/** Undefined: the relay is too old to be asked, and was not told the token. `which`: the token, in words. */
async function check(question: RelayClientOptions, which: string): Promise<CheckedRegistration | undefined> {
  // The client is loaded when it is needed.
  const { checkRegistration } = await import("mcp-tunnel-client");
  try {
    return await checkRegistration(question);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    if (error.code === "unsupported") return undefined;
    // Nobody has asked for a registration here.
    const refused = `${question.relayUrl} does not take ${which}: `;
    if (error.code === "refused") error.message = error.message.replace(registrationRefused, () => refused);
    throw error;
  }
}

function namesOf({ patterns, subdomain }: CheckedRegistration): string {
  if (patterns !== undefined) return patterns.length === 0 ? "no name at all" : patterns.join(", ");
  return subdomain ?? "a name that it does not give now";
}

/** How a person opens a tunnel from now on. Who runs the command by npx has no command of its name. */
function nextLine(): string {
  // Set by npx, in the environment of what it runs.
  if (process.env["npm_command"] !== "exec") return "mcp-tunnel-client 3000";
  return "the same npx line, with a port in the place of login";
}
