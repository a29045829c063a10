import { CommanderError } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { printable, printableLines } from "mcp-tunnel-shared";
import {
  dropEmptyVariables,
  endWithReader,
  letHeapGrow,
  refuseOtherRuntimes,
} from "mcp-tunnel-shared/command";
import type { CommandEntry, CommandTable } from "./commands/command.js";
import { OptionMistakes } from "./options/mistakes.js";
import { exitStatus, statusOf } from "./options/exit-status.js";
import { TerminalOutput } from "./output/terminal-output.js";

refuseOtherRuntimes("mcp-tunnel-client");
letHeapGrow();
dropEmptyVariables();

const output = new TerminalOutput();

// Help and questions are not written by `output`, which looks after itself.
endWithReader();

/** Each is loaded when it is asked for. */
const commands: CommandTable = {
  auth: {
    summary: "see, renew and take back what lets visitors in",
    load: async () => (await import("./commands/auth.js")).auth,
  },
  config: {
    summary: "look at the config file of start",
    load: async () => (await import("./commands/config.js")).config,
  },
  completion: {
    summary: "print the script by which bash, zsh or fish completes all this",
    load: async () => (await import("./commands/completion.js")).completion,
  },
  doctor: {
    summary: "examine the way from visitors to the local service, step by step",
    load: async () => (await import("./commands/doctor.js")).doctor,
  },
  help: {
    summary: "print the help of a command",
    load: async () => (await import("./commands/help.js")).help,
  },
  login: {
    summary: "keep a relay and the token for it",
    load: async () => (await import("./commands/login.js")).login,
  },
  logout: {
    summary: "forget the token that login has kept",
    load: async () => (await import("./commands/logout.js")).logout,
  },
  start: {
    summary: "start tunnels of a config file, all in one process",
    load: async () => (await import("./commands/start.js")).start,
  },
  whoami: {
    summary: "say which relay and token a tunnel would use, and for which names",
    load: async () => (await import("./commands/whoami.js")).whoami,
  },
  // People of other tunnels write it.
  http: { summary: "", load: async () => (await import("./commands/serve.js")).http },
};

async function main(args: readonly string[]): Promise<number> {
  const [word = "", ...rest] = args;
  try {
    if (Object.hasOwn(ofOthers, word)) throw unusable(ofOthers[word] as string);
    const isCommand = Object.hasOwn(commands, word);
    if (!isCommand && bareWord.test(word)) {
      const { unknownWord } = await import("./options/unknown-word.js");
      const mistake = unknownWord(args, Object.keys(commands));
      if (mistake !== undefined) throw unusable(mistake);
    }
    const entry = commands[isCommand ? word : "http"] as CommandEntry;
    return await (await entry.load()).run(isCommand ? rest : args, output, commands);
  } catch (error) {
    return usageStatus(error);
  }
}

/** No port, no host with a port, no URL and no option: no local service is such a word. */
const bareWord = /^[a-z][\w.-]*$/i;

/** Commands of other tunnels that this one does not have, with what to do. */
const ofOthers: Readonly<Record<string, string>> = {
  https:
    "https: the relay ends the visitors' TLS, and gives every tunnel https: mcp-tunnel-client 3000, and for a " +
    "local service with TLS, mcp-tunnel-client https://localhost:8443",
  tcp:
    "tcp: this tunnel carries HTTP, with its streams and WebSockets, and no other TCP: " +
    "for a service that speaks HTTP, mcp-tunnel-client 3000",
  tls:
    "tls: this tunnel carries HTTP, and the relay ends the visitors' TLS: " +
    "for a local service with TLS, mcp-tunnel-client https://localhost:8443",
};

/** The exit status for a mistake. commander has printed its own mistakes, and help and version. */
function usageStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ended : exitStatus.usage;
  if (!(error instanceof TunnelError)) throw error;
  // Several mistakes, and those in a file, are in lines.
  const isList = error.file !== undefined || error instanceof OptionMistakes;
  output.err(`error: ${(isList ? printableLines : printable)(error.message)}`);
  return statusOf(error);
}

// There is no await at the top of the module, because a bundle of one file is CommonJS, which does not allow
// it.
void main(process.argv.slice(2)).then((status) => output.exit(status));
