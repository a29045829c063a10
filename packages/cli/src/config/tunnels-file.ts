import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { linesOf, readOptionMap, readYamlFile } from "mcp-tunnel-config";
import type { Problem, YamlFile } from "mcp-tunnel-config";
import { nearestName, TunnelError, unusable } from "mcp-tunnel-protocol";
import { Mistakes } from "mcp-tunnel-shared/command";
import { checkSubdomain, registerUrl } from "mcp-tunnel-client/options";
import type { GatheredTunnel, TunnelSettings } from "../options/tunnel-options.js";
import type { ConfigFile } from "./find.js";
import { defaultRules, servedBy, tunnelRules, tunnelSettings } from "./tunnel-keys.js";
import type { Values } from "./tunnel-keys.js";

/** A tunnel of the config file. Two that are deeply equal are the same tunnel. */
export interface NamedTunnel {
  readonly name: string;
  readonly settings: TunnelSettings;
  /** What stands in the config file of its MCP servers, if there is one. */
  readonly mcpConfig: string | undefined;
}

/** A tunnel with mistakes: what of it may have others. */
export type FaultyTunnel = Omit<GatheredTunnel, "settings">;

/** What stands in a config file. */
export interface TunnelsFile {
  /** The tunnels without mistakes. */
  readonly tunnels: ReadonlyMap<string, NamedTunnel>;
  /** What can still be looked at of the others. */
  readonly faulty: ReadonlyMap<string, FaultyTunnel>;
  readonly problems: readonly Problem[];
  /** The mistake of a tunnel that an error is about, with its line. */
  problemOf(name: string, error: TunnelError): Problem;
}

/**
 * @throws TunnelError `invalid_option` if the file at `path`, which has these tunnels, has none of that name.
 */
export function tunnelNamed(name: string, tunnels: TunnelsFile["tunnels"], path: string): NamedTunnel {
  const tunnel = tunnels.get(name);
  if (tunnel !== undefined) return tunnel;
  throw unusable(`${path} has no tunnel '${name}'; it has ${[...tunnels.keys()].join(", ")}`);
}

/**
 * Reads a config file, and the files that it names.
 * @throws TunnelError `invalid_option` if it is no YAML, `unavailable` when it cannot be read.
 */
export function readTunnelsFile({ path, readText }: ConfigFile): TunnelsFile {
  const file = readYamlFile(path, readText);
  const problems = keyProblems(file);
  const defaults = readOptionMap(file, ["defaults"], defaultRules);
  problems.push(...defaults.problems);
  const tunnels = new Map<string, NamedTunnel>();
  const faulty = new Map<string, FaultyTunnel>();
  const problemOf = (name: string, error: TunnelError): Problem => locate(file, name, error);
  for (const { name } of file.entriesAt(["tunnels"]) ?? []) {
    const own = readOptionMap(file, ["tunnels", name], tunnelRules);
    problems.push(...own.problems);
    if (file.entriesAt(["tunnels", name]) === undefined) continue;
    // A key that nobody knows may be meant for what is served.
    const guessed = own.problems.length > own.unread.length ? servedBy : [];
    const unread = [...own.unread, ...defaults.unread, ...guessed];
    const mistakes = new Mistakes(TunnelError);
    const values = { own: own.values, defaults: defaults.values };
    const gathered = gatherTunnel(name, values, path, mistakes);
    for (const mistake of mistakes.all) {
      // An option that is there, but cannot be read, brings no further complaints.
      if (mistake.options?.some((option) => unread.includes(option)) === true) continue;
      problems.push(problemOf(name, mistake));
    }
    if (gathered === undefined) continue;
    const { settings, ...parts } = gathered;
    const mcpConfig = mistakes.attempt(() => mcpConfigText(parts.mcp));
    const isWhole = own.problems.length === 0 && mistakes.all.length === 0;
    if (isWhole && settings !== undefined) tunnels.set(name, { name, settings, mcpConfig });
    else faulty.set(name, parts);
  }
  problems.push(...doubleProblems([...tunnels.values()], problemOf));
  return { tunnels, faulty, problems: withoutRepeats(problems), problemOf };
}

/** Mistakes in the outline of the file. */
function keyProblems(file: YamlFile): Problem[] {
  const entries = file.entriesAt([]);
  if (entries === undefined) {
    return [{ line: 1, message: "the file has to be a list of 'name: value' lines" }];
  }
  const problems = entries
    .filter(({ name }) => name !== "defaults" && name !== "tunnels")
    .map(({ name, line }) => ({ line, message: `unknown key '${name}'; ${placeOfKey(name)}` }));
  const tunnels = file.entriesAt(["tunnels"]);
  if (tunnels === undefined) {
    const message = "tunnels has to be a list of 'name:' lines, with the keys of each tunnel below";
    problems.push({ line: file.lineOfKey([], "tunnels"), message });
  } else if (tunnels.length === 0 && problems.length === 0) {
    // A file that an editor is about to write is empty.
    problems.push({ line: 1, message: "there is no tunnel below 'tunnels'" });
  }
  return problems;
}

