import { printableLines } from "mcp-tunnel-shared";
import { endWithReader } from "mcp-tunnel-shared/command";
import { createProgram, failureOf } from "./program.js";

// A compose file leaves an option out by a variable that is set and empty.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith("MCP_TUNNEL_") && value === "") delete process.env[name];
}

// Lists and the help are no lines of the log, whose output looks after itself.
endWithReader();

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void createProgram()
  .parseAsync()
  .catch((error: unknown) => {
    const failure = failureOf(error);
    if (failure === undefined) return;
    if (failure.message !== undefined) process.stderr.write(`error: ${printableLines(failure.message)}\n`);
    // A part that was already started, such as a listener, would keep the process alive.
    process.exit(failure.status);
  });
