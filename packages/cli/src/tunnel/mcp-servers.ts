import { createService } from "mcp-tunnel-client";
import type { Service, ServiceOptions } from "mcp-tunnel-client";
import { isFieldValue, isToken, TunnelError, unusable } from "mcp-tunnel-protocol";
import {
  atOnlyPath,
  commandText,
  createMcpServers,
  createStdioServer,
  eventText,
  mcpPath,
  nameAt,
  onlyPath,
  readMcpConfig,
} from "mcp-tunnel-stdio";
import type { McpServerEntry, StdioEvent, UrlEntry } from "mcp-tunnel-stdio";
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
  const entries = readEntries(file, names);
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

/** @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read. */
function readEntries(file: string, names: readonly string[] | undefined): McpServerEntry[] {
  if (names !== undefined) return readMcpConfig(file, { servers: names });
  try {
    return readMcpConfig(file);
  } catch (error) {
    if (!(error instanceof TunnelError) || error.options?.includes("servers") !== true) throw error;
    throw unusable(`${error.message}. --server <name> serves only those that you name`, {
      options: ["server"],
      file,
    });
  }
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
