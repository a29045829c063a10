import type { Command } from "commander";
import { printable, printableJson, printableLines } from "mcp-tunnel-shared";
import { findConfigFile } from "../config/find.js";
import type { ConfigFile } from "../config/find.js";
import { exitStatus } from "../options/exit-status.js";
import { configOption } from "../options/start-options.js";
import { partOf, subcommand } from "../options/subcommand.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";

const description = `Looks at a config file of mcp-tunnel-client start.

The file is the one that is given, or else mcp-tunnel-client.yaml in the current folder, or else that of the user, ~/.config/mcp-tunnel/mcp-tunnel-client.yaml.`;

/** `mcp-tunnel-client config`. Its run throws TunnelError `unavailable` for a file that cannot be read. */
export const config: CliCommand = {
  build: (output) => buildConfig(output),
  async run(args, output) {
    let status: number = exitStatus.ended;
    const program = buildConfig(output, (failed) => (status = failed));
    if (args.length === 0) output.out(program.helpInformation().trimEnd());
    else await program.parseAsync(args, { from: "user" });
    return status;
  },
};

/** `end` is told the exit status, unless it is 0. */
function buildConfig(output: Output, end: (status: number) => void = () => {}): Command {
  const program = subcommand("config", description);
  const text =
    "say all that cannot work with a config file, and in which line: in the file, and in the files and the " +
    "programs that it names; nothing is started; exit status 1 if there is a mistake";
  partOf(program, "check", text)
    .argument("[file]")
    .addOption(configOption())
    .option("--json", "print one JSON object: verdict and problems")
    .action(async (file: string | undefined, flags: { config?: string; json?: true }) => {
      if (!(await check(findConfigFile(file ?? flags.config), flags.json === true, output)))
        end(exitStatus.failed);
    });
  return program;
}

/**
 * Whether a config file is without mistakes, which are printed.
 * @throws TunnelError `unavailable` when it cannot be read.
 */
async function check(config: ConfigFile, isJson: boolean, output: Output): Promise<boolean> {
  const { FileMistakes } = await import("mcp-tunnel-config");
  // It loads the client.
  const { readChecked } = await import("../tunnel/check-file.js");
  const { path: file } = config;
  try {
    const tunnels = await readChecked(config);
    if (isJson) output.out(printableJson({ verdict: "ok", problems: [] }));
    else output.out(printable(`${file}: ok (${[...tunnels.keys()].join(", ")})`));
    return true;
  } catch (error) {
    if (!(error instanceof FileMistakes)) throw error;
    const problems = error.problems.map(({ line, message }) => ({ verdict: "failed", file, line, message }));
    if (isJson) output.out(printableJson({ verdict: "failed", problems }));
    else output.err(`error: ${printableLines(error.message)}`);
    return false;
  }
}
