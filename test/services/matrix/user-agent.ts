import { randomUUID } from "node:crypto";
import { lookup } from "node:dns";
import { on } from "node:events";
import { CookieJar } from "tough-cookie";
import { Agent, fetch as undiciFetch, request } from "undici";
import { WebSocket } from "ws";

/** The options of a request of a {@link UserAgent}. */
export interface Ask {
  /** Default: GET. */
  method?: string;
  headers?: Record<string, string>;
  /** A form as a browser sends it, or any other body, whose Content-Type is in `headers`. */
  body?: URLSearchParams | string;
  /**
   * The page with the link or the form, from which a browser takes Referer. Default: none for GET, the root
   * for other methods.
   */
  from?: string;
  /**
   * Asks as a page of this other origin does, with the user's cookies. Services guard against such requests.
   */
  foreign?: string;
  /** Default: follows all redirects, as a browser does. */
  redirect?: "follow" | "manual";
}

/** An answer, at the end of all redirects. */
export interface Page {
  readonly status: number;
  /** The URL at the end of the redirects. */
  readonly url: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** An open WebSocket. */
export interface Channel {
  readonly socket: WebSocket;
  /** The messages since it opened, as they come, binary ones included. */
  messages(): AsyncIterableIterator<Buffer>;
}

const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * The behaviour of a browser on which services depend: it keeps cookies by the rules for domains, follows
 * redirects, and names its origin and the page it comes from. It finds all names on loopback. It journals
 * each exchange and writes its own origin as ORIGIN, so that the journals of two ways to the same service can
 * be compared.
 */
export class UserAgent {
  readonly journal: string[] = [];
  /** For names of its own on the service. In the journal it is TOKEN, as all random texts. */
  readonly id: string = randomUUID();
  readonly cookies = new CookieJar();
  /** The service's origin as this visitor sees it, without a slash at the end. */
  readonly origin: string;
  readonly #ca: string | undefined;
  readonly #dispatcher: Agent;
  readonly #sockets: WebSocket[] = [];

  /** `ca`: the certificate authority that it trusts, as PEM. */
  constructor(origin: string, ca?: string) {
    this.origin = origin;
    this.#ca = ca;
    this.#dispatcher = new Agent({ connect: { lookup: loopback, ...(ca === undefined ? {} : { ca }) } });
  }

  /**
   * Asks for a path of the service, or any URL. Redirects may lead anywhere on loopback, as a service's may.
   */
  async open(pathOrUrl: string, ask: Ask = {}): Promise<Page> {
    let url = new URL(pathOrUrl, this.origin);
    let { method = "GET", body, headers = {} } = ask;
    const from = ask.from ?? (isSafe(method) ? undefined : "/");
    for (let hops = 0; hops < 10; hops++) {
      const answer = await this.#exchange(
        url,
        method,
        { ...ask, headers, ...(from === undefined ? {} : { from }) },
        body,
      );
      const location = answer.headers["location"];
      if (typeof location !== "string" || !redirects.has(answer.status) || ask.redirect === "manual") {
        return answer;
      }
      url = new URL(location, url);
      if (answer.status === 303 || (answer.status < 303 && method === "POST")) {
        // The Fetch standard, "HTTP-redirect fetch", step 12.
        method = "GET";
        body = undefined;
        headers = Object.fromEntries(
          Object.entries(headers).filter(([name]) => name.toLowerCase() !== "content-type"),
        );
      }
    }
    throw new Error(`too many redirects, the last one to ${this.mapped(url.href)}`);
  }

