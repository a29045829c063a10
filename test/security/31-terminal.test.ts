import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { frame, types } from "../../packages/protocol/test/support/wire.js";
import { TestRelay } from "../../packages/client/test/test-relay.js";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand, startRelayCommand } from "../support/commands.js";
import { startCannedServer } from "../support/raw-server.js";
import { startUpstream } from "../support/upstream.js";
import { rawExchange } from "../support/visitor.js";
import { connectRawClient, type RawPeer, startRawRelay, tryToRegister } from "./support/raw-peers.js";

/**
 * The attack: a relay, a client or a visitor sends text that a terminal obeys: a colour, a title, a cleared
 * screen, a line that was never written, a name that reads backwards or holds characters that nobody sees.
 * The client wrote the method of a request as the relay sent it. Its JSON, and much of the output of the
 * relay's commands, held the controls of C1 and the marks that turn text.
 *
 * The defence: both programs write a stranger's text by one function, which escapes all characters that a
 * terminal obeys or that nobody sees. In JSON they are escaped as JSON, so that a parser gets the original
 * text.
 */
const close = closingAfterEach();

/** Each mark stands between letters, so that the words around it show that it was there. */
const marks = [
  "\u001b]0;owned\u0007",
  "\u001b[2J",
  "\u009b31m",
  "\u0090q\u009c",
  "\u0007",
  "\u0008",
  "\u007f",
  "\u202e",
  "\u2066",
  "\u200b",
  "\ufeff",
  "\u00ad",
  "\u034f",
  "\u2028",
  "\u{e0041}",
  "\u{e0100}",
];
const hostile = `x${marks.join("x")}x\r\nforged`;
/** The client takes no URL with any other of the marks. */
const hostileUrl = "http://app.test/x\u034fx";
/** As many marks as fit into the reason of a close, after a letter that tells this close from others. */
const reason = (letter: string): string => `${letter}x${marks.slice(0, 12).join("x")}x`;
/** The same text in the bytes that a head may hold, without the line end. */
const hostileBytes = Buffer.from(`x${marks.join("x")}x\r`).toString("latin1");

// oxlint-disable no-misleading-character-class
/**
 * The characters that may not be written. They are spelled out anew, so that the tested function does not
 * judge itself.
 */
