import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { printableJson } from "mcp-tunnel-shared";
import { endSignals, stepLines, summaryLine } from "mcp-tunnel-shared/command";
import type { DoctorReport, Step, Verdict } from "mcp-tunnel-shared/command";
import pc from "picocolors";
import type { DoctorSettings } from "../doctor/case.js";
import { exitStatus } from "../options/exit-status.js";
import { isOn, option, readDuration } from "../options/flags.js";
import type { LocalService } from "../options/flags.js";
import { splitArguments } from "../options/mcp-options.js";
import type { SplitArguments } from "../options/mcp-options.js";
import { readRelayOptions } from "../options/relay-options.js";
import { configOption } from "../options/start-options.js";
import { subcommand } from "../options/subcommand.js";
import { addTunnelOptions, readTunnelOptions } from "../options/tunnel-options.js";
import type { TunnelFlags } from "../options/tunnel-options.js";
import type { Output } from "../output/output.js";
import type { CliCommand } from "./command.js";

const description = `Looks at a tunnel step by step, and says what is wrong and what to do: the way to the relay (DNS, TCP, proxy, TLS, token, name), the local service (Host, Origin, MCP, OAuth), and both together through the public URL (streams, WebSocket, large bodies, silence).

It takes the options of a tunnel. Give it those of the command that does not work. The name of a tunnel in the config file stands for its options there. Without a service it looks only at the way.

No running client is disturbed. If the name is free, the doctor has a tunnel of its own for as long as it looks, and only the doctor gets past its gate. Unlike the client, it sends requests of its own to the local service: GET /, and MCP's initialize and tools/list at --mcp-path.`;

const epilogue = `
Examples:
  Look at all that is between visitors and http://localhost:3000
    $ mcp-tunnel-client doctor 3000 --relay https://tunnel.example.com \\
        --token-file token.txt

  Look at a tunnel of the config file (--config, or mcp-tunnel-client.yaml)
    $ mcp-tunnel-client doctor web

  Look at the way alone, and do not wait for silent connections
    $ mcp-tunnel-client doctor --relay https://tunnel.example.com --idle 0

Exit status:
  0  all is well, or there are only warnings
  1  something failed
  2  an option is wrong or missing`;

/** How long the silence lasts, in milliseconds: by default, and with --long. */
const idleMs = 60_000;
const longIdleMs = 360_000;

/** A name in the config file: no port, no host with a port, no URL and no option. */
const tunnelName = /^(?!\d+$)\w[\w.-]*$/;

interface Flags extends TunnelFlags {
  mcpPath: string;
  idle?: number;
  long?: true;
  json?: boolean;
}

/** `mcp-tunnel-client doctor`. */
export const doctor: CliCommand = { build: buildCommand, run };

/**
 * Runs `mcp-tunnel-client doctor`, and returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`,
 * or `unavailable` for a file that cannot be read.
 */
async function run(args: readonly string[], output: Output): Promise<number> {
  const { own, command: serverCommand } = splitArguments(args);
  const isNamed = serverCommand === undefined && tunnelName.test(own[0] ?? "");
  const command = isNamed ? buildNamed() : buildCommand();
  command.parse(own, { from: "user" });
  const isJson = isOn("json", command.opts<Flags>().json);
  const settings = isNamed ? await readNamed(command) : readSettings(command, serverCommand);
  const { Doctor } = await import("../doctor/doctor.js");
  const doctor = new Doctor(settings);
  const end = (): void => void doctor.close().then(() => process.exit(exitStatus.failed));
  // A tunnel that nobody closes would keep its name at the relay for a while.
  for (const signal of endSignals) process.once(signal, end);
  const screen = new StepScreen(output);
  try {
    const report = await doctor.run({
      onStep: (step) => {
        if (!isJson) screen.step(step);
      },
      onWaiting: (leftMs) => {
        if (!isJson && leftMs >= 1_000) screen.waiting(leftMs);
      },
    });
    if (isJson) output.out(printableJson(report));
    else screen.end(report);
    return report.verdict === "failed" ? exitStatus.failed : exitStatus.ended;
  } finally {
    await doctor.close();
  }
}

function buildCommand(): Command {
  const command = addTunnelOptions(subcommand("doctor", description).addHelpText("after", epilogue));
  return addDoctorOptions(command);
}

