import { printableLines } from "mcp-tunnel-shared";
import { dropEmptyVariables, endWithReader, refuseOtherRuntimes } from "mcp-tunnel-shared/command";
import { createProgram, failureOf } from "./program.js";

refuseOtherRuntimes("mcp-tunnel");
dropEmptyVariables();

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
