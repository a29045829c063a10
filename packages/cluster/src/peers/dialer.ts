import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { fromJson, type RawHeaders, type Shape, TunnelError } from "mcp-tunnel-protocol";
import { WebSocketLink } from "mcp-tunnel-protocol/ws";
import { messageOf, printable } from "mcp-tunnel-shared";
import { WebSocket } from "ws";
import { parsePeerAddress } from "./address.js";
import { featuresOf, helloFields, helloOf, peerPath, readChallenge, versionsField } from "./fields.js";
import type { Hello, LinkKind } from "./fields.js";
import type { OpenSockets } from "./open-sockets.js";
import { Proofs } from "./proofs.js";
import { isUnheard, RelayGone } from "./relay-gone.js";
import { bindingOf, serverName } from "./tls.js";
import { firstText, type OpenLink, refusePeer, webSocketOptions } from "./web-socket.js";

export interface DialerOptions {
  readonly node: string;
  readonly secret: Buffer;
  /** For addresses with a port. */
  readonly tls: ConnectionOptions | undefined;
  readonly handshakeTimeoutMs: number;
}

/** A link that is wanted. */
export interface Call<Answer> {
  /** The relay that must be at the other end. */
  readonly node: string;
  readonly address: string;
  readonly kind: LinkKind;
  /** What is asked of the relay. It is sent when the relay has proved that it has the secret. */
  readonly request: object;
  readonly answer: Shape<Answer>;
}

/** A link whose ends have proved to each other that they have the secret. Nothing else was said on it. */
export interface Dialed<Answer> extends OpenLink {
  /** What the other relay understands beyond the least. */
  readonly features: readonly string[];
  /** What it says to the request. */
  readonly answer: Answer;
}

/** Opens links to other relays. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #sockets: OpenSockets;

  constructor(options: DialerOptions, sockets: OpenSockets) {
    this.#options = options;
    this.#sockets = sockets;
  }

  /**
   * Opens a link, and asks something of the relay at its other end.
   * @throws TunnelError `unavailable` if that relay is not at the address, or refuses, and after `signal`;
   * `timeout` after the time of a handshake.
   */
  async dial<Answer>(call: Call<Answer>, signal: AbortSignal): Promise<Dialed<Answer>> {
    const { handshakeTimeoutMs } = this.#options;
    if (signal.aborted) throw givenUp();
    const socket = this.#connect(call.address);
    let cause: TunnelError | undefined;
    const cut = (error: TunnelError): void => {
      cause = error;
      socket.destroy();
    };
    const onAbort = (): void => cut(givenUp());
    const timer = setTimeout(() => {
      cut(new TunnelError("timeout", about(call, `no handshake within ${handshakeTimeoutMs} ms`)));
    }, handshakeTimeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#shakeHands(socket, call);
    } catch (error) {
      throw cause ?? new TunnelError("unavailable", about(call, messageOf(error)), { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #connect(address: string): Socket {
    const place = parsePeerAddress(address);
    const { tls } = this.#options;
    const socket =
      tls === undefined || "path" in place
        ? connect(place)
        : connectTls({ ...tls, ...place, ...serverName(place.host) });
    socket.setNoDelay(true);
    // `ws` hears of errors as well, except between two of its steps.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    return socket;
  }

  async #shakeHands<Answer>(socket: Socket, call: Call<Answer>): Promise<Dialed<Answer>> {
    const hello = helloOf(this.#options.node, call.node, call.kind);
    const { link, headers } = await upgrade(socket, hello).catch((error: unknown) => {
      // Without a WebSocket nobody else closes the connection.
      socket.destroy();
      throw error;
    });
    try {
      const { proofs, features } = this.#check(hello, headers, socket);
      link.send(proofs.sign("dialer", JSON.stringify(call.request)));
      const text = proofs.open(await firstText({ link, socket }), "answer");
      if (text === undefined) throw new Error("the answer to the handshake has no valid proof");
      const answer = fromJson(call.answer, text);
      if (answer === undefined) throw new Error("the answer to the handshake is of no known form");
      return { link, socket, features, answer };
    } catch (error) {
      // The reason is for the log at the other end.
      refusePeer({ link, socket }, messageOf(error));
      throw error;
    }
  }

  /** Checks that the other relay has the secret. */
  #check(hello: Hello, headers: RawHeaders, socket: Socket): { proofs: Proofs; features: readonly string[] } {
    const challenge = readChallenge(headers);
    if (challenge === undefined) throw new Error("no relay's peer port is there");
    const proofs = new Proofs(this.#options.secret, {
      version: challenge.version,
      kind: hello.kind,
      from: hello.from,
      to: hello.to,
      offeredVersions: hello.versions,
      dialerFeatures: hello.features,
      acceptorFeatures: challenge.features,
      dialerNonce: hello.nonce,
      acceptorNonce: challenge.nonce,
      binding: bindingOf(socket),
    });
    if (!proofs.fits(challenge.proof, "acceptor")) {
      throw new Error(
        "the two relays do not have the same cluster secret (--cluster-secret-file), or somebody is between them",
      );
    }
    return { proofs, features: featuresOf(challenge.features) };
  }
}

/** Makes a WebSocket of a connection. Nothing has been checked but that one was agreed on. */
function upgrade(socket: Socket, hello: Hello): Promise<{ link: WebSocketLink; headers: RawHeaders }> {
  return new Promise((resolve, reject) => {
    // The connection is there already, so the host is nobody's.
    const ws = new WebSocket(`ws://relay${peerPath}`, {
      ...webSocketOptions,
      createConnection: () => socket,
      followRedirects: false,
      headers: helloFields(hello),
      // With a mask of zeros `ws` does not touch the data.
      generateMask: (mask) => mask.fill(0),
    });
    let headers: RawHeaders = [];
    ws.once("upgrade", (response: IncomingMessage) => {
      headers = response.rawHeaders;
    });
    ws.once("unexpected-response", (_request, response: IncomingMessage) => {
      socket.destroy();
      const refusal = refusalOf(response);
      reject(response.statusCode === 421 ? new RelayGone(refusal) : new Error(refusal));
    });
    ws.on("error", (error) => {
      const message = `${messageOf(error)}${adviceFor(error)}`;
      reject(
        isUnheard(error) ? new RelayGone(message, { cause: error }) : new Error(message, { cause: error }),
      );
    });
    // The link is made in the event, or a message that comes with the head would be lost.
    ws.once("open", () => resolve({ link: new WebSocketLink(ws, socket, "zeros"), headers }));
  });
}

/** In words, what a relay says that does not take the call. It has proved nothing so far. */
function refusalOf({ statusCode = 0, headers }: IncomingMessage): string {
  switch (statusCode) {
    case 421:
      return "another relay is at this address now";
    case 426: {
      const versions = headers[versionsField.toLowerCase()];
      return `it speaks other versions of the peer protocol (${printable(String(versions))})`;
    }
    case 501:
      return "it is too old for such a link";
    case 503:
      return "it is closing";
    default:
      return `it answered ${statusCode}: is this the peer port of a relay?`;
  }
}

/** What to do, for errors that have more than one likely cause. */
function adviceFor(error: Error): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return " (does the other relay have TLS on its peer port?)";
  }
  if (code.includes("CERT") || code.includes("SELF_SIGNED")) {
    return " (is the certificate, or who signed it, in the file of authorities for relays?)";
  }
  return "";
}

function about({ node, address }: Call<unknown>, why: string): string {
  return `cannot reach relay ${node} at ${address}: ${why}`;
}

function givenUp(): TunnelError {
  return new TunnelError("unavailable", "the link to another relay is not wanted any more");
}
