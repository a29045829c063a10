import type { Command } from "commander";
import { printable } from "mcp-tunnel-shared";
import { findConfigFile } from "../config/find.js";
import { exitStatus } from "../options/exit-status.js";
import { configOption } from "../options/start-options.js";
import { partOf, subcommand } from "../options/subcommand.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";

const description = `Looks at a config file of mcp-tunnel-client start.

The file is the one that is given, or else mcp-tunnel-client.yaml in the current folder, or else that of the user, ~/.config/mcp-tunnel/mcp-tunnel-client.yaml.`;

/**
 * `mcp-tunnel-client config`. Its run throws TunnelError `invalid_option` for mistakes in the file, or
 * `unavailable` if it cannot be read.
 */
export const config: CliCommand = {
  build: buildConfig,
  async run(args, output) {
    const program = buildConfig(output);
    if (args.length === 0) output.out(program.helpInformation().trimEnd());
    else await program.parseAsync(args, { from: "user" });
    return exitStatus.ended;
  },
};

function buildConfig(output: Output): Command {
  const program = subcommand("config", description);
  const text = "show the mistakes in a config file, and in the files that it names, with their lines";
  partOf(program, "check", text)
    .argument("[file]")
    .addOption(configOption())
    .action(async (file: string | undefined, flags: { config?: string }) => {
      const config = findConfigFile(file ?? flags.config);
      // It loads the client.
      const { readChecked } = await import("../tunnel/check.js");
      const tunnels = await readChecked(config);
      output.out(printable(`${config.path}: ok (${[...tunnels.keys()].join(", ")})`));
    });
  return program;
}
