import { createRelay, providerAuthenticator, type RelayOptions, staticAuthenticator } from "mcp-tunnel";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { closingAfterEach } from "../support/cleanup.js";
import { connectRawClient } from "./support/raw-peers.js";
import { TestProvider } from "./support/provider.js";

/**
 * The attack: a registration may only ask. A stranger guesses tokens by asking, which leaves no tunnel that
 * anybody would see. A holder of a token asks which names others use, or with which tokens. Or somebody asks
 * for a session that is not his.
 *
 * The defence: a check passes the limits of a registration, one by one, and a refused token counts. A name's
 * use is told to tokens that may have the name, and nobody is told whose it is. A check looks at no session.
 */
const close = closingAfterEach();

async function start(options: Partial<RelayOptions>): Promise<number> {
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    limitExempt: [],
    ...options,
  });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  return port;
}

/** The relay's answer, the code of its close, or the status of its answer to the handshake. */
async function ask(port: number, message: object): Promise<unknown> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/_tunnel/register`);
  ws.on("error", () => {});
  const closed = new Promise((resolve) => ws.once("close", resolve));
  const answer = await new Promise<unknown>((resolve) => {
    ws.once("open", () => ws.send(JSON.stringify({ token: "t", ...message })));
    ws.once("message", (data: Buffer) => resolve(JSON.parse(data.toString())));
    ws.once("unexpected-response", (_req, res) => resolve(res.statusCode));
    ws.once("close", (code) => resolve(code));
  });
  ws.terminate();
  await closed;
  return answer;
}

const check = { claim: "check", subdomain: "app" };

describe.each(["static", "provider"])("guessing %s tokens by asking", (mode) => {
  it("is stopped after as many guesses as by registering, and stops registrations as well", async () => {
    const provider = close(await TestProvider.start({ right: ["app"] }));
    const authenticator =
      mode === "static"
        ? staticAuthenticator([{ token: "right", subdomains: ["app"] }])
        : providerAuthenticator({ url: provider.url, secret: "s" });
    const port = await start({ authenticator, maxFailedTokensPerMinute: 5 });
    const answers: unknown[] = [];
    for (let i = 0; i < 15; i++) answers.push(await ask(port, { ...check, token: `guess ${i}` }));
    expect(answers.slice(0, 5)).toEqual(new Array(5).fill(4001));
    // A slot of the budget may have become free meanwhile.
    expect(answers.slice(5).filter((code) => code === 1013).length).toBeGreaterThanOrEqual(8);
    if (mode === "provider") expect(provider.asked).toBeLessThanOrEqual(7);
    for (const claim of ["check", "if_free", "take"]) {
      expect(await ask(port, { claim, token: "right" })).toBe(1013);
    }
  });
});

it("asking over and over is slowed down like registering, also by who names a session", async () => {
  const port = await start({ maxRegistrationsPerMinute: 10 });
  const holder = close(await connectRawClient(port, "app", { protocol: [1], instance: "holder ".repeat(3) }));
  const resume = { session: "a session", secret: "0123456789abcdef", received: 0 };
  const answers: unknown[] = [];
  for (let i = 0; i < 20; i++) answers.push(await ask(port, { ...check, protocol: [1], resume }));
  expect(answers.slice(0, 9).every((answer) => typeof answer === "object")).toBe(true);
  expect(answers.filter((status) => status === 429).length).toBeGreaterThanOrEqual(8);
  expect(holder.ws.readyState).toBe(WebSocket.OPEN);
});

describe("who uses a name", () => {
  it("is not told to a token that may not have it", async () => {
    const authenticator = staticAuthenticator([
      { token: "owner", subdomains: ["app"] },
      { token: "spy", subdomains: ["own", "own-*"] },
      { token: "neighbour", subdomains: ["yard"] },
      { token: "everything", subdomains: ["*"] },
    ]);
    const port = await start({ authenticator });
    const asked = async () => ({
      spy: await ask(port, { ...check, token: "spy" }),
      neighbour: await ask(port, { ...check, token: "neighbour" }),
      nobody: await ask(port, { ...check, token: "wrong" }),
      reserved: await ask(port, { claim: "check", token: "everything", subdomain: "www" }),
      ifFree: await ask(port, { claim: "if_free", token: "neighbour", subdomain: "app" }),
    });
    const before = await asked();
    close(await connectRawClient(port, "app", { token: "owner" }));
    expect(await asked()).toEqual(before);
    expect(JSON.stringify(before)).not.toContain("app");
  });

  // Every token is good on an open relay, so an answer that says "yours" confirms a guess.
  it("is told alike to the token that has it and to every other, whatever else they claim to be", async () => {
    const port = await start({});
    const instance = "the instance of the holder";
    close(await connectRawClient(port, "app", { token: "the holder's", instance, protocol: [1] }));
    const answers = [
      await ask(port, { ...check, token: "the holder's", instance, returning: true }),
      await ask(port, { ...check, token: "the holder's" }),
      await ask(port, { ...check, token: "a guess", instance }),
      await ask(port, { ...check, token: "a guess" }),
    ];
    expect(answers[0]).toMatchObject({ checked: { inUse: true } });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});
