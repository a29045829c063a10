import { CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { version } from "../version.js";
import { addAdminCommands } from "./admin.js";
import { addConfigCommands } from "./config.js";
import { createCommand } from "./options.js";
import { CommandFailure } from "./output.js";
import { addTokenCommands } from "./token.js";

/** Exit statuses. A mistake in the options is 2, as with most programs. */
const failedStatus = 1;
const usageStatus = 2;

function fail(message: string, status: number): never {
  process.stderr.write(`error: ${message.trim()}\n`);
  // What was already started, a listener say, would keep the process.
  process.exit(status);
}

// Set and empty is how a compose file leaves an option out.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith("MCP_TUNNEL_") && value === "") delete process.env[name];
}

const command = createCommand(version)
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  // What follows a subcommand's name belongs to the subcommand.
  .enablePositionalOptions()
  // Refused by `serve`, in better words.
  .allowExcessArguments();
command.action(async () => (await import("./serve.js")).serve(command));
addTokenCommands(command);
addAdminCommands(command);
addConfigCommands(command);

try {
  await command.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // A command that only groups others has printed their help.
    if (error.code === "commander.help") process.exit(usageStatus);
    const message = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
    if (error.exitCode !== 0) fail(`${message} (see mcp-tunnel --help)`, usageStatus);
  } else if (error instanceof TunnelError) {
    fail(error.message, usageStatus);
  } else if (error instanceof CommandFailure) fail(error.message, failedStatus);
  else throw error;
}
