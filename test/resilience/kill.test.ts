import { expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { isFullRun, scaled } from "./scale.js";

const opened = closingAfterEach();
const slow = 60_000;
/** How long a relay that has just started waits for its clients: the default, if the machine is not busy. */
const hold = scaled("20s", "2s");

it(
  "kill -9 of the client: what is open gets 502 after --resume-timeout, what comes gets 503 after --hold-timeout",
  async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startRelayCommand(["--resume-timeout", "4s", "--hold-timeout", "500ms"]));
    const client = opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    const visitor = opened(createVisitor(relay.port));
    const open = visitor.text("demo", "/hang");
    await upstream.nextRequest();

    const killedAtMs = performance.now();
    client.child.kill("SIGKILL");
    await relay.waitForJson({ msg: "tunnel away" });
    const late = await visitor.visit("demo", "/");
    expect([late.statusCode, await late.body.text()]).toEqual([503, "tunnel reconnecting"]);
    expect(late.headers["retry-after"]).toBe("5");
    const waitedMs = performance.now() - killedAtMs;
    expect(waitedMs).toBeGreaterThan(490);

    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(performance.now() - killedAtMs).toBeGreaterThan(3_990);
    // The delay of a busy machine is in it. With the default it would be a minute.
    expect(performance.now() - killedAtMs).toBeLessThan(30_000);
    // No client holds the name any more.
    expect(await visitor.text("demo", "/")).toEqual({ status: 502, text: "tunnel not found" });
  },
  slow,
);

it(
  "a client that is started again has its name back at once, and what the killed one had open ends",
  async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startRelayCommand());
    const first = opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    const visitor = opened(createVisitor(relay.port));
    const open = visitor.text("demo", "/hang");
    await upstream.nextRequest();
    first.child.kill("SIGKILL");
    await relay.waitForJson({ msg: "tunnel away" });
    const held = visitor.text("demo", "/status/201");

    const again = opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    expect(again.subdomain).toBe("demo");
    // Long before the 60 s for which the relay would have kept the session.
    expect(await open).toEqual({ status: 502, text: "tunnel dropped request" });
    expect(await held).toEqual({ status: 201, text: "status 201\n" });
    expect((await visitor.text("demo", "/status/202")).status).toBe(202);
  },
  slow,
);

it(
  "kill -9 of the relay: the client is back within 2 s of its restart, and requests sent meanwhile are served",
  async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startRelayCommand());
    const client = opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    const before = opened(createVisitor(relay.port));
    // The open request ends with the process that held the visitor's connection. The client aborts its local
    // request.
    const open = before.text("demo", "/hang").catch((error: unknown) => error);
    await upstream.nextRequest();
    const aborted = upstream.nextAbort();
    relay.child.kill("SIGKILL");
    expect(await open).toBeInstanceOf(Error);
    await client.waitForJson({ event: "disconnected" });

    const goneAtMs = performance.now();
    const again = opened(await startRelayCommand(["--port", String(relay.port), "--startup-hold", hold]));
    const startedAtMs = performance.now();
    const after = opened(createVisitor(again.port));
    const visit = after.text("demo", "/status/201");
    expect(await client.waitForJson({ event: "connected" }, 2)).toMatchObject({ resumed: false });
    const goneMs = Math.round(startedAtMs - goneAtMs);
    const backMs = Math.round(performance.now() - startedAtMs);
    console.info(`the client was back ${backMs} ms after a relay that was gone for ${goneMs} ms`);
    // The client's pause is not longer than the relay was gone. A busy machine may take any time for the
    // rest.
    expect(backMs).toBeLessThan(isFullRun ? Math.max(2_000, goneMs + 400) : 15_000);
    expect((await visit).status).toBe(201);
    expect((await aborted).path).toBe("/hang");
  },
  slow,
);

it(
  "Ctrl-C at the client frees its name at once",
  async () => {
    const upstream = opened(await startUpstream());
    const relay = opened(await startRelayCommand());
    const client = opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    const visitor = opened(createVisitor(relay.port));
    client.child.kill("SIGINT");
    expect(await client.exited).toEqual({ code: 0, signal: null });
    await relay.waitForJson({ msg: "tunnel closed" });
    const askedAtMs = performance.now();
    expect(await visitor.text("demo", "/")).toEqual({ status: 502, text: "tunnel not found" });
    // The relay does not hold the request for the client: that would take 15 s.
    expect(performance.now() - askedAtMs).toBeLessThan(10_000);
  },
  slow,
);
