import { createRelay, openAuthenticator, type RelayOptions } from "mcp-tunnel";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { connectRawClient, tryToRegister } from "./support/raw-peers.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";

/**
 * The attack that nobody has thought of: some input makes the program itself fail. If that ends the process,
 * an attacker who has found the input switches every tunnel off, as often as he likes.
 *
 * The defence: a failure in one exchange costs that exchange, a failure in one tunnel that tunnel. An error
 * that is caught nowhere is logged with its origin, and the process goes on.
 */
const close = closingAfterEach();
const preload = { NODE_OPTIONS: `--import=${new URL("support/fault.mjs", import.meta.url).href}` };

it("a mistake that nobody catches is logged, and both commands go on", async () => {
  const upstream = close(await startUpstream());
  const relay = close(await startRelayCommand([], preload));
  const client = close(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"], preload));
  const visitor = close(createVisitor(relay.port));
  const slow = visitor.text("demo", "/slow?ms=500");
  await upstream.nextRequest();
  process.kill(relay.pid, "SIGUSR2");
  process.kill(client.pid, "SIGUSR2");
  const logged = await Promise.all(
    [1, 2].map((nth) => relay.waitForJson({ level: 50, msg: "uncaught error; please report it" }, nth)),
  );
  const errors = logged.map(({ error }) => error).join("\n");
  expect(errors).toContain("a mistake in a timer");
  expect(errors).toContain("a mistake in a promise");
  // The line names the origin of the error.
  expect(errors).toContain("fault.mjs");
  await client.waitFor("the client's report", () =>
    client.stderr.find((line) => line.includes("a mistake in a timer")),
  );
  expect((await slow).status).toBe(200);
  expect((await visitor.text("demo", "/status/200")).status).toBe(200);
});

describe("what the program that runs the relay brings along", () => {
  interface Logged {
    error?: string;
    message: string;
  }

  async function start(options: Partial<RelayOptions>): Promise<{ port: number; errors: Logged[] }> {
    const errors: Logged[] = [];
    const ignore = (): void => {};
    const logger = {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (fields: object, message: string) => errors.push({ ...fields, message }),
    };
    const relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, logger, ...options });
    const { port } = await relay.listen();
    close({ close: () => relay.close(0) });
    return { port, errors };
  }

  async function visit(port: number, name: string, fields = "", body = ""): Promise<number | undefined> {
    const visitor = close(new RawVisitor({ port }));
    visitor.send(`POST / HTTP/1.1\r\nHost: ${name}.tunnel.test\r\nConnection: close\r\n${fields}\r\n${body}`);
    return statuses(await visitor.all())[0];
  }

  async function answering(port: number, name: string): Promise<void> {
    const client = close(await connectRawClient(port, name));
    let answered = 0;
    client.ws.on("message", () => {
      for (; answered < client.frames.length; answered++) {
        const { type, stream } = client.frames[answered] as (typeof client.frames)[number];
        if (type === 2) client.answer(stream, "ok");
      }
    });
  }

  it("observers that throw are logged, and keep nobody from his answer", async () => {
    const heard: string[] = [];
    const fail = (): never => {
      throw new Error("an observer's mistake");
    };
    const { port, errors } = await start({
      maxRequestBodyBytes: 4,
      observers: [
        { onEnd: fail, onTunnelEvent: fail, onLimit: fail },
        {
          onEnd: ({ name, status }) => heard.push(`${name} ${status}`),
          onLimit: ({ limit }) => heard.push(limit),
        },
      ],
    });
    await answering(port, "app");
    expect(await visit(port, "app")).toBe(200);
    expect(await visit(port, "app", "Content-Length: 5\r\n", "hello")).toBe(413);
    expect(await visit(port, "nobody")).toBe(502);
    expect(heard).toEqual(["app 200", "request_body", "app 413", "nobody 502"]);
    expect(errors.length).toBeGreaterThanOrEqual(4);
    expect(errors.every(({ error }) => error?.includes("an observer's mistake"))).toBe(true);
  });

  it("an authenticator that throws refuses that client, and no other", async () => {
    const { port, errors } = await start({
      startupHoldMs: 0,
      authenticator: {
        mode: "broken",
        authenticate(credentials) {
          if (credentials.subdomain === "app") return openAuthenticator.authenticate(credentials);
          throw new Error("an authenticator's mistake");
        },
      },
    });
    expect((await tryToRegister(port, { token: "t", subdomain: "other" })).outcome).toBe(1011);
    await answering(port, "app");
    expect(await visit(port, "app")).toBe(200);
    expect(errors).toMatchObject([{ error: expect.stringContaining("an authenticator's mistake") }]);
  });

  it("a fault in the midst of an exchange ends that exchange, with a reason in the log", async () => {
    const { port, errors } = await start({});
    await answering(port, "app");
    const { ServerResponse } = await import("node:http");
    const { writeHead } = ServerResponse.prototype;
    // In place of a mistake anywhere below: the head of one response cannot be written.
    ServerResponse.prototype.writeHead = function (
      this: InstanceType<typeof ServerResponse>,
      ...args: unknown[]
    ) {
      if (this.req.headers["x-fault"] === "yes" && (args[0] as number) === 200)
        throw new Error("a mistake of ours");
      return (writeHead as (...all: unknown[]) => typeof this).apply(this, args);
    } as typeof writeHead;
    try {
      expect(await visit(port, "app", "X-Fault: yes\r\n")).toBe(502);
      expect(await visit(port, "app")).toBe(200);
    } finally {
      ServerResponse.prototype.writeHead = writeHead;
    }
    expect(errors).toMatchObject([
      { message: "an exchange failed inside the relay", error: expect.stringContaining("a mistake of ours") },
    ]);
  });
});
