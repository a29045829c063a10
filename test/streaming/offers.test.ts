import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { startOriginalClient } from "../support/original-client.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { rawVisitor } from "./raw.js";
import { type CommandTunnel, startTunnel } from "./support.js";

/**
 * The fault: Java's HttpClient and `curl --http2` offer to go on with HTTP/2 on the first request of each
 * connection, also on a POST. The relay answered such a POST with 501,
 * `an upgrade request may not have a body`.
 *
 * The mending: a server may ignore an offer (RFC 9110 section 7.8). Such a request is served as any other.
 */
let upstream: Upstream;
let tunnel: CommandTunnel;
beforeAll(async () => {
  upstream = await startUpstream();
  tunnel = await startTunnel(upstream.port);
});
afterAll(async () => {
  await tunnel.close();
  await upstream.close();
});
const closing = closingAfterEach();
const run = promisify(execFile);

/** The request as the route `headers` of the local service received it. */
interface Seen {
  method: string;
  rawHeaders: string[];
  body: string;
}

const offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
const ofTheOffer = /^(?:upgrade|http2-settings)$/i;
const namesOf = ({ rawHeaders }: Seen): string[] => rawHeaders.filter((_, i) => i % 2 === 0);

describe("a body behind an offer to upgrade", () => {
  it.each([
    ["with a length", "Content-Length: 5\r\n\r\nhello"],
    ["in chunks", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"],
    [
      "with a length, of a chat over WebSocket",
      "Content-Length: 5\r\n\r\nhello",
      offer.replace("h2c", "websocket"),
    ],
  ])("reaches the local service: %s", async (_, body, offered = offer) => {
    const visitor = closing(await rawVisitor(tunnel.port));
    visitor.write(`POST /headers HTTP/1.1\r\nHost: ${tunnel.host}\r\n${offered}${body}`);
    const [head = "", answer = ""] = (await visitor.all()).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    const seen = JSON.parse(/\{.*\}/s.exec(answer)?.[0] ?? "null") as Seen;
    expect(seen).toMatchObject({ method: "POST", body: "hello" });
    expect(namesOf(seen).filter((name) => ofTheOffer.test(name))).toEqual([]);
  });

  it("is sent once the visitor was told to go on", async () => {
    const visitor = closing(await rawVisitor(tunnel.port));
    visitor.write(
      `POST /echo HTTP/1.1\r\nHost: ${tunnel.host}\r\n${offer}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    );
    await visitor.until(/^HTTP\/1\.1 100 /);
    visitor.write("hello");
    expect(await visitor.all()).toMatch(/HTTP\/1\.1 200 [^]*hello$/);
  });

  it("is where the connection ends: Node's parser throws away what had come with it", async () => {
    const visitor = closing(await rawVisitor(tunnel.port));
    const second = `GET /headers/second HTTP/1.1\r\nHost: ${tunnel.host}\r\n\r\n`;
    visitor.write(
      `POST /echo HTTP/1.1\r\nHost: ${tunnel.host}\r\n${offer}Content-Length: 2\r\n\r\nhi${second}`,
    );
    visitor.write(second);
    const received = await visitor.all();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200"]);
    expect(received).toMatch(/\r\nConnection: close\r\n/);
    expect(upstream.requests.map(({ path }) => path)).not.toContain("/headers/second");
  });

  it("reaches a client of the original as well", async () => {
    const bodies: string[] = [];
    closing(
      await startOriginalClient({
        version: "0.2",
        relayPort: tunnel.port,
        token: "t",
        subdomain: "original",
        onRequest: (reply) => {
          bodies.push(reply.body.toString());
          expect(Object.keys(reply.request.headers).filter((name) => ofTheOffer.test(name))).toEqual([]);
          reply.answer(200, {}, "ok");
        },
      }),
    );
    const visitor = closing(await rawVisitor(tunnel.port));
    visitor.write(`POST / HTTP/1.1\r\nHost: original.localhost\r\n${offer}Content-Length: 5\r\n\r\nhello`);
    expect(await visitor.all()).toMatch(/^HTTP\/1\.1 200 /);
    expect(bodies).toEqual(["hello"]);
  });
});

describe.skipIf(missingProgram("curl"))("curl --http2", () => {
  const curl = async (...args: string[]): Promise<string> => {
    const url = `http://127.0.0.1:${tunnel.port}`;
    const given = args.map((arg) => arg.replace("URL", url));
    const all = ["-sS", "--http2", "-H", `Host: ${tunnel.host}`, ...given];
    const { stdout } = await run("curl", all, { timeout: 20_000 });
    return stdout;
  };

  it("posts a body, which curl sends together with its offer", async () => {
    const seen = JSON.parse(await curl("--data", "a=1&b=2", "URL/headers")) as Seen;
    expect(seen).toMatchObject({ method: "POST", body: "a=1&b=2" });
    expect(namesOf(seen).filter((name) => ofTheOffer.test(name))).toEqual([]);
  });

  it("uploads what is large, for which it waits until it is told to go on", async () => {
    const file = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
    const upload = ["--upload-file", file, "-H", "Expect: 100-continue", "-w", "%{http_code}"];
    const answer = await curl(...upload, "URL/hash");
    expect(answer).toMatch(/"length":\d{5,}.*200$/);
  });

  it("gets one answer after another", async () => {
    expect(await curl("URL/status/200", "URL/status/201")).toBe("status 200\nstatus 201\n");
  });
});

// Java needs the compiler to run a source file.
describe.skipIf(missingProgram("javac"))("Java's HttpClient", () => {
  it("posts one body after another", { timeout: 30_000 }, async () => {
    const source = fileURLToPath(new URL("Posts.java", import.meta.url));
    const url = `http://127.0.0.1:${tunnel.port}/echo`;
    const args = ["-Djdk.httpclient.allowRestrictedHeaders=host", source, url, tunnel.host, "one", "two"];
    const { stdout } = await run("java", args, { timeout: 25_000 });
    expect(stdout.trim().split(/\r?\n/)).toEqual(["200 HTTP_1_1 one", "200 HTTP_1_1 two"]);
  });
});
