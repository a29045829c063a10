import {
  type AcceptedStream,
  type Logger,
  type OpeningSession,
  type RequestHead,
  type StreamHandler,
  TunnelError,
} from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";

/**
 * Questions of one relay to another (PEERS.md, section 5). Each is a stream of the session. The head's first
 * field tells it from a hop, and visitors cannot write such a field: relays drop it.
 */

const questionField = "X-Tunnel-Question";
/** The longest question, and the longest answer, in bytes of JSON. */
const maxBytes = 16 * 1024 * 1024;

/** What a stream asks about; `undefined` if it is no question. */
export function questionOf({ headers }: RequestHead): string | undefined {
  return headers[0] === questionField ? headers[1] : undefined;
}

/**
 * Asks the relay at the other end of the session.
 * @throws TunnelError `unavailable` if it fails or the session ends, `timeout`; `invalid_option` for a
 * question that is too long.
 */
export function ask(
  session: OpeningSession,
  about: string,
  body: unknown,
  timeoutMs: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const json = Buffer.from(JSON.stringify(body ?? null));
    if (json.length > maxBytes) {
      reject(new TunnelError("invalid_option", `the question '${about}' is over ${maxBytes} bytes`));
      return;
    }
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      const message = `another relay did not answer the question '${about}': ${why}`;
      reject(new TunnelError("unavailable", message, { cause }));
    };
    const collector = new Collector(
      () => stream,
      (text) => {
        clearTimeout(timer);
        try {
          resolve(JSON.parse(text));
        } catch (error) {
          fail("its answer is not JSON", error);
        }
      },
      fail,
    );
    const head = { method: "POST", path: "/", headers: [questionField, about] };
    const stream = session.open(head, false, collector);
    const timer = setTimeout(() => {
      stream.reset("cancelled");
      const message = `another relay did not answer the question '${about}' within ${timeoutMs} ms`;
      reject(new TunnelError("timeout", message));
    }, timeoutMs);
    stream.write(json);
    stream.end();
  });
}

/** Answers a question with what `answer` resolves with. */
export function answerQuestion(
  stream: AcceptedStream,
  about: string,
  answer: (about: string, body: unknown) => Promise<unknown>,
  logger: Logger,
): StreamHandler {
  const fail = (error: unknown): void => {
    logger.error({ about, error: messageOf(error) }, "a question of another relay was not answered");
    stream.reset("internal", "the question was not answered");
  };
  const reply = async (text: string): Promise<void> => {
    try {
      const json = Buffer.from(JSON.stringify((await answer(about, JSON.parse(text))) ?? null));
      if (json.length > maxBytes) throw new Error(`the answer is over ${maxBytes} bytes`);
      stream.sendHead({ status: 200, headers: [] });
      stream.write(json);
      stream.end();
    } catch (error) {
      fail(error);
    }
  };
  return new Collector(
    () => stream,
    (text) => void reply(text),
    // The asker has given up, or its question was too long.
    (why) => logger.debug({ about, why }, "a question of another relay is over"),
  );
}

/** Gathers the JSON that a stream brings. */
class Collector implements StreamHandler {
  readonly #stream: () => Pick<AcceptedStream, "consumed" | "reset">;
  readonly #onText: (text: string) => void;
  readonly #onFailed: (why: string) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(
    stream: () => Pick<AcceptedStream, "consumed" | "reset">,
    onText: (text: string) => void,
    onFailed: (why: string) => void,
  ) {
    this.#stream = stream;
    this.#onText = onText;
    this.#onFailed = onFailed;
  }

  onData(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) {
      this.#stream().reset("body_too_large");
      this.#onFailed(`it is over ${maxBytes} bytes`);
      return;
    }
    this.#chunks.push(chunk);
    this.#stream().consumed(chunk.length);
  }

  onEnd(): void {
    this.#onText(Buffer.concat(this.#chunks, this.#bytes).toString("utf8"));
  }

  onReset({ code, message }: { code: string; message: string }): void {
    this.#onFailed(message === "" ? code : message);
  }
}
