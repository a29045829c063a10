import type { Command } from "commander";

const actions = () => import("./config-actions.js");

/** `mcp-tunnel config check|show`. */
export function addConfigCommands(program: Command): void {
  const config = program.command("config").description("look at a --config file");
  config
    .command("check")
    .description("show the mistakes in a config file, with their lines; the environment counts as well")
    .argument("<FILE>")
    .action(async (file: string) => (await actions()).check(file));
  config
    .command("show")
    .description("print the options in effect, and where each comes from; secrets are left out")
    .argument("[FILE]")
    .action(async (file: string | undefined) => (await actions()).show(file));
}
