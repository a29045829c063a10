import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { unusable } from "mcp-tunnel-protocol";
import { isLoopbackAddress } from "mcp-tunnel-shared";
import { readSwitch, sourceName } from "mcp-tunnel-shared/command";
import type { OptionValues } from "mcp-tunnel-shared/command";
import { option } from "./flags.js";

/** What is kept of the requests, and where it is shown. */
export interface InspectOptions {
  /** Where the page is; undefined: there is none. */
  readonly page: PagePlace | undefined;
  /** The HAR file that is written; undefined: none. */
  readonly file: string | undefined;
}

export interface PagePlace {
  /** Without brackets. */
  readonly host: string;
  /** 0: any port that is free. Undefined: the first of the usual ones that is free. */
  readonly port: number | undefined;
  /** The tunnel does not run without the page. False: nobody has asked for it. */
  readonly isWanted: boolean;
}

/** The values of the flags of {@link addInspectOptions}. */
export interface InspectFlags {
  /** True: without a value. */
  inspect?: boolean | Address;
  record?: string;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const defaultHost = "127.0.0.1";

export function addInspectOptions(command: Command): Command {
  const added = [
    option(
      "--inspect [address]",
      "show what goes through the tunnel on a page of this machine, at 127.0.0.1:PORT; without an address at " +
        "port 4040, or the next free one",
    )
      .default(undefined, "on at a terminal")
      .argParser(readAddress),
    new Option("--no-inspect", "show no such page"),
    option(
      "--record <file>",
      "write what goes through to a HAR file, with secrets hidden; at most 64 MiB, and a file that is there " +
        "is replaced",
    ),
  ];
  for (const one of added) command.addOption(one.helpGroup("Inspector:"));
  return command;
}

/**
 * What is asked for; undefined if it is nothing. `isTerminal`: a person reads the output.
 * @throws TunnelError `invalid_option`.
 */
export function readInspectOptions(
  { inspect, record }: InspectFlags,
  values: OptionValues,
  isTerminal: boolean,
): InspectOptions | undefined {
  const page = pageOf(inspect, isTerminal);
  if (record === "") throw unusable(`${sourceName(values, "record")} names no file`, { options: ["record"] });
  return page === undefined && record === undefined ? undefined : { page, file: record };
}

function pageOf(inspect: InspectFlags["inspect"], isTerminal: boolean): PagePlace | undefined {
  if (inspect === false || (inspect === undefined && !isTerminal)) return undefined;
  const isWanted = inspect !== undefined;
  return typeof inspect === "object"
    ? { ...inspect, isWanted }
    : { host: defaultHost, port: undefined, isWanted };
}

/**
 * Reads an address; from the environment also `true` and `false`.
 * @throws InvalidArgumentError for anything else.
 */
function readAddress(text: string): boolean | Address {
  const isOn = readSwitch(text);
  if (isOn !== undefined) return isOn;
  if (!text.includes(":")) {
    throw new InvalidArgumentError(
      `It takes HOST:PORT, such as ${defaultHost}:${/^\d+$/.test(text) ? text : "4040"}. If ${text} is the ` +
        `service, put it first: mcp-tunnel-client ${text} --inspect.`,
    );
  }
  const [, name = "", digits = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const host = name.toLowerCase() === "localhost" ? defaultHost : name;
  const isAddress = /^\[.*\]$/.test(host) || !host.includes(":");
  if (digits === "" || port > 65_535 || !isAddress || !isLoopbackAddress(host)) {
    throw new InvalidArgumentError(
      `It takes an address of this machine alone and a port, such as ${defaultHost}:4040, localhost:4040 or ` +
        "[::1]:4040.",
    );
  }
  return { host: host.replaceAll(/[[\]]/g, ""), port };
}
