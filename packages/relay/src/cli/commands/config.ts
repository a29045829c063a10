import type { Command } from "commander";

const actions = () => import("./config-actions.js");

/** `mcp-tunnel config check|show`. */
export function addConfigCommands(program: Command): void {
  const config = program.command("config").description("look at a --config file");
  config
    .command("check")
    .description("say what is wrong with a config file, with the lines; the environment counts as well")
    .argument("<FILE>")
    .action(async (file: string) => (await actions()).check(file));
  config
    .command("show")
    .description("print the options that hold, with where they come from; secrets are left out")
    .argument("[FILE]")
    .action(async (file: string | undefined) => (await actions()).show(file));
}
