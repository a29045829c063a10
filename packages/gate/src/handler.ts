import { STATUS_CODES } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { AnySpelling, type RawHeaders, unusable, visitorField } from "mcp-tunnel-protocol";
import { plainAddress } from "mcp-tunnel-shared";
import { badTarget } from "./answers.js";
import type { Gate } from "./gate.js";
import { pageFields } from "./page-fields.js";
import type { Answer, Verdict, Visit } from "./visit.js";

/** How a gate before a server without a tunnel is mounted. */
export interface MountOptions {
  /**
   * The public origin: scheme, host and port, without a slash, such as `https://example.com`. It never comes
   * from a request.
   */
  readonly origin: string;
}

/** A listener of a server's event `upgrade`. */
export type UpgradeListener = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Puts a gate before a request handler of `node:http`. No tunnel is needed. The visitor's address is that of
 * the connection. The handler sees no trailers. It gets no upgrades: see {@link gatedUpgrade}.
 *
 * @example
 * const server = createServer(gatedHandler(app, gate, { origin: "https://example.com" }));
 * @throws TunnelError `invalid_option` if the gate cannot work at that origin.
 */
export function gatedHandler(
  handler: RequestListener,
  gate: Gate,
  { origin }: MountOptions,
): RequestListener {
  gate.begin(checkOrigin(origin));
  return (req, res) => {
    const verdict = judge(gate, req, origin);
    switch (verdict.kind) {
      case "pass":
        setFields(req, verdict.headers);
        return handler(req, res);
      case "page":
        setFields(req, pageFields(req.rawHeaders, origin, addressOf(req.socket)));
        return gate.pages(req, res);
      case "answer":
        return respond(req, res, verdict.answer);
    }
  };
}

/**
 * The same for a listener of a server's event `upgrade`. The gate has no pages there.
 *
 * @example
 * server.on("upgrade", gatedUpgrade(onUpgrade, gate, { origin: "https://example.com" }));
 */
export function gatedUpgrade(
  listener: UpgradeListener,
  gate: Gate,
  { origin }: MountOptions,
): UpgradeListener {
  gate.begin(checkOrigin(origin));
  return (req, socket, head) => {
    const verdict = judge(gate, req, origin);
    if (verdict.kind === "pass") {
      setFields(req, verdict.headers);
      listener(req, socket, head);
      return;
    }
    const answer = verdict.kind === "answer" ? verdict.answer : badTarget(visitOf(req, origin));
    // A visitor who has left gets no answer, and that is no fault of the program.
    socket.on("error", () => {});
    socket.end(messageOf(answer), "latin1");
  };
}

function checkOrigin(origin: string): string {
  if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
  throw unusable(`the origin '${origin}' is not scheme, host and port, such as https://example.com`, {
    options: ["origin"],
  });
}

/** The field is the relay's. Here nobody writes it but the visitor. */
const visitors = new AnySpelling([visitorField.toLowerCase()], []);

function visitOf({ method = "", url = "", rawHeaders, socket }: IncomingMessage, origin: string): Visit {
  const headers = rawHeaders.filter((_, at) => !visitors.has(rawHeaders[at - (at % 2)] as string));
  return { method, target: url, headers, address: addressOf(socket), origin };
}

/** Undefined once the visitor has left. */
function addressOf({ remoteAddress }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : plainAddress(remoteAddress);
}

function judge(gate: Gate, req: IncomingMessage, origin: string): Verdict {
  const visit = visitOf(req, origin);
  // Node takes a target in absolute form, too (RFC 9112 section 3.2.2), which frameworks read as its path.
  const isOriginForm = visit.target.startsWith("/") || visit.target === "*";
  return isOriginForm ? gate.judge(visit) : { kind: "answer", answer: badTarget(visit) };
}

/** Puts other fields in the place of those that came, in each form in which Node gives them. */
function setFields(req: IncomingMessage, raw: RawHeaders): void {
  const byName = new Map<string, string[]>();
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [(raw[i] as string).toLowerCase(), raw[i + 1] as string];
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  const joined: IncomingMessage["headers"] = {};
  for (const [name, values] of byName) {
    // A name that came more than once has all of its values still, except cookies.
    if (name === "cookie") joined[name] = values.join("; ");
    else joined[name] = values.length === 1 && name !== "set-cookie" ? values[0] : req.headers[name];
  }
  req.rawHeaders = raw;
  req.headers = joined;
  req.headersDistinct = Object.fromEntries(byName);
  // Trailers come after the gate has decided, and handlers could take them for fields of the head.
  Object.defineProperties(req, noTrailers);
}

const ignore = (): void => {};
const noTrailers: PropertyDescriptorMap = {
  rawTrailers: { get: () => [], set: ignore },
  trailers: { get: () => ({}), set: ignore },
  trailersDistinct: { get: () => ({}), set: ignore },
};

function respond(req: IncomingMessage, res: ServerResponse, { status, headers, body }: Answer): void {
  // Node would read the rest of the request to its end, for the sake of the connection.
  res.writeHead(status, req.complete ? headers : [...headers, "Connection", "close"]).end(body);
}

/** The answer as HTTP/1.1, for a connection that Node has let go. */
function messageOf({ status, headers, body }: Answer): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${head}\r\n${body}`;
}
