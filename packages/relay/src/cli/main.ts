import { printableLines, stackOf } from "mcp-tunnel-shared";
import { dropEmptyVariables, endWithReader, refuseOtherRuntimes } from "mcp-tunnel-shared/command";
import { asksForJson } from "./output/asks-for-json.js";
import { createProgram, type Failure, failureOf } from "./program.js";

refuseOtherRuntimes("mcp-tunnel");
dropEmptyVariables();

// Lists and the help are no lines of the log, whose output looks after itself.
endWithReader();

const program = createProgram();

/** Says why the program ends, in the form of its log if that is known to be JSON, and ends it. */
async function fail(error: unknown): Promise<void> {
  const isJson = asksForJson(program);
  const failure = isJson ? failureOrBug(error) : failureOf(error);
  if (failure === undefined) return;
  const { message, status } = failure;
  if (message !== undefined) {
    process.stderr.write(isJson ? await failureLine(message, status) : `error: ${printableLines(message)}\n`);
  }
  // A part that was already started, such as a listener, would keep the process alive.
  process.exit(status);
}

/** Node's own words for an error that nobody expected are no JSON. */
function failureOrBug(error: unknown): Failure | undefined {
  try {
    return failureOf(error);
  } catch (bug) {
    return { status: 1, message: `please report this: ${stackOf(bug)}` };
  }
}

async function failureLine(error: string, status: number): Promise<string> {
  const { jsonLine } = await import("./output/log-output.js");
  return jsonLine("error", { error, status }, "the relay does not start");
}

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void program.parseAsync().catch(fail);
