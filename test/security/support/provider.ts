import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type ProviderAnswer =
  /** A correct answer. */
  | "honest"
  | "hang"
  | "reset"
  /** 500. */
  | "broken"
  /** 500 once, then a correct answer. */
  | "broken once"
  | "reset once"
  /** A byte of its answer every second. */
  | "slow body"
  /** A well-formed answer that never ends. */
  | "endless body"
  /** Sends the relay to another place, where everything is allowed. */
  | "redirect"
  | "not json"
  /** 200 and every name, in a shape that is not the agreed one. */
  | "lying"
  /** 200, and patterns that are invalid. */
  | "odd patterns";

/** An auth provider that answers as the test says. */
export class TestProvider {
  answer: ProviderAnswer = "honest";
  /** How many questions it got. */
  asked = 0;
  /** Bytes of endless bodies that it has sent. */
  sentBytes = 0;
  readonly urls: string[] = [];
  readonly secrets: unknown[] = [];
  readonly url: string;
  readonly #tokens: Record<string, string[]>;
  readonly #server;

  private constructor(server: ReturnType<typeof createServer>, tokens: Record<string, string[]>) {
    this.#server = server;
    this.#tokens = tokens;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** `tokens`: the patterns of each token. */
  static async start(tokens: Record<string, string[]>): Promise<TestProvider> {
    const server = createServer((req, res) => void provider.#handle(req, res));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const provider = new TestProvider(server, tokens);
    return provider;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.asked += 1;
    this.urls.push(req.url ?? "");
    this.secrets.push(req.headers["x-relay-secret"]);
    let body = "";
    for await (const chunk of req) body += String(chunk);
    const { answer } = this;
    if (answer === "broken once" || answer === "reset once") this.answer = "honest";
    switch (answer) {
      case "hang":
        return;
      case "reset":
      case "reset once":
        req.socket.resetAndDestroy();
        return;
      case "broken":
      case "broken once":
        res.writeHead(500).end("{}");
        return;
      case "slow body": {
        res.writeHead(200, { "content-type": "application/json" });
        const timer = setInterval(() => res.write(" "), 1_000);
        res.on("close", () => clearInterval(timer));
        return;
      }
      case "endless body": {
        res.writeHead(200, { "content-type": "application/json" });
        const chunk = `${" ".repeat(65_535)}\n`;
        const more = (): void => {
          while (!res.destroyed) {
            this.sentBytes += chunk.length;
            if (!res.write(chunk)) return;
          }
        };
        res.on("drain", more);
        more();
        return;
      }
      case "redirect":
        if (req.url === "/elsewhere") res.end('{"subdomains":["*"]}');
        else res.writeHead(307, { location: "/elsewhere" }).end();
        return;
      case "not json":
        res.end("everybody may");
        return;
      case "lying":
        res.end('{"subdomains":"*","allowed":true}');
        return;
      case "odd patterns":
        res.end('{"subdomains":["**","a b",".*"]}');
        return;
      case "honest": {
        const { token } = JSON.parse(body) as { token: string };
        const subdomains = this.#tokens[token];
        if (subdomains === undefined) res.writeHead(401).end('{"error":"unknown token"}');
        else res.end(JSON.stringify({ subdomains }));
      }
    }
  }
}
