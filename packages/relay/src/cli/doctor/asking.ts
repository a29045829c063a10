import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupAddress } from "node:dns";
import { connect as connectTcp, isIP, type LookupFunction } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { portOf } from "mcp-tunnel-shared";
import { WebSocket } from "ws";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import type { Surroundings } from "./surroundings.js";

/** How much of an answer is read, in bytes. */
const maxAnswerBytes = 65_536;

/** How a request goes out, besides its URL. */
interface Way {
  readonly surroundings: Surroundings;
  readonly signal: AbortSignal;
  /** Connects here instead of to the URL's host. */
  readonly at?: HostPort;
  /** Certificates are looked at elsewhere. Default false. */
  readonly takesAnyCertificate?: boolean;
  /** The answer may be compressed. Its text is of no use then. Default false. */
  readonly takesGzip?: boolean;
}

/** An answer, and when its pieces came. */
export interface Asked {
  readonly status: number;
  /** A field of the head. */
  header(name: string): string | undefined;
  readonly text: string;
  /** When each piece of the body came (performance.now). */
  readonly times: readonly number[];
}

/** All addresses of a name. @throws Error of the resolver, with its code. */
export async function addressesOf(name: string, lookup: LookupFunction): Promise<string[]> {
  const found = await new Promise<string | LookupAddress[]>((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });
  const all = typeof found === "string" ? [found] : found.map(({ address }) => address);
  return [...new Set(all)].toSorted();
}

/** Sends a GET request, and reads the answer whatever its status. */
export async function ask(url: URL, way: Way): Promise<Asked> {
  const { surroundings, signal, at, takesAnyCertificate = false, takesGzip = false } = way;
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  const hostname = unbracketed(url.hostname);
  const req = request({
    host: at?.host ?? hostname,
    port: at?.port ?? portOf(url),
    path: url.pathname,
    headers: {
      ...{ Host: url.host, "User-Agent": "mcp-tunnel-doctor" },
      ...(takesGzip ? { "Accept-Encoding": "gzip" } : {}),
    },
    lookup: surroundings.lookup,
    signal,
    agent: false,
    ca: [...surroundings.roots],
    rejectUnauthorized: !takesAnyCertificate,
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
  });
  req.end();
  const [answer] = (await once(req, "response")) as [IncomingMessage];
  let text = "";
  const times: number[] = [];
  for await (const chunk of answer.setEncoding("latin1")) {
    times.push(performance.now());
    text += chunk as string;
    if (text.length > maxAnswerBytes) break;
  }
  const { statusCode = 0, headers } = answer;
  return { status: statusCode, header: (name) => headers[name]?.toString(), text, times };
}

/**
 * Asks for a WebSocket, whatever certificate is there, and leaves as soon as it is open. Resolves with the
 * status of the answer: 101 if it opened.
 */
export async function askForWebSocket(
  url: URL,
  { surroundings, signal }: Way,
): Promise<{ status: number; error: string | undefined }> {
  const ws = new WebSocket(url.href.replace(/^http/, "ws"), {
    lookup: surroundings.lookup,
    rejectUnauthorized: false,
    perMessageDeflate: false,
  });
  const stop = (): void => ws.terminate();
  signal.addEventListener("abort", stop);
  try {
    return await new Promise((resolve, reject) => {
      ws.on("error", reject);
      ws.on("open", () => resolve({ status: 101, error: undefined }));
      ws.on("unexpected-response", (_req, { statusCode = 0, headers }: IncomingMessage) => {
        resolve({ status: statusCode, error: headers["x-tunnel-error"]?.toString() });
        ws.terminate();
      });
    });
  } finally {
    signal.removeEventListener("abort", stop);
    ws.on("error", () => {});
    ws.close();
  }
}

/** Connects over TCP, and leaves at once. Resolves with the other end's address. */
export async function tryToConnect(url: URL, { surroundings, signal }: Way): Promise<string> {
  const socket = connectTcp({
    host: unbracketed(url.hostname),
    port: portOf(url),
    lookup: surroundings.lookup,
    signal,
  });
  try {
    await once(socket, "connect");
    return formatHostPort({ host: socket.remoteAddress ?? url.hostname, port: portOf(url) });
  } finally {
    socket.destroy();
  }
}

/** The certificate that is shown for the host of a URL, and why it is not to be trusted, if so. */
export interface Shown {
  readonly certificate: PeerCertificate;
  /** Why the chain of certificates is not trusted, or the name does not fit. */
  readonly problem: string | undefined;
}

export async function certificateAt(url: URL, { surroundings, signal }: Way): Promise<Shown> {
  const socket: TLSSocket = connectTls({
    host: url.hostname,
    port: portOf(url),
    servername: url.hostname,
    lookup: surroundings.lookup,
    ca: [...surroundings.roots],
    rejectUnauthorized: false,
  });
  const stop = (): void => void socket.destroy(new Error("no TLS handshake in time"));
  signal.addEventListener("abort", stop);
  try {
    await once(socket, "secureConnect");
    const authorizationError: unknown = socket.authorizationError;
    // Node has compared the name as well (checkServerIdentity).
    // The declared type is wrong: it is the code of OpenSSL's or Node's error.
    const problem = socket.authorized ? undefined : String(authorizationError);
    return { certificate: socket.getPeerCertificate(), problem };
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

function unbracketed(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
