import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { checkOptions, text, wholeNumber } from "mcp-tunnel-protocol";
import { answerOf, authorityOf, guard, PageFiles, PageSecret, type Route } from "mcp-tunnel-shared/page";
import { isApi, refuse } from "./answer.js";
import { listenAt, loopbackAddress } from "./address.js";
import { apiRoutes } from "./api.js";
import type { StreamHub } from "./hub.js";
import type { ServerParts } from "./parts.js";
import { problemOf } from "./problem.js";
import { InspectorRules } from "./rules.js";
import { Streams } from "./streams.js";

/** Connections at once. A browser has six for one page. */
const maxConnections = 64;
/** A program that says no more for so long loses its connection. Streams are exempt. */
const idleMs = 30_000;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;

/** Where the page is. */
export interface InspectorPage {
  /** With the secret behind the `#`. Browsers send that part of a URL to nobody. */
  readonly url: string;
  /** An address, without brackets. */
  readonly host: string;
  /** The port at which it listens. */
  readonly port: number;
  /** It opens the API, and is another one at each start. */
  readonly secret: string;
  /** Ends all streams and connections. */
  close(): Promise<void>;
}

/** Where the page listens. */
export interface ListenOptions {
  /** An address of this machine alone (loopback), or `localhost`, which is 127.0.0.1. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 0, any port that is free. */
  readonly port?: number;
}

const shapes = {
  host: text().optional(),
  port: wholeNumber(0, 65_535).optional(),
} satisfies Record<keyof ListenOptions, unknown>;

/**
 * Serves the page and its API. It keeps no process from its end: only a tunnel does.
 * @throws TunnelError `invalid_option`, also for a host that other machines may reach, `unavailable` if the
 *   port is taken.
 */
export async function openPage(
  parts: ServerParts,
  hub: StreamHub,
  options: ListenOptions = {},
): Promise<InspectorPage> {
  checkOptions(options, shapes);
  const { host = "127.0.0.1", port: wantedPort = 0 } = options;
  const address = loopbackAddress(host);
  // A client that shows no page never loads it.
  const files = new PageFiles((await import("#page")).files);
  const server = createServer({
    maxHeaderSize: 16_384,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // Fields that come twice are seen as such, and not half of them.
    joinDuplicateHeaders: true,
  });
  server.maxConnections = maxConnections;
  server.timeout = idleMs;
  const port = await listenAt(server, address, wantedPort);
  // A connection that cannot be accepted, because of too many open files, is no reason to end.
  server.on("error", () => {});
  server.on("connection", (socket) => socket.unref());
  server.unref();

  const authority = authorityOf(address, port);
  // 256 random bits, which nobody guesses. So wrong tries are neither counted nor slowed, and no program can
  // lock the user out.
  const secret = new PageSecret(randomBytes(32).toString("base64url"));
  const rules = new InspectorRules(authority, secret);
  const streams = new Streams(hub, parts);
  const routes = apiRoutes(parts, streams);
  server.on(
    "request",
    (req, res) => void answer(req, res, { rules, files, routes, attention: parts.attention }),
  );
  return {
    url: `http://${authority}/#${secret.text}`,
    host: address,
    port,
    secret: secret.text,
    async close() {
      streams.close();
      await closed(server);
    },
  };
}

const elsewhere = "there is no such path in the API: see docs/inspector-api.md";

interface Served extends Pick<ServerParts, "attention"> {
  readonly rules: InspectorRules;
  readonly files: PageFiles;
  readonly routes: readonly Route[];
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  { rules, files, routes, attention }: Served,
): Promise<void> {
  res.on("error", () => {});
  guard(req, res);
  try {
    const broken = rules.broken(req);
    if (broken !== undefined) throw broken;
    if (isApi(req.url ?? "")) await answerWhenRead(answerOf(routes, req, elsewhere), res, attention);
    else files.answer(req, res);
  } catch (error) {
    refuse(req, res, problemOf(error));
  }
}

async function answerWhenRead(
  answerTo: ReturnType<typeof answerOf>,
  res: ServerResponse,
  attention: ServerParts["attention"],
): Promise<void> {
  const lookAway = attention.look();
  try {
    await attention.caughtUp;
    // Whoever has asked may have left meanwhile.
    if (!res.destroyed) await answerTo(res);
  } finally {
    lookAway();
  }
}

async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  const over = once(server, "close");
  server.close();
  server.closeAllConnections();
  await over;
}
