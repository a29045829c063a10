import type { Command, Option } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { Document, isSeq, Scalar } from "yaml";
import { linesOf, readYamlFile } from "mcp-tunnel-config";
import { silentLogger } from "../../telemetry/log.js";
import { createRelay } from "../../relay.js";
import { version } from "../../version.js";
import { createCommand } from "../options/options.js";
import { adminOptionsOf, readOptions, relayOptionsOf } from "../options/read-options.js";
import { writeLine } from "../output/output.js";
import { ValueOption } from "../options/value-option.js";

/** The command, parsed as if it were started with the file. */
function commandWith(file: string | undefined): Command {
  return createCommand(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .parse(file === undefined ? [] : ["--config", file], { from: "user" });
}

export async function check(file: string): Promise<void> {
  const command = commandWith(file);
  await readOptions(command);
  // The check goes all the way to a relay that only has to listen: options can be right one by one and wrong
  // together.
  try {
    adminOptionsOf(command);
    await createRelay(await relayOptionsOf(command, silentLogger)).close(0);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const [line, ...others] = linesOf(readYamlFile(file), [], error).toSorted((a, b) => b - a);
    const where = line === undefined ? file : `${file}:${line}`;
    const [said = "", ...details] = error.message.split("\n");
    const also = others.length === 0 ? "" : ` (see line ${others.toReversed().join(", ")})`;
    const message = [`${where}: ${said}${also}`, ...details].join("\n");
    throw new TunnelError(error.code, message, { cause: error, file });
  }
  writeLine(`${file}: ok`);
}

export async function show(file: string | undefined): Promise<void> {
  const command = commandWith(file);
  await readOptions(command);
  const document = new Document({});
  for (const option of command.options) {
    const key = option.attributeName();
    const value: unknown = command.getOptionValue(key);
    if (value === undefined || key === "config") continue;
    const source = command.getOptionValueSource(key) ?? "default";
    const node = document.createNode(shown(value, option));
    // The comment comes after the value, or before the first value of a list.
    node[isSeq(node) ? "commentBefore" : "comment"] = ` ${source}`;
    document.set(new Scalar(option.name()), node);
  }
  writeLine(document.toString({ lineWidth: 0 }).trimEnd());
}

/** A value as people write it, `10m` or `127.0.0.1:9090`, without secrets. */
function shown(value: unknown, option: Option): unknown {
  // The flag is on when the value is false.
  if (option.negate) return value === false;
  if (!(option instanceof ValueOption)) return value;
  const { write } = option as ValueOption<unknown>;
  return Array.isArray(value) ? value.map(write) : numeric(write(value));
}

/** Turns digits into a number, so that YAML does not quote them. */
function numeric(text: string): string | number {
  return /^[0-9]+$/.test(text) ? Number(text) : text;
}
