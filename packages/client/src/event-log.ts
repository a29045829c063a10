import type { Logger, TunnelError } from "mcp-tunnel-protocol";
import { printable, withoutQuery } from "mcp-tunnel-shared";
import type { ClientEvents } from "./events.js";
import type { RequestStartEvent } from "./service/request-events.js";

/** A line of the log for each event. The texts of strangers in it are fit for a terminal. */
const lines: {
  readonly [Name in keyof ClientEvents]: (logger: Logger, ...args: ClientEvents[Name]) => void;
} = {
  connected: (logger, { url, subdomain, wire, resumed }) =>
    logger.info({ url: printable(url), name: printable(subdomain), wire, resumed }, "tunnel connected"),
  disconnected: (logger, { cause }) => logger.warn(reasonOf(cause), "connection to the relay lost"),
  reconnecting: (logger, { attempt, delayMs, cause }) =>
    logger.info({ attempt, delayMs: Math.round(delayMs), ...reasonOf(cause) }, "another attempt follows"),
  evicted: (logger, { reason }) => logger.warn({ reason: printable(reason) }, "tunnel evicted"),
  requestStart: (logger, event) => logger.debug(requestOf(event), "request began"),
  request(logger, event) {
    const { status, durationMs, requestBytes, responseBytes, error } = event;
    const code = error === undefined ? {} : { code: error.code, reason: printable(error.message) };
    const end = { status, durationMs: Math.round(durationMs), requestBytes, responseBytes, ...code };
    logger.debug({ ...requestOf(event), ...end }, "request over");
  },
  refused: (logger, { code, status, count, method, path, message }) =>
    logger.warn(
      { ...{ code, status, count }, ...targetOf(method, path), reason: printable(message) },
      "requests refused by the relay",
    ),
  fault: (logger, { code, message }) => logger.error({ code, error: message }, "request failed"),
  warning: (logger, { code, message }) => logger.warn({ code, reason: printable(message) }, "warning"),
  closed(logger, { error }) {
    if (error === undefined) logger.info({}, "client closed");
    else logger.error(reasonOf(error), "client ended");
  },
};

/** Writes the line of an event. */
export function logEvent<Name extends keyof ClientEvents>(
  logger: Logger,
  name: Name,
  args: ClientEvents[Name],
): void {
  lines[name](logger, ...args);
}

function reasonOf({ code, message }: TunnelError): { code: string; reason: string } {
  return { code, reason: printable(message) };
}

function requestOf({ id, requestId, visitorAddress, method, path }: RequestStartEvent): object {
  const who = {
    requestId: requestId && printable(requestId),
    visitor: visitorAddress && printable(visitorAddress),
  };
  return { id, ...who, ...targetOf(method, path) };
}

/** The query may hold secrets. */
function targetOf(method: string, path: string): { method: string; path: string } {
  return { method: printable(method), path: printable(withoutQuery(path)) };
}
