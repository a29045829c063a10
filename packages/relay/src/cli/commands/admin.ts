import { type Command, Option } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { formatDuration, printable, printableJson } from "mcp-tunnel-shared";
import { readSecret } from "mcp-tunnel-shared/command";
import { type AdminAddress, adminRequest, readAdminUrl } from "../admin/client.js";
import { CommandFailure, writeLine } from "../output/output.js";
import { configOption, namedConfigOption, takeFromConfig } from "../options/relay-config.js";
import { SecretOption, ValueOption } from "../options/value-option.js";
import { readPositiveDurationMs } from "../options/values.js";
import { relayNames } from "../output/relay-names.js";
import { type RelayStatus, silentLine, statusTable } from "../output/status-table.js";

/** Of a relay that is in no cluster only `disconnected` is there. */
interface DisconnectAnswer {
  disconnected: string;
  relays?: readonly string[];
  silent?: readonly string[];
}

/** `mcp-tunnel status`, `disconnect` and `health`: they ask a relay over its admin API. */
export function addAdminCommands(program: Command): void {
  withAddress(program.command("status"))
    .description("show the tunnels of a running relay, or of all relays of its cluster")
    .option("--watch", "show them again and again, until Ctrl-C")
    .addOption(
      new ValueOption("--interval <DURATION>", "time between two looks with --watch", formatDuration)
        .default(2_000)
        .argParser(readPositiveDurationMs),
    )
    .option("--wide", "show all columns, and long texts whole, also where the terminal is narrow")
    .option("--json", "print JSON; with --watch one line each time")
    .action(status);
  withAddress(program.command("disconnect"))
    .description(
      "close a tunnel, at whichever relay of the cluster it is; its client is told not to come back",
    )
    .argument("<NAME>", "the tunnel's name")
    .action(disconnect);
  // A health check depends on no file that somebody may be editing, unless it is told to.
  withAddress(program.command("health"), namedConfigOption())
    .description(
      "for health checks: exit with status 0 if a relay is alive, takes tunnels and can read its token file",
    )
    .option("--live", "check only whether the relay is alive, to decide on a restart")
    .action(health);
}

function withAddress(command: Command, config = configOption()): Command {
  return command
    .addOption(
      new Option("--admin <ADDRESS>", "the relay's --admin-listen, or a URL that leads there")
        .env("MCP_TUNNEL_ADMIN_LISTEN")
        .argParser(readAdminUrl)
        .default(readAdminUrl("127.0.0.1:9090"), "127.0.0.1:9090"),
    )
    .addOption(
      new SecretOption("--admin-secret <SECRET>", "the relay's --admin-secret").env(
        "MCP_TUNNEL_ADMIN_SECRET",
      ),
    )
    .addOption(
      new Option("--admin-secret-file <FILE>", "file that holds the --admin-secret").env(
        "MCP_TUNNEL_ADMIN_SECRET_FILE",
      ),
    )
    .addOption(config)
    .hook("preAction", findAdmin);
}

/**
 * The relay is the one whose address is given, or that of the config file.
 * @throws TunnelError as {@link takeFromConfig}; `invalid_option` when that file does not say where it is.
 */
async function findAdmin(command: Command): Promise<void> {
  const wanted = {
    "admin-listen": "admin",
    "admin-secret": "admin-secret",
    "admin-secret-file": "admin-secret-file",
  };
  const file = await takeFromConfig(command, wanted, "admin");
  if (file === undefined) return;
  const source = command.getOptionValueSource("admin");
  // A file that stands in the environment was perhaps not meant for this.
  if (source === "default" && command.getOptionValueSource("config") === "cli") {
    throw unusable(
      `${file} has no 'admin-listen', so its relay has no admin API: add it there, or give --admin <ADDRESS>`,
      { options: ["admin"], file },
    );
  }
  if (source === "config" && new URL(command.getOptionValue("admin") as string).port === "0") {
    throw unusable(
      `the 'admin-listen' of ${file} takes any free port: say which it is by --admin <ADDRESS>; the relay's ` +
        "log has it",
      { options: ["admin"], file },
    );
  }
}

/** @throws TunnelError `invalid_option` or `unavailable` when the secret cannot be read. */
function addressOf(command: Command): AdminAddress {
  return {
    url: command.getOptionValue("admin") as string,
    secret: readSecret(command, "admin-secret", TunnelError),
  };
}

async function status(
  options: { watch?: boolean; interval: number; wide?: boolean; json?: boolean },
  command: Command,
): Promise<void> {
  const address = addressOf(command);
  const show = async (): Promise<void> => {
    const answer = (await adminRequest(address, "GET", "/api/tunnels")) as RelayStatus;
    if (options.json === true) {
      writeLine(printableJson(answer, options.watch === true ? 0 : 2));
      return;
    }
    // What is not a terminal has no width.
    const lines = statusTable(answer, Date.now(), options.wide === true ? undefined : process.stdout.columns);
    // On a terminal each table takes the place of the one before.
    if (options.watch === true && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
    writeLine(lines.join("\n"));
  };
  await show();
  while (options.watch === true) {
    await new Promise((resolve) => setTimeout(resolve, options.interval));
    await show();
  }
}

async function disconnect(name: string, _options: object, command: Command): Promise<void> {
  const address = addressOf(command);
  const path = `/api/tunnels/${encodeURIComponent(name.toLowerCase())}`;
  const { relays = [], silent = [] } = (await adminRequest(address, "DELETE", path)) as DisconnectAnswer;
  const nameOf = relays.length === 0 ? String : await askNames(address);
  const where =
    relays.length === 0 ? "" : ` at ${relays.map((relay) => printable(nameOf(relay))).join(", ")}`;
  writeLine(`disconnected ${name.toLowerCase()}${where}`);
  for (const relay of silent) writeLine(printable(silentLine(nameOf(relay))));
}

/** The names of the relays of a cluster; their ids if the relay does not say more. */
async function askNames(address: AdminAddress): Promise<(node: string) => string> {
  try {
    const answer = (await adminRequest(address, "GET", "/api/tunnels?scope=local")) as RelayStatus;
    return relayNames(answer.relay);
  } catch (error) {
    // The tunnel is closed all the same.
    if (error instanceof CommandFailure) return String;
    throw error;
  }
}

async function health(options: { live?: boolean }, command: Command): Promise<void> {
  const [path, expected] = options.live === true ? ["/healthz", "ok"] : ["/readyz", "ready"];
  const answer = (await adminRequest(addressOf(command), "GET", path)) as { status?: string };
  if (answer.status !== expected)
    throw new CommandFailure(`the relay is not ${expected}: ${printable(String(answer.status))}`);
  writeLine(expected);
}
