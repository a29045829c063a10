import type { Command } from "commander";

const actions = () => import("./config-actions.js");

/** `mcp-tunnel config check|show`. */
export function addConfigCommands(program: Command): void {
  const config = program.command("config").description("look at a --config file");
  config
    .command("check")
    .description(
      "say all that cannot work with a config file, and where: in the file, in the environment, and in the files " +
        "that they name; nothing is started; exit status 1 if there is a mistake",
    )
    .argument("<FILE>")
    .option("--json", "print JSON")
    .action(async (file: string, options: { json?: boolean }) =>
      (await actions()).check(file, options.json === true),
    );
  config
    .command("show")
    .description("print the options in effect, and where each comes from; secrets are left out")
    .argument("[FILE]")
    .action(async (file: string | undefined) => (await actions()).show(file));
}
