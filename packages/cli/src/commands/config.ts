import { Command } from "commander";
import { oneLine, printable } from "mcp-tunnel-shared";
import { findConfigFile } from "../config/find.js";
import { exitStatus } from "../options/exit-status.js";
import { configOption } from "../options/start-options.js";
import type { Output } from "../output/output.js";

const description = `Looks at a config file of mcp-tunnel-client start.

The file is the one that is given, or else mcp-tunnel-client.yaml in the current folder, or else that of the user, ~/.config/mcp-tunnel/mcp-tunnel-client.yaml.`;

/**
 * Runs `mcp-tunnel-client config`, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`
 * for mistakes in the file, or `unavailable` if it cannot be read.
 */
export async function configCommand(args: readonly string[], output: Output): Promise<number> {
  const program = new Command("mcp-tunnel-client config")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(`${printable(oneLine(text))} (see mcp-tunnel-client config --help)\n`),
    });
  program
    .command("check")
    .description("show the mistakes in a config file, and in the files that it names, with their lines")
    .helpOption("-h, --help", "print this help")
    .argument("[file]")
    .addOption(configOption())
    .action(async (file: string | undefined, flags: { config?: string }) => {
      const path = findConfigFile(file ?? flags.config);
      // It loads the client.
      const { readChecked } = await import("../tunnel/check.js");
      const tunnels = await readChecked(path);
      output.out(printable(`${path}: ok (${[...tunnels.keys()].join(", ")})`));
    });
  if (args.length === 0) {
    output.out(program.helpInformation().trimEnd());
    return exitStatus.ended;
  }
  await program.parseAsync(args, { from: "user" });
  return exitStatus.ended;
}
