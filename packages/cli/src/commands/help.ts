import { Argument, Command } from "commander";
import { nearestName, unusable } from "mcp-tunnel-protocol";
import { suggestion } from "mcp-tunnel-shared/command";
import type { CliCommand, CommandTable } from "./command.js";

/** `mcp-tunnel-client help [command]`: prints what `--help` prints after the same words. */
export const help: CliCommand = {
  build: (_output, all) =>
    new Command("mcp-tunnel-client help").addArgument(new Argument("[command]").choices(namesOf(all))),
  async run([word = "http", ...rest], output, all) {
    const name = word === "help" ? "http" : word;
    const entry = Object.hasOwn(all, name) ? all[name] : undefined;
    if (entry === undefined) {
      const near = nearestName(word.toLowerCase(), namesOf(all));
      const list = near === undefined ? `: commands are ${namesOf(all).join(", ")}` : suggestion(near);
      throw unusable(`unknown command '${word}'${list}`);
    }
    return (await entry.load()).run([...rest, "--help"], output, all);
  },
};

function namesOf(all: CommandTable): string[] {
  return Object.keys(all).filter((name) => all[name]?.summary !== "");
}
