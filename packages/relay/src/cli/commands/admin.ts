import { type Command, Option } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { formatDuration } from "mcp-tunnel-shared";
import { readAdminUrl } from "../admin/address.js";
import { configOption, namedConfigOption, takeFromConfig } from "../options/relay-config.js";
import { SecretOption, ValueOption } from "../options/value-option.js";
import { readPositiveDurationMs } from "../options/values.js";
import type { HealthOptions, StatusOptions } from "./admin-actions.js";

/** The work of a command is loaded when it is needed: a relay that starts has none of it. */
const actions = () => import("./admin-actions.js");

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
    .action(async (options: StatusOptions, command: Command) => {
      await (await actions()).status(options, command);
    });
  withAddress(program.command("disconnect"))
    .description(
      "close a tunnel, at whichever relay of the cluster it is; its client is told not to come back",
    )
    .argument("<NAME>", "the tunnel's name")
    .action(async (name: string, _options: object, command: Command) => {
      await (await actions()).disconnect(name, command);
    });
  // A health check depends on no file that somebody may be editing, unless it is told to.
  withAddress(program.command("health"), namedConfigOption())
    .description(
      "for health checks: exit with status 0 if a relay is alive, takes tunnels and can read its token file",
    )
    .option("--live", "check only whether the relay is alive, to decide on a restart")
    .action(async (options: HealthOptions, command: Command) => {
      await (await actions()).health(options, command);
    });
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
