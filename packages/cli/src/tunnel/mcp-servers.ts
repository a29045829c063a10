import { createService } from "mcp-tunnel-client";
import type { Service, ServiceOptions } from "mcp-tunnel-client";
import { isFieldValue, isToken, TunnelError, unusable } from "mcp-tunnel-protocol";
import {
  atOnlyPath,
  checkMcpConfig,
  commandText,
  createMcpServers,
  createStdioServer,
  eventText,
  mcpPath,
  nameAt,
  onlyPath,
  programFault,
  readMcpConfig,
} from "mcp-tunnel-stdio";
import type { McpServerEntry, ReadMcpConfigOptions, StdioEvent, UrlEntry } from "mcp-tunnel-stdio";
import type { Mistakes } from "mcp-tunnel-shared/command";
import type { McpPlace } from "../render/mcp-addresses.js";
import type { McpOptions } from "../options/mcp-options.js";
import { PathService } from "./path-service.js";
import type { Destination } from "./path-service.js";

/** `name`: that in the config file, if there is one. `text`: the event in words. */
export type OnServerEvent = (name: string | undefined, event: StdioEvent, text: string) => void;

/** MCP servers behind one service. */
export interface McpServers {
  /** To close it ends all processes. */
  readonly service: Service;
  readonly places: readonly McpPlace[];
  /** Where servers are that are reached over HTTP. */
  readonly origins: readonly string[];
  /** What is served, for the person at the terminal. */
  readonly title: string;
  /** Starts the server once, so that a broken command shows before a host connects. */
  probe(): void;
  /** Ends the streams that hosts keep open without waiting for an answer. */
  drain(): void;
}

/**
 * `isGuarded`: visitors have to prove that they may come.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
export function openMcpServers(options: McpOptions, isGuarded: boolean, onEvent: OnServerEvent): McpServers {
  const { servers } = options;
  return servers.form === "command"
    ? openCommand(servers.command, servers.args, options, onEvent)
    : openConfig(servers.file, servers.names, options, isGuarded, onEvent);
}

/**
 * Tells what keeps the servers from being served: mistakes in their config file, and programs and folders
 * that are not there. Nothing is started.
 */
export async function checkMcpServers(
  options: McpOptions,
  isGuarded: boolean,
  mistakes: Mistakes<TunnelError>,
): Promise<void> {
  const { servers, limits } = options;
  if (servers.form === "command") {
    const { command, args } = servers;
    const fault = programFault({ command });
    if (fault !== undefined) mistakes.add(unusable(fault, { options: ["stdio", "command"] }));
    await mistakes.attemptLater(() => createStdioServer({ ...limits, command, args }).close());
    return;
  }
  const { file, names } = servers;
  const read = mistakes.attempt(() => ofChoice(file, names, checkMcpConfig));
  for (const mistake of read?.mistakes ?? []) mistakes.add(namingOption(mistake, file, names));
  const entries = read?.entries ?? [];
  for (const entry of entries) {
    if (entry.kind === "url" && !isGuarded) mistakes.attempt(() => refuseCredentials(entry, file));
    if (entry.kind === "url") mistakes.attempt(() => destinationOf(entry, file, options.forwarding));
    const fault = entry.kind === "command" ? programFault(entry) : undefined;
    if (fault === undefined) continue;
    const message = `${file}: the server '${entry.name}': ${fault}`;
    mistakes.add(unusable(message, { options: ["mcp-config"], file }));
  }
  const commands = entries.filter((entry) => entry.kind === "command");
  await mistakes.attemptLater(() => createMcpServers(commands, limits).close());
}

function openCommand(
  command: string,
  args: readonly string[],
  { limits }: McpOptions,
  onEvent: OnServerEvent,
): McpServers {
  const server = createStdioServer({
    ...limits,
    command,
    args,
    onEvent: (event) => onEvent(undefined, event, eventText(event)),
  });
  const fetch = atOnlyPath((request) => server.fetch(request));
  return {
    service: closingWith(createService({ fetch }), server),
    places: [{ name: undefined, path: onlyPath }],
    origins: [],
    title: commandText(command, args),
    probe: () => {
      // A failure is an event, too.
      server.probe().catch(() => {});
    },
    drain: () => server.drain(),
  };
}

