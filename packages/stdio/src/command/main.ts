import { CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, printable } from "mcp-tunnel-shared";
import { endSignals, endWithReader, refuseOtherRuntimes } from "mcp-tunnel-shared/command";
import { eventText } from "../event-text.js";
import { parseCommandLine } from "./options.js";

refuseOtherRuntimes("mcp-tunnel-stdio");
endWithReader();

/** Serves until a signal ends it, and returns the exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const { host, port, command, args: rest } = parseCommandLine(args);
    // Loaded when it is needed: the MCP SDK takes longer than an answer to a mistake or to --help may take.
    const [{ createStdioServer }, { listen }] = await Promise.all([
      import("../server.js"),
      import("./http.js"),
    ]);
    const server = createStdioServer({
      command,
      args: rest,
      onEvent: (event) => console.error(printable(eventText(event))),
    });
    const http = await listen((request) => server.fetch(request), host, port);
    console.log(http.url);
    if (!isLoopback(host)) {
      console.error("Everybody who reaches this port can use the server with your rights.");
    }
    // A failure is an event, too.
    server.probe().catch(() => {});
    await signal();
    // The streams of visitors end first: a session whose process ends would have to tell them of an error.
    await http.close();
    await server.close();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof TunnelError)) throw error;
    console.error(`error: ${printable(error.message)}`);
    return error.code === "invalid_option" ? 2 : 1;
  }
}

function signal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of endSignals) process.once(name, () => resolve());
  });
}

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void main(process.argv.slice(2)).then((status) => process.exit(status));
