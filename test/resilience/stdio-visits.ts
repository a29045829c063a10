/** Sends a request to the bridge's `/mcp`: through a tunnel, or to its handler. */
export type Send = (init: RequestInit) => Promise<Response>;

/** A visitor of an MCP server on stdio, with a session of revision 2025-06-18. */
export class Session {
  readonly #send: Send;
  readonly #id: string;

  private constructor(send: Send, id: string) {
    this.#send = send;
    this.#id = id;
  }

  /** `name` says to stdio-server.sh how to behave. */
  static async open(send: Send, name = ""): Promise<Session> {
    const response = await send(initialize(name));
    const text = await response.text();
    const id = response.headers.get("mcp-session-id");
    if (response.status !== 200 || id === null || !text.includes('"result"')) {
      throw new Error(`no session: ${response.status} ${text}`);
    }
    return new Session(send, id);
  }

  async delete(): Promise<number> {
    const response = await this.#send({ method: "DELETE", headers: { "mcp-session-id": this.#id } });
    await response.arrayBuffer();
    return response.status;
  }

  notify(method: string): Promise<number> {
    return statusOf(this.#post({ method }));
  }

  ping(): Promise<number> {
    return statusOf(this.#post({ id: 2, method: "ping" }));
  }

  /** Calls a tool. */
  async call(tool: string): Promise<OpenStream> {
    const leaving = new AbortController();
    const params = { name: tool, arguments: {}, _meta: { progressToken: 7 } };
    return new OpenStream(await this.#post({ id: 7, method: "tools/call", params }, leaving.signal), leaving);
  }

  /** Opens the stream for what the server says by itself. */
  async listen(): Promise<OpenStream> {
    const leaving = new AbortController();
    const headers = { accept: "text/event-stream", "mcp-session-id": this.#id };
    return new OpenStream(await this.#send({ headers, signal: leaving.signal }), leaving);
  }

  #post(message: object, signal?: AbortSignal): Promise<Response> {
    return this.#send({ ...post(message, { "mcp-session-id": this.#id }), signal: signal ?? null });
  }
}

/** A response that comes bit by bit. */
export class OpenStream {
  readonly #response: Response;
  readonly #leaving: AbortController;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(response: Response, leaving: AbortController) {
    if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`);
    this.#response = response;
    this.#leaving = leaving;
    this.#reader = response.body.getReader();
  }

  /** Reads until the stream has said `text`. */
  async until(text: string): Promise<void> {
    const decoder = new TextDecoder();
    for (let seen = ""; !seen.includes(text); ) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`the stream (${this.#response.status}) ended after ${seen}`);
      seen += decoder.decode(value, { stream: true });
    }
  }

  /** Reads to the end. */
  async end(): Promise<void> {
    while (!(await this.#reader.read()).done);
  }

  /** The visitor leaves. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#reader.cancel().catch(() => {});
  }
}

/** A visitor who leaves before `initialize` is answered. `until`: when. */
export async function leaveEarly(send: Send, name: string, until: Promise<unknown>): Promise<void> {
  const leaving = new AbortController();
  const answered = send({ ...initialize(name), signal: leaving.signal });
  await until;
  leaving.abort();
  const response = await answered.catch(() => undefined);
  await response?.body?.cancel().catch(() => {});
}

function initialize(name: string): RequestInit {
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name, version: "1.0.0" } };
  return post({ id: 1, method: "initialize", params }, {});
}

/** The id is the first member, as stdio-server.sh takes it. */
function post(message: object, headers: Record<string, string>): RequestInit {
  return {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
      ...headers,
    },
    body: JSON.stringify({ ...message, jsonrpc: "2.0" }),
  };
}

async function statusOf(answered: Promise<Response>): Promise<number> {
  const response = await answered;
  await response.arrayBuffer();
  return response.status;
}