function openConfig(
  file: string,
  names: readonly string[] | undefined,
  { limits, forwarding }: McpOptions,
  isGuarded: boolean,
  onEvent: OnServerEvent,
): McpServers {
  const entries = ofChoice(file, names, readMcpConfig);
  const commands = entries.filter((entry) => entry.kind === "command");
  const urls = entries.filter((entry) => entry.kind === "url");
  if (!isGuarded) for (const entry of urls) refuseCredentials(entry, file);
  const servers = createMcpServers(commands, {
    ...limits,
    onEvent: (name, event) => onEvent(name, event, eventText(event)),
  });
  const destinations = urls.map((entry) => [entry.name, destinationOf(entry, file, forwarding)] as const);
  const others = closingWith(createService({ fetch: servers.fetch }), servers);
  return {
    service: new PathService(new Map(destinations), nameAt, others),
    places: entries.map(({ name }: McpServerEntry) => ({ name, path: mcpPath(name) })),
    origins: urls.map(({ url }) => new URL(url).origin),
    title: file,
    // Servers of a file are started when they are asked.
    probe: () => {},
    drain: () => servers.drain(),
  };
}

/**
 * Where the requests for an entry go, with all by which the server there knows the person.
 * @throws TunnelError `invalid_option`.
 */
function destinationOf(
  { name, url, headers }: UrlEntry,
  file: string,
  forwarding: ServiceOptions,
): Destination {
  const { origin, pathname, search, username, password } = new URL(url);
  const fields = Object.entries(headers);
  if (username !== "" || password !== "") {
    const userinfo = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    fields.push(["Authorization", `Basic ${Buffer.from(userinfo).toString("base64")}`]);
  }
  for (const [field, value] of fields) {
    if (isToken(field) && isFieldValue(value)) continue;
    // The value is not shown: it may be a key.
    throw unusable(`${file}: the server '${name}': headers.${field} is no field of HTTP`, {
      options: ["servers"],
      file,
    });
  }
  const service = createService({ ...forwarding, target: origin });
  return { service, path: pathname, query: search, headers: fields.flat() };
}

/**
 * Reads the servers of a file, and names the option that chooses them where another choice would do.
 * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
 */
function ofChoice<T>(
  file: string,
  names: readonly string[] | undefined,
  read: (file: string, options: ReadMcpConfigOptions) => T,
): T {
  try {
    return read(file, names === undefined ? {} : { servers: names });
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw namingOption(error, file, names);
  }
}

function namingOption(error: TunnelError, file: string, names: readonly string[] | undefined): TunnelError {
  if (names !== undefined || error.options?.includes("servers") !== true) return error;
  return unusable(`${error.message}. --server <name> serves only those that you name`, {
    options: ["server"],
    file,
  });
}

/**
 * A server elsewhere knows the person by what the entry holds. Nothing of it may serve strangers.
 * @throws TunnelError `invalid_option`.
 */
function refuseCredentials({ name, url, headers }: UrlEntry, file: string): void {
  const { username, password, search } = new URL(url);
  const what =
    Object.keys(headers).length > 0
      ? "'headers'"
      : username !== "" || password !== ""
        ? "a user or a password in its 'url'"
        : search === ""
          ? undefined
          : "a query in its 'url'";
  if (what === undefined) return;
  throw unusable(
    `${file}: the server '${name}' has ${what}: without a proof of visitors everybody could use that server as ` +
      "you. Leave --visitor-auth at its default, or name the servers that everybody may use: --server <name>",
    { options: ["visitor-auth"], file },
  );
}

/** The service, with what it answers from closed behind it. */
function closingWith(service: Service, source: { close(): Promise<void> }): Service {
  return {
    accept: (stream, head, end, tunnel) => service.accept(stream, head, end, tunnel),
    get open() {
      return service.open;
    },
    async close() {
      await service.close();
      await source.close();
    },
  };
}
