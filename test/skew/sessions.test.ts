import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import {
  runClient,
  startClientCommand,
  startRelayCommand,
  startRelayCommandOn,
} from "../support/commands.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { shareSocket } from "../support/shared-socket.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { isFirstMissing } from "./first-release.js";
import { first, type Release, releases, roomy, skewed, today } from "./releases.js";

const closing = closingAfterEach();

/** Each test starts several processes. */
const options = { timeout: 60_000 };

async function start(release: Release, args: readonly string[] = []) {
  const upstream = closing(await startUpstream());
  const relay = closing(await startRelayCommand([...roomy, ...args], {}, release.relay));
  const visitor = closing(createVisitor(relay.port));
  const connect = async (of: Release, more: readonly string[] = [], port = relay.port) =>
    closing(await startClientCommand(upstream.port, port, ["--subdomain", "demo", ...more], {}, of.client));
  return { upstream, relay, visitor, connect };
}

describe.skipIf(isFirstMissing).each(skewed)("$client.name client at $relay.name relay", options, (pair) => {
  it("goes on with all that was open when the link breaks", async () => {
    const { upstream, relay, visitor, connect } = await start(pair.relay);
    const proxy = closing(await startFaultProxy(relay.port));
    const client = await connect(pair.client, [], proxy.port);
    const arrived = upstream.nextRequest();
    const events = await visitor.visit("demo", "/sse");
    await arrived;

    // The client sends what visitors get, so the cut in this direction is in the middle of the download.
    proxy.cutAfter("up", 1_000_000);
    const download = await visitor.visit("demo", "/bytes/5000000");
    const checker = new ByteChecker();
    for await (const chunk of download.body) checker.update(chunk as Buffer);
    expect(checker.length).toBe(5_000_000);

    proxy.cutAfter("down", 1_000_000);
    const body = bytesAt(0, 5_000_000);
    const upload = await visitor.visit("demo", "/hash", { method: "POST", body });
    expect(await upload.body.json()).toMatchObject({ length: body.length });

    const event = once(events.body, "data");
    upstream.emit("still here");
    expect(String(await event)).toBe("data: still here\n\n");
    events.body.on("error", () => {}).destroy();
    expect(proxy.accepted).toBe(3);
    expect(client.json.filter(({ event }) => event === "connected")).toHaveLength(3);
    expect(client.json.filter(({ event }) => event === "error")).toEqual([]);
  });

  it("ends when the relay refuses its token", async () => {
    const { upstream, relay } = await start(pair.relay, ["--static-token", "s3cret:demo"]);
    const args = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--json"];
    const refused = closing(runClient([...args, "--token", "wrong"], {}, { program: pair.client.client }));
    expect(await refused.exited).toEqual({ code: 3, signal: null });
    expect(refused.json.at(-1)).toMatchObject({
      event: "error",
      code: "refused",
      message: expect.stringContaining("invalid token"),
    });
  });

  it("lets open requests finish when its user ends it, and leaves its name at once", async () => {
    const { upstream, visitor, connect } = await start(pair.relay);
    const client = await connect(pair.client);
    const arrived = upstream.nextRequest();
    const answer = visitor.text("demo", "/slow?ms=1000");
    await arrived;
    client.child.kill("SIGTERM");
    await client.waitForJson({ event: "closing" });
    await connect(today);
    expect((await visitor.text("demo", "/status/201")).status).toBe(201);
    expect(await answer).toEqual({ status: 200, text: "slow\n" });
    expect(await client.exited).toEqual({ code: 0, signal: null });
    expect(client.json.filter(({ event }) => event === "evicted")).toEqual([]);
  });
});

