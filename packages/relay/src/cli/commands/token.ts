import { type Command, InvalidArgumentError, Option } from "commander";
import { isPattern } from "mcp-tunnel-protocol";
import type { CreateOptions, FileOption, ListOptions } from "./token-options.js";
import { parseExpiry } from "../../auth/expiry.js";

/**
 * The work of a command is loaded when it is needed, because the YAML library takes longer to load than to
 * run.
 */
const actions = () => import("./token-actions.js");

/** `mcp-tunnel token create|list|revoke`: edits the file that `--token-file` follows. */
export function addTokenCommands(program: Command): void {
  const token = program.command("token").description("manage the tokens in a --token-file");
  token
    .command("create")
    .description("draw a token, add its digest to the file, and print the token, which is shown only once")
    .addOption(fileOption())
    .addOption(
      new Option("--subdomain <PATTERN>", "name the token may have, with at most one '*'; may be repeated")
        .argParser(readPatterns)
        .makeOptionMandatory(),
    )
    .option("--note <TEXT>", "a note, such as the owner of the token")
    .option("--expires <WHEN>", "when it expires: 30d, 12h, 2027-01-31 or 2027-01-31T18:00:00Z", readExpiry)
    .option("--max-tunnels <N>", "how many tunnels the token may have at once", readCount)
    .action(async (options: CreateOptions) => (await actions()).create(options));
  token
    .command("list")
    .description("show the tokens of the file")
    .addOption(fileOption())
    .option("--json", "print JSON")
    .action(async (options: ListOptions) => (await actions()).list(options));
  token
    .command("revoke")
    .description("remove a token from the file; the relay closes its tunnels")
    .argument("<ID>", "the token's id, or its beginning, as 'list' shows it")
    .addOption(fileOption())
    .action(async (id: string, options: FileOption) => (await actions()).revoke(id, options));
}

function fileOption(): Option {
  return new Option("--token-file <FILE>", "file of tokens")
    .env("MCP_TUNNEL_TOKEN_FILE")
    .makeOptionMandatory();
}

function readPatterns(text: string, previous: string[] | undefined): string[] {
  const patterns = text.split(",");
  const bad = patterns.find((pattern) => !isPattern(pattern));
  if (bad === undefined) return [...(previous ?? []), ...patterns];
  throw new InvalidArgumentError(`'${bad}' is not letters, digits, hyphens and at most one '*'.`);
}

const unitMs: Record<string, number> = { h: 3_600_000, d: 86_400_000 };

/** The text for the file. A period from now becomes the time at which it ends. */
function readExpiry(text: string): string {
  const [, count, unit] = /^([0-9]{1,6})([hd])$/.exec(text) ?? [];
  if (count !== undefined) {
    const end = Date.now() + Number(count) * (unitMs[unit ?? ""] ?? 0);
    return new Date(end).toISOString().replace(/\.\d+Z$/, "Z");
  }
  const time = parseExpiry(text);
  if (time === undefined) {
    throw new InvalidArgumentError(
      "Expected 30d, 12h, a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z.",
    );
  }
  if (time <= Date.now()) throw new InvalidArgumentError("That is in the past.");
  return text;
}

function readCount(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number above 0.");
}
