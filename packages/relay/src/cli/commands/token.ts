import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { isPattern, unusable } from "mcp-tunnel-protocol";
import { parseDuration } from "mcp-tunnel-shared";
import { durationReader, sizeReader } from "mcp-tunnel-shared/command";
import type { CreateOptions, EditOptions, FileOption, ListOptions, RotateOptions } from "./token-options.js";
import { parseExpiry } from "../../auth/expiry.js";
import { configOption, takeFromConfig } from "../options/relay-config.js";

/**
 * The work of a command is loaded when it is needed, because the YAML library takes longer to load than to
 * run.
 */
const actions = () => import("./token-actions.js");

/** `mcp-tunnel token create|list|edit|rotate|revoke`: edits the file that `--token-file` follows. */
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
    .option(
      "--expires <WHEN>",
      "when it expires: 30d, 12h, 90m, 2027-01-31 or 2027-01-31T18:00:00Z",
      readExpiry,
    )
    .option("--max-tunnels <N>", maxTunnelsText, readCount)
    .option("--max-requests-per-second <N>", maxRequestsText, readCount)
    .option("--max-bytes-per-second <BYTES>", maxBytesText, readSize)
    .action(async (options: CreateOptions) => (await actions()).create(options));
  token
    .command("list")
    .description("show the tokens of the file")
    .addOption(fileOption())
    .option("--wide", "show all columns, and long texts whole, also where the terminal is narrow")
    .option("--json", "print JSON")
    .action(async (options: ListOptions) => (await actions()).list(options));
  token
    .command("edit")
    .description("change a token of the file; the relay closes the tunnels whose names it loses")
    .argument("<ID>", idText)
    .addOption(fileOption())
    .option(
      "--subdomain <PATTERN>",
      "name the token may have, in place of all others; may be repeated",
      readPatterns,
    )
    .option("--add-subdomain <PATTERN>", "another name the token may have; may be repeated", readPatterns)
    .option(
      "--remove-subdomain <PATTERN>",
      "name, as in the file, to take away; may be repeated",
      readPatterns,
    )
    .option("--note <TEXT>", "a note; an empty one takes it away")
    .option("--expires <WHEN>", "when it expires, as for 'create', or 'never'", unless("never", readExpiry))
    .option("--max-tunnels <N>", `${maxTunnelsText}, or 'none'`, unless("none", readCount))
    .option("--max-requests-per-second <N>", `${maxRequestsText}, or 'none'`, unless("none", readCount))
    .option("--max-bytes-per-second <BYTES>", `${maxBytesText}, or 'none'`, unless("none", readSize))
    .action(async (id: string, options: EditOptions) => (await actions()).edit(id, options));
  token
    .command("rotate")
    .description(
      "draw a new secret for a token of the file, and print it; the relay closes the tunnels of the old one",
    )
    .argument("<ID>", idText)
    .addOption(fileOption())
    .option(
      "--keep-old <DURATION>",
      "how long the old secret is good too, such as 1h",
      durationReader({ leastMs: 1 }),
    )
    .action(async (id: string, options: RotateOptions) => (await actions()).rotate(id, options));
  token
    .command("revoke")
    .description("remove a token from the file; the relay closes its tunnels")
    .argument("<ID>", idText)
    .addOption(fileOption())
    .action(async (id: string, options: FileOption) => (await actions()).revoke(id, options));
  for (const command of token.commands) command.addOption(configOption());
  token.hook("preAction", (_token, command) => findTokenFile(command));
}

const idText = "the token's id, or its beginning, as 'list' shows it";
const maxTunnelsText = "how many tunnels the token may have at once";
const maxRequestsText = "requests a second to all its tunnels together; more get 429";
const maxBytesText = "bytes a second of all its tunnels together, such as 1MiB; more is slowed down";

function fileOption(): Option {
  return new Option("--token-file <FILE>", "file of tokens (default: that of --config)").env(
    "MCP_TUNNEL_TOKEN_FILE",
  );
}

/**
 * The token file is the one that is given, or that of the relay's config file.
 * @throws CommanderError when there is none; TunnelError as {@link takeFromConfig}.
 */
async function findTokenFile(command: Command): Promise<void> {
  const config = await takeFromConfig(command, { "token-file": "token-file" }, "token-file");
  const file = command.getOptionValue("tokenFile") as string | undefined;
  if (file === undefined) {
    const message =
      config === undefined
        ? "no token file is given: add --token-file <FILE>, or --config <FILE> of the relay"
        : `${config} has no 'token-file': add it there, or give --token-file <FILE>`;
    return command.error(`error: ${message}`);
  }
  // From here it may be another file, which no relay reads.
  if (command.getOptionValueSource("tokenFile") !== "config" || isAbsolute(file) || existsSync(file)) return;
  throw unusable(
    `the token file '${file}' of ${config} is looked for in the folder in which the relay is started, and is ` +
      "not in this one: change to that folder, or give --token-file <FILE>",
    { options: ["token-file"], file },
  );
}

function readPatterns(text: string, previous: string[] | undefined): string[] {
  const patterns = text.split(",");
  const bad = patterns.find((pattern) => !isPattern(pattern));
  if (bad === undefined) return [...(previous ?? []), ...patterns];
  throw new InvalidArgumentError(`'${bad}' is not letters, digits, hyphens and at most one '*'.`);
}

/** The last time that has a year of four digits, as files have it. */
const lastExpiry = Date.UTC(9999, 11, 31);

/** The text for the file. A period from now becomes the time at which it ends. */
function readExpiry(text: string): string {
  // A number alone may be meant as days, or as a year.
  const period = /[a-z]$/.test(text) ? parseDuration(text) : undefined;
  const time = period === undefined ? parseExpiry(text) : Date.now() + period;
  if (time === undefined) {
    throw new InvalidArgumentError(
      "It takes a period with its unit, such as 30d, 12h or 90m, a date such as 2027-01-31, or a time such as " +
        "2027-01-31T18:00:00Z.",
    );
  }
  if (time > lastExpiry) throw new InvalidArgumentError("That is beyond the year 9999: leave it out.");
  if (time <= Date.now()) throw new InvalidArgumentError("That is in the past.");
  if (period === undefined) return text;
  return new Date(Math.ceil(time / 1_000) * 1_000).toISOString().replace(".000Z", "Z");
}

/** Leaves `word`, which takes a field away, as it is, and reads any other text by `read`. */
function unless<Word extends string, T>(word: Word, read: (text: string) => T): (text: string) => T | Word {
  return (text) => (text === word ? word : read(text));
}

const readSize = sizeReader({ least: 1 });

function readCount(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number above 0.");
}
