import { rmSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import type { RunningCommand } from "../../../test/support/commands.js";
import { endedBy, onWindows } from "../../../test/support/systems.js";
import { startUpstream } from "../../../test/support/upstream.js";
import type { Upstream } from "../../../test/support/upstream.js";
import { visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";

const closing = closingAfterEach();

let relay: TestRelay;
let upstream: Upstream;
let file: string;
beforeEach(async () => {
  upstream = closing(await startUpstream());
  relay = closing(await new TestRelay().listen());
  file = closing(createFolder()).write("tunnels.yaml", "");
});

/** Writes the config file: the lines of each tunnel, by name. */
function write(tunnels: Readonly<Record<string, string>>): void {
  const lines = Object.entries(tunnels).map(([name, keys]) => `  ${name}: {${keys}}`);
  writeFileSync(file, `defaults:\n  relay: ${relay.url}\ntunnels:\n${lines.join("\n")}\n`);
}

function start(...args: string[]): RunningCommand {
  return closing(runClient(["start", "--config", file, ...args]));
}

describe("mcp-tunnel-client start", () => {
  const local = (): string => `local: ${upstream.port}`;

  it("starts the tunnels that are named, each under its name", async () => {
    write({ web: local(), api: local(), other: local() });
    const client = start("web", "api", "--json");
    await client.waitForJson({ event: "connected", tunnel: "web" });
    await client.waitForJson({ event: "connected", tunnel: "api", subdomain: "api" });
    expect(client.json[0]).toEqual({
      event: "config",
      file,
      started: ["web", "api"],
      restarted: [],
      ended: [],
    });
    expect(relay.registrations.map(({ subdomain }) => String(subdomain)).toSorted()).toEqual(["api", "web"]);
    await visit(relay.session as never, { path: "/echo" }).complete();
    const last = relay.registrations.at(-1)?.subdomain;
    expect(await client.waitForJson({ event: "request" })).toMatchObject({ tunnel: last, status: 200 });
    expect(await client.close()).toEqual(endedBy("SIGTERM", 0));
  });

  it("goes on with the others if the relay refuses one, and ends with the status of that", async () => {
    relay.answer = ({ subdomain }) =>
      subdomain === "bad" ? { close: 4001, reason: "invalid token" } : { accept: String(subdomain) };
    write({ web: local(), bad: local(), api: local() });
    const client = start("--all");
    await client.waitFor("the refusal", () =>
      client.stderr.find((line) => line.startsWith("bad error: no token was given")),
    );
    const rest = /^'bad' has ended; (2 other tunnels go on|the other tunnel goes on)$/;
    await client.waitFor("what goes on", () => client.stderr.find((line) => rest.test(line)));
    await client.waitFor("the URL", () => client.stdout.find((line) => line.includes("//web.relay.test")));
    expect(await client.close()).toEqual(endedBy("SIGTERM", 3));
  });

  it("ends once all have failed, with the status of the first", async () => {
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    write({ web: local(), api: local() });
    const client = start("--all", "--json");
    expect(await client.exited).toEqual({ code: 3, signal: null });
    expect(client.json.filter(({ event }) => event === "error").map(({ tunnel }) => tunnel)).toEqual(
      expect.arrayContaining(["web", "api"]),
    );
  });

  it.skipIf(onWindows)(
    "lets open requests of all tunnels finish at a signal, and cuts them at a second one",
    async () => {
      write({ web: local(), api: local() });
      const client = start("--all", "--json");
      await client.waitForJson({ event: "connected", tunnel: "web" });
      await client.waitForJson({ event: "connected", tunnel: "api" });
      visit(relay.session as never, { path: "/hang" });
      await upstream.nextRequest();
      client.child.kill("SIGTERM");
      await client.waitForJson({ event: "closing", openRequests: 1 });
      await client.waitForJson({ event: "closing", openRequests: 0 });
      const aborted = upstream.nextAbort();
      client.child.kill("SIGTERM");
      await aborted;
      expect(await client.exited).toEqual({ code: 0, signal: null });
    },
  );

  it.each([
    [[], /takes the names of tunnels in the config file, or --all/],
    [["web", "--all"], /takes the names of tunnels in the config file, or --all/],
    [["wbe"], /has no tunnel 'wbe'; it has web/],
    [["web", "--local", "3000"], /unknown option '--local'.*\(see mcp-tunnel-client start --help\)/],
  ])("says what is wrong with %j", async (args, message) => {
    write({ web: local() });
    const client = start(...args);
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr.length, client.output).toBe(1);
    expect(client.stderr[0]).toMatch(message);
  });

  it("starts nothing if the file has mistakes, and tells all of them", async () => {
    write({ web: "local: x", api: "lokal: 1" });
    const client = start("--all");
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([
      "error: the config file has mistakes",
      expect.stringContaining(`${file}:4: tunnels.web.local: It takes a port`),
      `${file}:5: unknown key 'tunnels.api.lokal'; did you mean 'local'?`,
    ]);
    expect(relay.registrations).toEqual([]);
  });
});

describe("a config file that changes", () => {
  const local = (rest = ""): string => `local: ${upstream.port}${rest}`;
  let client: RunningCommand;
  beforeEach(async () => {
    write({ web: local(), api: local(), old: local() });
    client = start("--all", "--json");
    for (const tunnel of ["web", "api", "old"]) await client.waitForJson({ event: "connected", tunnel });
  });

  it("starts what is new, ends what is gone, restarts what differs, and touches nothing else", async () => {
    write({ api: local(", host-header: preserve"), web: local(), new: local() });
    expect(await client.waitForJson({ event: "config" }, 2)).toEqual({
      event: "config",
      file,
      started: ["new"],
      restarted: ["api"],
      ended: ["old"],
    });
    await client.waitForJson({ event: "connected", tunnel: "new" });
    await client.waitForJson({ event: "connected", tunnel: "api" }, 2);
    expect(relay.registrations.length).toBe(5);
    expect(client.json.filter(({ event }) => event === "error" || event === "evicted")).toEqual([]);
    // The tunnels that are gone have left the relay.
    await relay.until(({ openConnections }) => openConnections === 3);
    expect(await client.close()).toEqual(endedBy("SIGTERM", 0));
  });

  it("changes nothing while it has mistakes, which are told once", async () => {
    write({ web: "local: x", api: local() });
    const warning = await client.waitForJson({ event: "warning", code: "config" });
    expect(warning["message"]).toContain(`${file}:4: tunnels.web.local: It takes a port`);
    rmSync(file);
    await client.waitForJson({ event: "warning", code: "config" }, 2);
    write({ web: local(), api: local() });
    await client.waitForJson({ event: "config" }, 2);
    expect(client.json.filter(({ event }) => event === "warning").length).toBe(2);
    expect(client.json.at(-1)).toMatchObject({ started: [], restarted: [], ended: ["old"] });
    expect(relay.registrations.length).toBe(3);
  });

  it.skipIf(onWindows)("is read again at once on SIGHUP, where there is no terminal", async () => {
    client.child.kill("SIGHUP");
    expect(await client.waitForJson({ event: "config" }, 2)).toMatchObject({
      started: [],
      restarted: [],
      ended: [],
    });
    expect(relay.registrations.length).toBe(3);
  });

  it("ends the command once no tunnel is left of those that it was started for", async () => {
    write({ other: local() });
    const one = start("other", "--json");
    await one.waitForJson({ event: "connected", tunnel: "other" });
    write({ web: local() });
    expect(await one.exited).toEqual({ code: 0, signal: null });
  });
});