/** For a tunnel of the config file, which has its options there. */
function buildNamed(): Command {
  const command = subcommand("doctor", description).argument("<name>", "a tunnel of the config file");
  return addDoctorOptions(command.addOption(configOption()));
}

function addDoctorOptions(command: Command): Command {
  const added = [
    option("--mcp-path <path>", "where the local service answers MCP").default("/mcp").argParser(readPath),
    option("--idle <duration>", "how long a stream and a WebSocket stay silent; 0 does not try it")
      .default(undefined, "1m")
      .argParser(readDuration),
    new Option("--long", "the same as --idle 6m").conflicts("idle"),
    new Option("--json", "print one JSON object: verdict and steps"),
  ];
  for (const one of added) command.addOption(one.helpGroup("Doctor:"));
  return command;
}

/** @throws InvalidArgumentError */
function readPath(text: string): string {
  if (/^\/[\x21-\x7e]*$/.test(text) && !text.includes("#")) return text;
  throw new InvalidArgumentError("It takes a path, such as /mcp.");
}

function readSettings(command: Command, serverCommand: SplitArguments["command"]): DoctorSettings {
  const flags = command.opts<Flags>();
  const local = command.processedArgs[0] as LocalService | undefined;
  const hasService =
    local !== undefined ||
    isOn("stdio", flags.stdio) ||
    flags.mcpConfig !== undefined ||
    serverCommand !== undefined;
  const tunnel = hasService ? readTunnelOptions(command, { local, serverCommand }) : undefined;
  const { subdomain } = flags;
  const relay = tunnel?.client ?? {
    ...readRelayOptions(flags, command).client,
    ...(subdomain === undefined ? {} : { subdomain }),
  };
  return { relay, tunnel, ...readDoctorOptions(command) };
}

/** @throws TunnelError `invalid_option` for mistakes in the file, or `unavailable` if it cannot be read. */
async function readNamed(command: Command): Promise<DoctorSettings> {
  const { findConfigFile } = await import("../config/find.js");
  const { tunnelNamed } = await import("../config/tunnels-file.js");
  const { readChecked } = await import("../tunnel/check-file.js");
  const file = findConfigFile(command.opts<{ config?: string }>().config);
  const tunnels = await readChecked(file);
  const [name = ""] = command.args;
  const tunnel = tunnelNamed(name, tunnels, file.path).settings;
  return { relay: tunnel.client, tunnel, ...readDoctorOptions(command) };
}

function readDoctorOptions(command: Command): Omit<DoctorSettings, "relay" | "tunnel"> {
  const flags = command.opts<Flags>();
  return {
    mcpPath: flags.mcpPath,
    isMcpPathGiven: command.getOptionValueSource("mcpPath") !== "default",
    idleMs: flags.idle ?? (flags.long === true ? longIdleMs : idleMs),
  };
}

/** The widest lines, in columns. Longer ones are hard to read. */
const maxWidth = 100;

/** Shows steps to a person. Several in a row that were skipped for the same reason are shown together. */
class StepScreen {
  readonly #output: Output;
  #skipped: Step[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  step(step: Step): void {
    const isSkipped = step.verdict === "skipped";
    if (!isSkipped || this.#skipped[0]?.reason !== step.reason) this.#showSkipped();
    if (isSkipped) this.#skipped.push(step);
    else this.#show(step);
  }

  waiting(leftMs: number): void {
    this.#showSkipped();
    // Nobody waits who reads it later.
    if (this.#output.columns === undefined) return;
    const seconds = Math.ceil(leftMs / 1_000);
    this.#output.out(`         (waiting ${seconds} s for silent connections; --idle 0 leaves it out)`);
  }

  end(report: DoctorReport): void {
    this.#showSkipped();
    this.#output.out("");
    this.#output.out(summaryLine(report));
  }

  #showSkipped(): void {
    const [first] = this.#skipped;
    const title = this.#skipped.map((step) => step.title).join(", ");
    this.#skipped = [];
    if (first !== undefined) this.#show({ ...first, title });
  }

  #show(step: Step): void {
    const { colors, columns } = this.#output;
    const { green, yellow, red, dim } = pc.createColors(colors);
    const paints = { ok: green, warning: yellow, failed: red, skipped: dim };
    const paint = (verdict: Verdict, word: string): string => paints[verdict](word);
    const width = Math.min(columns ?? 80, maxWidth);
    for (const line of stepLines(step, { paint, width })) this.#output.out(line);
  }
}