describe.skipIf(isFirstMissing).each(releases)("at $name relay", options, (release) => {
  it.each(skewed)("a client evicts one of the other release ($client.name evicts)", async (pair) => {
    // The pair's two releases are those of the two clients here.
    const [taker, holder] = [pair.client, pair.relay];
    const { visitor, connect } = await start(release);
    const client = await connect(holder, ["--token", "one"]);
    await connect(taker, ["--token", "two"]);
    expect(await client.exited).toEqual({ code: 4, signal: null });
    expect(client.json.some(({ event }) => event === "evicted")).toBe(true);
    expect((await visitor.text("demo", "/status/200")).status).toBe(200);
  });
});

describe.skipIf(isFirstMissing)("a relay's successor of another release", options, () => {
  it.each([
    { name: "newer", before: first, after: today },
    { name: "older", before: today, after: first },
  ])("that is $name gets the clients of both, and what is open finishes", async ({ before, after }) => {
    const upstream = closing(await startUpstream());
    const socket = closing(shareSocket());
    const relay = closing(await startRelayCommandOn(socket, roomy, before.relay));
    const clients = await Promise.all(
      releases.map(async (release, i) =>
        closing(
          await startClientCommand(
            upstream.port,
            socket.port,
            ["--subdomain", `of-${i}`],
            {},
            release.client,
          ),
        ),
      ),
    );
    const names = clients.map(({ subdomain }) => subdomain);
    const visitor = closing(createVisitor(socket.port));
    const downloads = await Promise.all(names.map((name) => visitor.visit(name, "/bytes/20000000")));

    const successor = closing(await startRelayCommandOn(socket, roomy, after.relay));
    relay.child.kill("SIGTERM");
    await Promise.all(clients.map((client) => client.waitForJson({ event: "connected" }, 2)));
    for (const { body } of downloads) {
      const checker = new ByteChecker();
      for await (const chunk of body) checker.update(chunk as Buffer);
      expect(checker.length).toBe(20_000_000);
    }
    expect(await relay.exited).toEqual({ code: 0, signal: null });

    const later = closing(createVisitor(socket.port));
    for (const name of names) expect((await later.text(name, "/status/200")).status).toBe(200);
    expect(successor.json.filter(({ msg }) => msg === "tunnel registered")).toHaveLength(2);
    for (const client of clients)
      expect(client.json.some(({ event }) => event === "disconnected")).toBe(false);
  });
});

describe.skipIf(isFirstMissing)("what only one end knows", options, () => {
  const key = "k".repeat(32);

  it("a gate stands before the service also where the relay knows of none", async () => {
    const { visitor, connect } = await start(first);
    await connect(today, ["--visitor-auth", "bearer", "--visitor-key", key]);
    expect((await visitor.text("demo", "/status/200")).status).toBe(401);
    const headers = { authorization: `Bearer ${key}` };
    expect((await visitor.text("demo", "/status/200", { headers })).status).toBe(200);
  });

  it("a client that knows no gates is told why it is refused where the relay wants one", async () => {
    const { upstream, relay, connect } = await start(today, ["--require-visitor-auth"]);
    const args = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--json"];
    const refused = closing(runClient(args, {}, { program: first.client }));
    expect(await refused.exited).toEqual({ code: 3, signal: null });
    expect(refused.json.at(-1)).toMatchObject({
      code: "refused",
      message: expect.stringContaining("this relay takes only tunnels with a gate"),
    });
    await connect(today, ["--visitor-auth", "bearer", "--visitor-key", key]);
  });

  it("a name is not taken from a client that does not know claims", async () => {
    const { upstream, relay, visitor, connect } = await start(today);
    const holder = await connect(first, ["--token", "one"]);
    const args = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--json"];
    const wants = ["--subdomain", "demo", "--token", "two", "--takeover", "never"];
    const late = closing(runClient([...args, ...wants]));
    expect(await late.exited).toEqual({ code: 4, signal: null });
    expect(late.json.at(-1)).toMatchObject({ event: "error", code: "taken" });
    expect((await visitor.text("demo", "/status/200")).status).toBe(200);
    await holder.waitForJson({ event: "request" });
    expect(holder.json.map(({ event }) => event)).toEqual(["connected", "request"]);
  });
});
