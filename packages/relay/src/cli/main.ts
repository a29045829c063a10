import { printableLines } from "mcp-tunnel-shared";
import { endWithReader } from "mcp-tunnel-shared/command";
import { createProgram, failureOf } from "./program.js";

// Set and empty is how a compose file leaves an option out.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith("MCP_TUNNEL_") && value === "") delete process.env[name];
}

// For lists and the help, which are not lines of the log.
endWithReader();

// No await at the top of the module: a bundle of one file is CommonJS, which has none.
void createProgram()
  .parseAsync()
  .catch((error: unknown) => {
    const failure = failureOf(error);
    if (failure === undefined) return;
    if (failure.message !== undefined) process.stderr.write(`error: ${printableLines(failure.message)}\n`);
    // What was already started, a listener say, would keep the process.
    process.exit(failure.status);
  });
