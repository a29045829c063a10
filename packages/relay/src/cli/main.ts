import { printableLines } from "mcp-tunnel-shared";
import { createProgram, failureOf } from "./program.js";

// Set and empty is how a compose file leaves an option out.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith("MCP_TUNNEL_") && value === "") delete process.env[name];
}

// Whoever reads a list or the help may leave before its end, as `| head` does: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error: cannot write to the standard output: ${error.message}\n`);
  process.exit(1);
});

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
