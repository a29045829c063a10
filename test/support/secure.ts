import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import type { IncomingMessage } from "node:http";
import { type AgentOptions, request, type RequestOptions } from "node:https";
import { connect, type PeerCertificate } from "node:tls";
import { type Authority, createAuthority, createFolder, type Folder } from "./certificates.js";
import { type ClientCommand, type RelayCommand, startClientCommand, startRelayCommand } from "./commands.js";

/**
 * The domain of the relays that speak TLS, unless a test chooses another. Nothing resolves it: visitors
 * connect to loopback and name the domain.
 */
export const secureDomain = "tunnel.test";

/** A relay command that speaks TLS with a certificate for all names below its domain, and for loopback. */
export interface SecureRelay {
  readonly relay: RelayCommand;
  readonly port: number;
  readonly authority: Authority;
  readonly folder: Folder;
  /** The files with the certificate and its key. */
  readonly files: { cert: string; key: string };
  /** The file of the authority's certificate, for NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
  /** Connects the client command over TLS. */
  connectClient(upstreamPort: number, name: string, args?: readonly string[]): Promise<ClientCommand>;
  close(): Promise<void>;
}

export async function startSecureRelay(
  args: readonly string[] = [],
  domain: string = secureDomain,
): Promise<SecureRelay> {
  const authority = await createAuthority();
  const folder = createFolder();
  const pair = await authority.issue([domain, `*.${domain}`, "127.0.0.1"]);
  const files = { cert: folder.write("relay.pem", pair.cert), key: folder.write("relay.key", pair.key) };
  const caFile = folder.write("ca.pem", authority.cert);
  const relay = await startRelayCommand([
    ...["--domain", domain, "--tls-cert", files.cert, "--tls-key", files.key],
    ...["--public-url", "https://{subdomain}.{domain}:{port}", ...args],
  ]);
  return {
    relay,
    port: relay.port,
    authority,
    folder,
    files,
    caFile,
    connectClient: (upstreamPort, name, clientArgs = []) =>
      startClientCommand(
        upstreamPort,
        relay.port,
        ["--relay", `https://127.0.0.1:${relay.port}`, "--subdomain", name, ...clientArgs],
        { NODE_EXTRA_CA_CERTS: caFile },
      ),
    async close() {
      await relay.close();
      folder.close();
    },
  };
}

/** Visits `https://host:port/path` over HTTP/1.1, on loopback and with a connection of its own. */
export async function visitHttp1(
  port: number,
  host: string,
  path: string,
  ca: string,
  options: RequestOptions & AgentOptions = {},
): Promise<IncomingMessage> {
  const visit = request({
    host: "127.0.0.1",
    port,
    path,
    ca,
    servername: host,
    agent: false,
    ...options,
    headers: { host, ...options.headers },
  });
  visit.end();
  const [response] = (await once(visit, "response")) as [IncomingMessage];
  return response;
}

/** A visitor's HTTP/2 session with the relay, whose certificate is checked. */
export async function connectHttp2Visitor(
  port: number,
  host: string,
  ca: string,
): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://${host}:${port}`, {
    createConnection: () => connect({ host: "127.0.0.1", port, ca, servername: host, ALPNProtocols: ["h2"] }),
  });
  await once(session, "connect");
  // Newer releases of Node fail the session too for an answer that is no HTTP. The stream already tells the
  // test that waits.
  session.on("error", () => {});
  return session;
}

/** One GET over an HTTP/2 session. */
export async function get(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ headers: IncomingHttpHeaders; status: number; body: string }> {
  const stream = session.request({ ":path": path, ...headers });
  const response = once(stream, "response");
  // Listens now: a short answer that arrives in one piece is over before a caller that waits for its head
  // goes on.
  const closed = once(stream, "close");
  // `closed` fails together with `response`, and `response` is looked at first.
  closed.catch(() => {});
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [head] = (await response) as [IncomingHttpHeaders & { ":status": number }];
  await closed;
  return { headers: head, status: head[":status"], body: Buffer.concat(chunks).toString("latin1") };
}

/**
 * The certificate that a client gets that asks for `servername`. Without `servername` it does not ask for
 * any.
 */
export async function certificateFor(port: number, servername?: string): Promise<PeerCertificate> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    ...(servername === undefined ? {} : { servername }),
  });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}