/** What was meant by a key that stands at the top of the file, and does not belong there. */
function placeOfKey(name: string): string {
  const near = nearestName(name, ["defaults", "tunnels"]);
  if (near !== undefined) return `did you mean '${near}'?`;
  const isOfTunnel = tunnelRules.options.some((option) => option.name() === name);
  if (isOfTunnel) return "it belongs to a tunnel below 'tunnels', or below 'defaults' for all of them";
  return "the file has the keys 'defaults' and 'tunnels'";
}

/** All mistakes are told to `mistakes`. */
function gatherTunnel(
  name: string,
  values: Readonly<Record<"own" | "defaults", Values>>,
  path: string,
  mistakes: Mistakes<TunnelError>,
): GatheredTunnel | undefined {
  if (!/^[\w.-]{1,63}$/.test(name)) {
    const message = "the name of a tunnel has 1 to 63 letters, digits, dots, hyphens and underscores";
    mistakes.add(unusable(message));
    return undefined;
  }
  const gathered = tunnelSettings(name, values, dirname(path), mistakes);
  if (gathered?.settings?.client.subdomain === name) mistakes.attempt(() => checkOwnName(name));
  return gathered;
}

/** @throws TunnelError `unavailable`. */
function mcpConfigText(mcp: GatheredTunnel["mcp"]): string | undefined {
  return mcp?.servers.form === "config" ? textOf(mcp.servers.file) : undefined;
}

/** @throws TunnelError if the relay could not take the name of the tunnel for its own. */
function checkOwnName(name: string): void {
  try {
    checkSubdomain(name);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw unusable(`${error.message}: the tunnel needs a 'subdomain'`, { cause: error });
  }
}

/** @throws TunnelError `unavailable`. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const message = `cannot read --mcp-config: ${(error as Error).message}`;
    throw new TunnelError("unavailable", message, { cause: error, options: ["mcp-config"], file: path });
  }
}

/** Two tunnels of one name at one relay would evict one another. */
function doubleProblems(
  tunnels: readonly NamedTunnel[],
  problemOf: (name: string, error: TunnelError) => Problem,
): Problem[] {
  const seen = new Map<string, string>();
  return tunnels.flatMap(({ name, settings: { client } }) => {
    const key = JSON.stringify([placeOf(client.relayUrl), client.subdomain?.toLowerCase()]);
    const other = seen.get(key);
    seen.set(key, name);
    if (other === undefined) return [];
    const message = `'${client.subdomain}' at ${client.relayUrl} is already the name of the tunnel '${other}'`;
    return [problemOf(name, unusable(message, { options: ["subdomain"] }))];
  });
}

/** The relay as one text, however its URL is written. A URL that is none is told elsewhere. */
function placeOf(relayUrl: string): string {
  try {
    return registerUrl(relayUrl);
  } catch {
    return relayUrl;
  }
}

/** Options of the libraries that are called otherwise here. */
const libraryNames: Readonly<Record<string, string>> = {
  relayUrl: "relay",
  proxyUrl: "proxy",
  port: "local",
  target: "local",
  allowAddresses: "allow-ip",
};

/**
 * The error names the options; they stand with the tunnel, or in the defaults. What is wrong there is no
 * tunnel's own.
 */
function locate(file: YamlFile, name: string, error: TunnelError): Problem {
  const places = [["tunnels", name], ["defaults"]];
  // Errors about the MCP config name the library's option, or none.
  const own = error.options?.filter((option) => option !== "servers") ?? [];
  const named = own.map((option) => libraryNames[option] ?? option);
  const options = named.length > 0 || error.file === undefined ? named : ["mcp-config"];
  const [ofTunnel, ofDefaults] = places.map((path) => linesOf(file, path, { options }).at(-1));
  if (ofTunnel === undefined && ofDefaults !== undefined)
    return { line: ofDefaults, message: `defaults: ${error.message}` };
  const line = ofTunnel ?? file.lineOfKey(["tunnels"], name);
  return { line, message: `${name}: ${error.message}` };
}

/** Several tunnels have a mistake of the defaults, which is told once. */
export function withoutRepeats(problems: readonly Problem[]): Problem[] {
  const known = new Set<string>();
  return problems.filter(({ line, message }) => {
    const text = `${line} ${message}`;
    return !known.has(text) && known.add(text);
  });
}
