import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { ask, startAdminRelay } from "../admin/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, runRelay } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { tryToRegister } from "./support/raw-peers.js";
import { RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: a stranger's text reaches the operator. A path with a line end forges a line of the log. A path
 * with the escape sequences of a terminal hides a line, retitles the window or worse. Names without end fill
 * the memory of a program that stores metrics by label. Secrets get into a log that others may read.
 *
 * The defence: logs are structured. Wherever a person reads, control characters are escaped, and so are
 * characters that turn the direction of text. No text of a stranger's is a label. Header fields and queries
 * are not logged at all.
 */
const close = closingAfterEach();

/** All texts that could affect a terminal or a line. */
const hostile = [
  "/%1b[2J%1b[31mfake",
  "/\x1b]0;owned\x07",
  "/a\tb",
  '/%0a%0d{"level":30,"msg":"forged"}',
  '/"><script>alert(1)</script>',
  "/%e2%80%ae/gnp.exe",
];
const isClean = (text: string): boolean =>
  /^[\t\x20-\x7e\u00a1-\u2027\u202f-\u2065\u206a-\uffff]*$/.test(text);

/** Sends the bytes of a request. Escapes of this file become raw bytes where HTTP lets them through. */
async function visit(port: number, path: string): Promise<void> {
  const visitor = new RawVisitor({ port });
  visitor.send(
    `GET ${path}?secret=query HTTP/1.1\r\nHost: demo.localhost\r\nAuthorization: Bearer secret-header\r\n` +
      'Cookie: session=secret-cookie\r\nUser-Agent: "quoted"\r\nReferer: http://x/?secret=referer\r\nConnection: close\r\n\r\n',
  );
  await visitor.all();
}

describe("the relay's log", () => {
  it.each(["json", "pretty", "combined"])(
    "as %s holds one line for each request, and nothing that is obeyed",
    async (format) => {
      const args = format === "combined" ? ["--access-log", "combined"] : ["--log-format", format];
      const relay = close(await startAdminRelayIn([...args, "--startup-hold", "0s"]));
      const before = relay.stdout.length;
      for (const path of hostile) await visit(relay.port, path);
      // The names and programs that clients claim are a stranger's text as well.
      const claim = {
        token: "t",
        subdomain: "claims",
        client: { name: "\u001b[31mevil\nline", version: "\r\n1" },
      };
      const { peer } = await tryToRegister(relay.port, claim);
      peer.close();
      await tryToRegister(relay.port, { token: "t", subdomain: "\u001b[2Jno" });
      await relay.waitFor("the last line", () => relay.output.includes("not valid") || undefined);
      const lines = relay.stdout.slice(before);
      expect(lines.filter((line) => line.includes("gnp.exe"))).toHaveLength(1);
      for (const line of lines) expect([line, isClean(line)]).toEqual([line, true]);
      if (format === "json") {
        for (const line of lines) JSON.parse(line);
        expect(lines.some((line) => (JSON.parse(line) as { msg: string }).msg === "forged")).toBe(false);
      }
      expect(relay.output).not.toMatch(/secret-header|secret-cookie|secret=query|secret=referer/);
    },
  );

  /** The line that says where the relay listens differs by format. */
  async function startAdminRelayIn(args: string[]) {
    if (!args.includes("pretty")) return startAdminRelay(args);
    const relay = runRelay(["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", ...args]);
    const port = await relay.waitFor(
      "the port",
      () => /listening on 127\.0\.0\.1:(\d+)/.exec(relay.output)?.[1],
    );
    return Object.assign(relay, { port: Number(port) });
  }
});

it("the client's terminal obeys nobody's paths", async () => {
  const relay = close(await startAdminRelay());
  const upstream = close(await startUpstream());
  const client = close(
    runClient([String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "demo"]),
  );
  await client.waitFor("the URL", () => client.output.includes("demo.localhost") || undefined);
  for (const path of hostile) await visit(relay.port, path);
  await client.waitFor("the last path", () => client.output.includes("gnp.exe") || undefined);
  for (const line of client.output.split("\n")) expect([line, isClean(line)]).toEqual([line, true]);
});

it("metrics have no label that a stranger could choose", async () => {
  const relay = close(await startAdminRelay());
  for (let i = 0; i < 50; i++) {
    const socket = connect(relay.port, "127.0.0.1");
    socket.write(`GET /path-${i} HTTP/1.1\r\nHost: name-${i}.localhost\r\nConnection: close\r\n\r\n`);
    socket.resume();
    await once(socket, "close");
  }
  const { text } = await ask(`${relay.admin}/metrics`);
  expect(text).not.toMatch(/name-\d|path-\d/);
  expect(text.split("\n").length).toBeLessThan(600);
});
