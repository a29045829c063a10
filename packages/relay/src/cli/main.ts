#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { type Command, CommanderError } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { createLogger } from "../log.js";
import { createRelay } from "../relay.js";
import { type CliOptions, createCommand, readOptions, relayOptionsOf } from "./options.js";

/** Exit status for a mistake on the command line, as most programs have it. */
const usageStatus = 2;

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** One line on stderr, and out. */
function fail(message: string, status: number): never {
  process.stderr.write(`error: ${message.trim().replace(/\s*\n\s*/g, " ")}\n`);
  process.exit(status);
}

function parse(): Command {
  const command = createCommand(version())
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const option of command.options) {
    // Set and empty is how a compose file leaves an option out.
    if (option.envVar !== undefined && process.env[option.envVar] === "") delete process.env[option.envVar];
  }
  try {
    command.parse();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0);
    fail(`${error.message.replace(/^error: /, "")} (see mcp-tunnel --help)`, usageStatus);
  }
  if (command.args.length > 0)
    fail(`unexpected argument '${command.args[0]}' (see mcp-tunnel --help)`, usageStatus);
  return command;
}

let options: CliOptions;
try {
  options = readOptions(parse());
} catch (error) {
  if (!(error instanceof TunnelError)) throw error;
  fail(error.message, usageStatus);
}
const format = options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
const { logger, flush } = createLogger(format, options.logLevel);

/** Runs a step; an error meant for the user ends the command with `status`. */
async function attempt<T>(step: () => T | Promise<T>, status: number): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    flush();
    fail(error.message, status);
  }
}

const relayOptions = await attempt(() => relayOptionsOf(options, logger), usageStatus);
const relay = await attempt(() => createRelay(relayOptions), usageStatus);
const { host, port } = await attempt(() => relay.listen(), 1);
const mode = relayOptions.authenticator?.mode;
logger.info({ host, port, domain: options.domain, auth: mode }, "listening");
if (mode === "open") {
  logger.warn({}, "open mode: anyone can register any name; --static-token or --auth-url changes that");
}

let signalled = false;
function stop(signal: NodeJS.Signals): void {
  logger.info({ signal }, signalled ? "cutting what is open" : "shutting down");
  // The first signal drains, a second one cuts.
  const closed = relay.close(signalled ? 0 : options.shutdownGrace);
  if (signalled) return;
  signalled = true;
  void closed.then(() => {
    logger.info({}, "stopped");
    flush();
    process.exit(0);
  });
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
