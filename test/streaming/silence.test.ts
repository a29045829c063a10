import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type InProcessOptions, type InProcessTunnel, startInProcess } from "../support/in-process.js";

/**
 * Lets `ms` pass on the clock of the relay and the client, a second at a time. After each second, the event
 * loop turns many times as often as a ping and its pong need between two sockets of one process.
 */
async function letPass(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    await vi.advanceTimersByTimeAsync(1_000);
    for (let turns = 0; turns < 20; turns++) await turn();
  }
}

/** Functions that wait for the event loop, and not for time, stay real. */
const clock = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] as const;

describe("ten minutes without a byte", () => {
  /** Requests that wait for an answer, in order of arrival. Requests for events have their head already. */
  let waiting: ServerResponse[];
  const service = createServer((req, res) => {
    if (req.url === "/events") res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    waiting.push(res);
  });
  let tunnel: InProcessTunnel;
  let losses: string[];

  async function start(options: Partial<InProcessOptions> = {}): Promise<void> {
    waiting = [];
    losses = [];
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    tunnel = await startInProcess({ upstreamPort: (service.address() as AddressInfo).port, ...options });
    tunnel.client.on("disconnected", ({ cause }) => losses.push(cause.message));
  }

  beforeEach(() => {
    vi.useFakeTimers({ toFake: [...clock] });
  });
  afterEach(async () => {
    // The tunnel closes on the clock on which it was started.
    const closed = tunnel.close();
    await letPass(5_000);
    await closed;
    vi.useRealTimers();
    service.closeAllConnections();
    service.close();
  });

  it("end neither an event stream nor a tool call", { timeout: 60_000 }, async () => {
    await start();
    const events = await tunnel.visit("/events");
    const call = tunnel.visit("/call", { method: "POST", body: "{}" });
    while (waiting.length < 2) await turn();
    // Just before the relay's own limit for a response head.
    await letPass(595_000);
    waiting[1]?.end("answer");
    const answer = await call;
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, "answer"]);
    await letPass(10_000);
    waiting[0]?.end("data: still here\n\n");
    expect(await events.body.text()).toBe("data: still here\n\n");
    expect(losses).toEqual([]);
  });

  it("and a moment end a tool call, with 504", { timeout: 60_000 }, async () => {
    await start();
    const call = tunnel.visit("/call", { method: "POST", body: "{}" });
    while (waiting.length < 1) await turn();
    await letPass(601_000);
    const answer = await call;
    expect([answer.statusCode, await answer.body.text()]).toEqual([504, "tunnel timeout"]);
  });

  it("would be noticed within half a minute if nobody were there", async () => {
    await start({ faults: true });
    tunnel.proxy?.halfOpen();
    await letPass(30_000);
    expect(losses).toEqual(["the link has gone silent"]);
  });
});