  /**
   * `fetch` for SDKs that take one: journalled, without cookies and without the fields that only browsers
   * send.
   */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    // undici's Response has the shape of the global one; only their types differ.
    const answer = await undiciFetch(url, { ...(init as object), dispatcher: this.#dispatcher });
    // MCP clients open a stream beside their calls. It is not journalled: chance decides whether it is
    // answered before the client leaves.
    const isBeside = new Headers(init?.headers).get("accept") === "text/event-stream";
    if (!isBeside) this.note(`${init?.method ?? "GET"} ${url} -> ${answer.status}`);
    return answer as unknown as Response;
  };

  /**
   * Opens a WebSocket as a page of the service does, or as a page of `foreign`.
   * @throws Refused with the status, if the service refuses it.
   */
  async webSocket(
    path: string,
    { foreign, protocols = [] as string[], headers = {} } = {} as Offer,
  ): Promise<Channel> {
    const url = new URL(path, this.origin);
    const cookie = await this.cookies.getCookieString(url.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, protocols, {
      origin: foreign ?? this.origin,
      headers: { ...(cookie === "" ? {} : { cookie }), ...headers },
      lookup: loopback,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    });
    this.#sockets.push(socket);
    // Listens from the beginning: a service may speak first.
    const received = on(socket, "message", { close: ["close"] });
    const status = await new Promise<number>((resolve, reject) => {
      socket.once("upgrade", (response) => resolve(response.statusCode as number));
      socket.once("unexpected-response", (_, response) => {
        response.resume();
        resolve(response.statusCode as number);
      });
      socket.on("error", reject);
    });
    this.note(`WS ${url.href} ${foreign === undefined ? "" : "foreign "}-> ${status}`);
    if (status !== 101) throw new Refused(status);
    async function* messages(): AsyncIterableIterator<Buffer> {
      for (;;) {
        // Not by `for await`: it would end the iterator for a caller that listens on.
        const next = await received.next();
        if (next.done === true) return;
        yield Buffer.from((next.value as [Buffer])[0]);
      }
    }
    return { socket, messages };
  }

  /** Adds a line to the journal. */
  note(line: string): void {
    this.journal.push(this.mapped(line));
  }

  /**
   * The text in which the visitor's own origin is ORIGIN, its authority AUTHORITY, and each random text
   * TOKEN.
   */
  mapped(text: string): string {
    const { host } = new URL(this.origin);
    return text
      .replaceAll(this.origin, "ORIGIN")
      .replaceAll(this.origin.replace("http", "ws"), "WSORIGIN")
      .replaceAll(encodeURIComponent(this.origin), "ORIGIN")
      .replaceAll(host, "AUTHORITY")
      .replaceAll(/[\w-]{32,}/g, "TOKEN");
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.#dispatcher.destroy();
  }

  async #exchange(url: URL, method: string, ask: Ask, body: Ask["body"]): Promise<Page> {
    const headers: Record<string, string> = {
      accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    };
    const cookie = await this.cookies.getCookieString(url.href);
    if (cookie !== "") headers["cookie"] = cookie;
    const own = ask.foreign ?? this.origin;
    if (!isSafe(method)) headers["origin"] = own;
    const from = ask.foreign ?? ask.from;
    if (from !== undefined) headers["referer"] = new URL(from, `${own}/`).href;
    // Browsers send this only to origins that nobody between could have read or changed: the Secure Contexts
    // standard, section 3.1.
    if (url.protocol === "https:" || url.hostname === "localhost") {
      headers["sec-fetch-site"] =
        ask.foreign === undefined ? (from === undefined ? "none" : "same-origin") : "cross-site";
    }
    if (body instanceof URLSearchParams) headers["content-type"] = "application/x-www-form-urlencoded";
    const {
      statusCode,
      headers: fields,
      body: stream,
    } = await request(url, {
      method,
      headers: { ...headers, ...ask.headers },
      body: body instanceof URLSearchParams ? body.toString() : (body ?? null),
      dispatcher: this.#dispatcher,
    });
    const text = await stream.text();
    for (const value of [fields["set-cookie"] ?? []].flat()) {
      // A cookie that a browser would refuse is not stored. The journal of the next requests shows that.
      await this.cookies.setCookie(value, url.href, { ignoreError: true });
    }
    const location = fields["location"] === undefined ? "" : ` ${String(fields["location"])}`;
    this.note(
      `${method} ${url.href}${ask.foreign === undefined ? "" : " foreign"} -> ${statusCode}${location}`,
    );
    return { status: statusCode, url: url.href, headers: fields, text };
  }
}

/** Whether browsers leave out Origin (the Fetch standard, "append a request `Origin` header"). */
function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

interface Offer {
  foreign?: string;
  protocols?: string[];
  headers?: Record<string, string>;
}

/** A WebSocket handshake that was answered with a status other than 101. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the WebSocket was refused with status ${status}`);
    this.status = status;
  }
}

/** Finds every name on this machine. */
const loopback: typeof lookup = ((_host: string, options: object, callback: never) =>
  lookup("127.0.0.1", options, callback)) as never;