const obeyed =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
/** The programs' own output at a terminal: colours, and the line ends that the terminal makes. */
const ownMarks = /\u001b\[[0-9;]*m|\r(?=\n)/g;

type Mode = "plain" | "colour" | "json";

/** A command and all the bytes that it writes, on either output. */
class Watched {
  readonly #child;
  #bytes = "";
  readonly #exited;
  readonly #mode: Mode;
  #wake = (): void => {};

  constructor(command: keyof typeof commands, args: readonly string[], mode: Mode) {
    this.#mode = mode;
    const line = [process.execPath, commands[command], ...args, ...(mode === "json" ? ["--json"] : [])];
    const env: NodeJS.ProcessEnv = { ...process.env, TERM: "xterm" };
    delete env["NO_COLOR"];
    this.#child =
      mode === "colour"
        ? spawn(
            "script",
            ["-qec", `stty rows 24 cols 200; exec ${line.map((word) => `'${word}'`).join(" ")}`, "/dev/null"],
            { env },
          )
        : spawn(line[0] as string, line.slice(1), { env });
    this.#child.stdin.on("error", () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#bytes += text;
        this.#wake();
      });
    }
    this.#exited = once(this.#child, "close").finally(() => this.#wake());
  }

  get text(): string {
    return this.#bytes;
  }

  async until(text: string): Promise<void> {
    while (!this.#bytes.includes(text)) {
      if (this.#child.exitCode !== null)
        throw new Error(`it ended without "${text}":\n${JSON.stringify(this.#bytes)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for the end, and fails if the command wrote anything that a terminal would obey. */
  async expectHarmless(): Promise<void> {
    this.#child.kill();
    await this.#exited;
    const written = this.#mode === "colour" ? this.#bytes.replaceAll(ownMarks, "") : this.#bytes;
    expect(written.match(obeyed)).toBeNull();
    expect(written).not.toMatch(/^forged/m);
  }

  async ended(): Promise<void> {
    await this.#exited;
  }

  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}

const modes = ["plain", "colour", "json"] as const;

async function startClient(relayPort: number, mode: Mode, args: readonly string[] = []): Promise<Watched> {
  const upstream = close(await startUpstream());
  const relay = `http://127.0.0.1:${relayPort}`;
  return close(new Watched("client", [String(upstream.port), "--relay", relay, ...args], mode));
}

describe.each(modes)("the client's screen, %s", (mode) => {
  it("shows a version 1 relay's words harmlessly", async () => {
    const relay = close(await startRawRelay({ protocol: 1, subdomain: hostile, url: hostileUrl }));
    const client = await startClient(relay.port, mode);
    const peer = await relay.nextClient();
    // Three texts: the method, the path, and the reason why a request is cut.
    peer.send(frame(types.REQUEST | 0x80, 1, `M${hostileBytes}\n/`));
    peer.send(frame(types.REQUEST | 0x80, 2, `GET\n/P${hostileBytes}`));
    peer.send(frame(types.REQUEST, 3, "POST\n/reset"));
    peer.send(frame(types.RESET, 3, Buffer.concat([Buffer.from([0, 4]), Buffer.from(`R${hostile}`)])));
    await client.until("/reset");
    peer.ws.close(4002, reason("E"));
    await client.until("Ex");
    await client.expectHarmless();
    expect(client.text).toMatch(/Mx/);
    expect(client.text).toMatch(/Px/);
  });

  it("shows an original relay's words harmlessly", async () => {
    const relay = close(await startRawRelay({ subdomain: hostile, url: hostileUrl }));
    const client = await startClient(relay.port, mode);
    const peer = await relay.nextClient();
    const request = (id: string, method: string, path: string): void =>
      peer.send(JSON.stringify({ kind: "request", id, method, path, headers: {}, body: null }));
    request("1", `M${hostile}`, "/");
    request("2", "GET", `/P${hostile}`);
    request("3", "GET", "/last");
    await client.until("/last");
    // For any close, the client tells the reason and tries again.
    peer.ws.close(4000, reason("C"));
    await client.until("Cx");
    await client.expectHarmless();
    expect(client.text).toMatch(/Mx/);
    expect(client.text).toMatch(/Px/);
  });

  it("shows no URL with characters that no URL has", async () => {
    const relay = close(await startRawRelay({ subdomain: "app", url: `http://app.test/${hostile}` }));
    const client = await startClient(relay.port, mode);
    await client.until("a URL that is not one");
    await client.expectHarmless();
    expect(client.text).not.toContain("app.test");
  });

  it.each([4001, 4002, 1013])("shows why the relay refuses it with %i harmlessly", async (code) => {
    const relay = close(await new TestRelay().listen());
    relay.answer = () => ({ close: code, reason: reason("C") });
    const client = await startClient(relay.port, mode);
    await client.until("Cx");
    await client.expectHarmless();
  });

  it("shows the names that it may have harmlessly", async () => {
    const relay = close(await new TestRelay().listen());
    relay.answer = () => ({ offer: [`N${hostile}`, `*${hostile}`] });
    const client = await startClient(relay.port, mode);
    await client.until("Nx");
    if (mode !== "colour") {
      await client.expectHarmless();
      return;
    }
    // The question to the user moves the cursor itself.
    await client.close();
    const question = client.text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|\r(?=\n)/g, "");
    expect(question.match(obeyed)).toBeNull();
  });

  it("shows the answer of what is no relay harmlessly", async () => {
    const server = close(
      await startCannedServer(
        Buffer.from(
          `HTTP/1.1 403 S${hostileBytes.replaceAll(/[\x00-\x1f\x7f]/g, "")}\r\n` +
            "Location: http://x.test/\x9b31m\r\nContent-Length: 0\r\n\r\n",
          "latin1",
        ),
      ),
    );
    const client = await startClient(server.port, mode);
    await client.until("403");
    await client.expectHarmless();
  });
});

/** Sends all texts that a client can send to a relay, over a wire. */
async function speakAs(port: number, wire: "v1" | "json"): Promise<void> {
  const offers = wire === "v1" ? { protocol: [1] } : {};
  const peer: RawPeer = close(
    await connectRawClient(port, "demo", {
      ...offers,
      client: { name: `N${hostile}`.slice(0, 64), version: hostile.slice(0, 64) },
    }),
  );
  const { peer: refused } = await tryToRegister(port, { token: "t", subdomain: `S${hostile}`, ...offers });
  refused.close();
  if (wire === "v1") {
    const answer = rawExchange(port, visit("/v"));
    const { stream } = await peer.next("REQUEST");
    peer.send(frame(types.RESET, stream, Buffer.concat([Buffer.from([0, 3]), Buffer.from(`R${hostile}`)])));
    await answer;
  } else {
    const asked = once(peer.ws, "message");
    const answer = rawExchange(port, visit("/j"));
    const [message] = (await asked) as [Buffer];
    const { id } = JSON.parse(message.toString()) as { id: string };
    peer.send(JSON.stringify({ kind: "response_error", id, message: `R${hostile}` }));
    await answer;
  }
  peer.ws.close(4999, reason("C"));
  await peer.closed;
}

const visit = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n`;

describe.each(["v1", "json"] as const)("the relay's log, of a client of the wire %s", (wire) => {
  it.each([
    ["json", "plain"],
    ["pretty", "plain"],
    ["pretty", "colour"],
  ] as const)("as %s, %s, is harmless", async (format, mode) => {
    const relay = close(
      new Watched(
        "relay",
        ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--resume-timeout", "0s"].concat([
          "--log-level",
          "debug",
          "--startup-hold",
          "0s",
          "--log-format",
          format,
        ]),
        mode,
      ),
    );
    await relay.until("listening");
    await relay.until("open mode");
    const port = Number(
      /"port":(\d+)|listening on 127\.0\.0\.1:(\d+)/.exec(relay.text)?.slice(1).find(Boolean),
    );
    await speakAs(port, wire);
    await relay.until("tunnel closed");
    await relay.expectHarmless();
    expect(relay.text).toContain("Rx");
  });
});

it("what an auth provider says is harmless in the relay's log", async () => {
  const provider = close(await startServer(403, { error: `P${hostile}` }));
  const relay = close(
    new Watched(
      "relay",
      ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--auth-url", provider.url].concat([
        "--auth-secret",
        "s",
        "--log-format",
        "pretty",
      ]),
      "plain",
    ),
  );
  await relay.until("listening");
  const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(relay.text)?.[1]);
  const { peer } = await tryToRegister(port, { token: "t" });
  peer.close();
  await relay.until("Px");
  await relay.expectHarmless();
});

interface HttpServer {
  url: string;
  close(): void;
}

/** A server that gives this answer to every request. */
async function startServer(status: number, body: object): Promise<HttpServer> {
  const server: Server = createServer((_req, res) => {
    res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe("the relay's small commands", () => {
  const tunnel = {
    name: hostile,
    address: hostile,
    since: 0,
    client: { name: hostile, version: hostile },
    requests: 1,
    requestBytes: 1,
    responseBytes: 1,
    streams: 1,
    state: hostile,
  };
  const status = { relay: { version: hostile, startedAt: 0, draining: false }, tunnels: [tunnel] };

  it.each([
    [["status"], 200, status],
    [["status", "--json"], 200, status],
    [["status"], 500, { error: hostile }],
    [["health"], 200, { status: hostile }],
    [["disconnect", "demo"], 401, { error: hostile }],
  ] as const)("%j of an admin API that answers %i", async (args, code, body) => {
    const admin = close(await startServer(code, body));
    const command = close(new Watched("relay", [...args, "--admin", admin.url], "plain"));
    await command.ended();
    await command.expectHarmless();
    expect(command.text).toContain("owned");
    if (args.length === 2 && args[1] === "--json") expect(JSON.parse(command.text)).toEqual(status);
  });

  it("token list and revoke, of a note that somebody wrote", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-terminal-"));
    close({ close: () => rmSync(folder, { recursive: true }) });
    const file = ["--token-file", join(folder, "tokens")];
    const create = new RunningCommand(process.execPath, [
      ...[commands.relay, "token", "create", ...file, "--subdomain", "demo", "--note", hostile],
    ]);
    expect((await create.exited).code).toBe(0);
    for (const args of [["list"], ["list", "--json"]]) {
      const command = close(new Watched("relay", ["token", ...args, ...file], "plain"));
      await command.ended();
      await command.expectHarmless();
      expect(command.text).toContain("owned");
    }
    const [, id = ""] = /created token (\w+)/.exec(create.output) ?? [];
    const revoke = close(new Watched("relay", ["token", "revoke", id, ...file], "plain"));
    await revoke.ended();
    await revoke.expectHarmless();
    expect(revoke.text).toContain("owned");
  });

  it("mistakes, which repeat what was given", async () => {
    const mistakes = close(new Watched("relay", ["--domain", marks.join("x")], "plain"));
    await mistakes.ended();
    await mistakes.expectHarmless();
    expect(mistakes.text).toContain("owned");
    const local = close(new Watched("client", [marks.join("x"), "--relay", "http://127.0.0.1:1"], "plain"));
    await local.ended();
    await local.expectHarmless();
    expect(local.text).toContain("owned");
  });

  it("the admin API itself, for those who ask it with curl", async () => {
    const relay = close(await startRelayCommand(["--admin-listen", "127.0.0.1:0"]));
    const { port } = await relay.waitForJson({ msg: "admin API listening" });
    const client = { name: hostile.slice(0, 64), version: hostile.slice(0, 64) };
    close(await connectRawClient(relay.port, "demo", { protocol: [1], client }));
    const answer = await fetch(`http://127.0.0.1:${String(port)}/api/tunnels`);
    const text = await answer.text();
    expect(text.match(obeyed)).toBeNull();
    expect((JSON.parse(text) as { tunnels: { client: unknown }[] }).tunnels[0]?.client).toEqual(client);
  });
});
