import type { Command, Option } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { Document, isSeq, Scalar } from "yaml";
import { linesConcerned } from "../../config/file.js";
import { silentLogger } from "../../telemetry/log.js";
import { createRelay } from "../../relay.js";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import { version } from "../../version.js";
import { createCommand } from "../options/options.js";
import { adminOptionsOf, readOptions, relayOptionsOf } from "../options/read-options.js";
import { writeLine } from "../output/output.js";
import { readDurationMs, readHostPort, readPositiveDurationMs } from "../options/values.js";

/** The command as it would start with the file. */
function commandWith(file: string | undefined): Command {
  return createCommand(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .parse(file === undefined ? [] : ["--config", file], { from: "user" });
}

export async function check(file: string): Promise<void> {
  const options = readOptions(commandWith(file));
  // All the way to a relay that only would have to listen: options can be right one by one and wrong together.
  try {
    adminOptionsOf(options);
    await createRelay(await relayOptionsOf(options, silentLogger)).close(0);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const [line, ...others] = linesConcerned(file, error.message).toSorted((a, b) => b - a);
    const where = line === undefined ? file : `${file}:${line}`;
    const [said = "", ...details] = error.message.split("\n");
    const also = others.length === 0 ? "" : ` (see line ${others.toReversed().join(", ")})`;
    throw new TunnelError(error.code, [`${where}: ${said}${also}`, ...details].join("\n"), { cause: error });
  }
  writeLine(`${file}: ok`);
}

const secrets = ["authSecret", "adminSecret"];

export function show(file: string | undefined): void {
  const command = commandWith(file);
  readOptions(command);
  const document = new Document({});
  for (const option of command.options) {
    const key = option.attributeName();
    const value: unknown = command.getOptionValue(key);
    if (value === undefined || key === "config") continue;
    const source = command.getOptionValueSource(key) ?? "default";
    const node = document.createNode(masked(key, readable(value, option)));
    // After the value, or before the first one of a list.
    node[isSeq(node) ? "commentBefore" : "comment"] = ` ${source}`;
    document.set(new Scalar(option.name()), node);
  }
  writeLine(document.toString({ lineWidth: 0 }).trimEnd());
}

function masked(key: string, value: unknown): unknown {
  if (secrets.includes(key)) return "***";
  if (key !== "staticToken" || !Array.isArray(value)) return value;
  return value.map((token: string) => token.replace(/^.*:/s, "***:"));
}

/** As it would be written: `10m`, `127.0.0.1:9090`. */
function readable(value: unknown, option: Option): unknown {
  if (value === option.defaultValue) return option.defaultValueDescription ?? value;
  if (option.parseArg === readDurationMs || option.parseArg === readPositiveDurationMs)
    return `${String(value)}ms`;
  if (option.parseArg === readHostPort) return formatHostPort(value as HostPort);
  return value;
}
