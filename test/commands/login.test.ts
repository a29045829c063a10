import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TestRelay } from "../../packages/client/test/test-relay.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import {
  type JsonLine,
  type RelayCommand,
  runClient,
  type RunningCommand,
  startRelayCommand,
} from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { runAtTerminal, type TerminalCommand } from "../support/terminal.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// What a user keeps, and how a tunnel comes to its name, with the built commands and a real relay.

const closing = closingAfterEach();
let relay: RelayCommand;
let url: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const tokens = ["s3cret-of-bob:bob", "s3cret-of-all:*", "s3cret-of-ann:ann,ann-*"];
  relay = await startRelayCommand(tokens.flatMap((token) => ["--static-token", token]));
  url = `http://127.0.0.1:${relay.port}`;
});
afterAll(() => relay.close());
beforeEach(() => {
  const { path } = closing(createFolder());
  // The tests themselves may have been started by npx.
  env = { XDG_CONFIG_HOME: join(path, "config"), MCP_TUNNEL_STATE_DIR: join(path, "state"), npm_command: "" };
});

function run(args: readonly string[], extra: NodeJS.ProcessEnv = {}): RunningCommand {
  return closing(runClient(args, { ...env, ...extra }));
}

async function statusOf(command: RunningCommand): Promise<number | null> {
  return (await command.exited).code;
}

function piped(input: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}): RunningCommand {
  return closing(runClient(args, { ...env, ...extra }, { input }));
}

function atTerminal(args: readonly string[]): TerminalCommand {
  return closing(runAtTerminal("client", args, 200, env));
}

/** What a client has said as JSON. That nothing listens at the ports of these tests is left out. */
function told(client: RunningCommand): JsonLine[] {
  return client.json.filter(({ code }) => code !== "nothing_listens");
}

async function connected(client: RunningCommand): Promise<string> {
  return String((await client.waitForJson({ event: "connected" }))["subdomain"]);
}

const credentials = (): string =>
  readFileSync(join(String(env["XDG_CONFIG_HOME"]), "mcp-tunnel", "credentials.json"), "utf8");

describe("login", () => {
  it("makes the port enough, and no running tunnel notices it, or whoami", async () => {
    const upstream = closing(await startUpstream());
    const login = piped("s3cret-of-bob\nmore", ["login", "--relay", url]);
    expect(await statusOf(login), login.output).toBe(0);
    expect(login.stdout[0]).toBe(`${url} takes this token, for bob`);
    expect(login.stdout[1]).toMatch(/^Kept in .* The relay is the default now: mcp-tunnel-client 3000$/);

    const tunnel = run([String(upstream.port), "--json"]);
    expect(await connected(tunnel)).toBe("bob");
    const whoami = run(["whoami", "--json"]);
    const again = piped("s3cret-of-bob", ["login", "--relay", `${url}/`]);
    expect([await statusOf(whoami), await statusOf(again)]).toEqual([0, 0]);
    expect(whoami.json).toEqual([
      {
        relay: url,
        relayVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
        token: "kept",
        names: [{ name: "bob", url: `http://bob.localhost:${relay.port}`, inUse: true }],
        requiresVisitorAuth: false,
      },
    ]);
    const visitor = closing(createVisitor(relay.port));
    expect((await visitor.text("bob", "/")).status).toBe(200);
    await tunnel.waitForJson({ event: "request" });
    expect(tunnel.json.map(({ event }) => event)).toEqual(["connected", "request"]);
  });

  it("speaks of no command to somebody who has run it by npx", async () => {
    const login = piped("s3cret-of-bob", ["login", "--relay", url], { npm_command: "exec" });
    expect(await statusOf(login)).toBe(0);
    expect(login.stdout[1]).toMatch(/ now: the same npx line, with a port in the place of login$/);
  });

  it("is undone by logout", async () => {
    expect(await statusOf(piped("s3cret-of-bob", ["login", "--relay", url]))).toBe(0);
    const logout = run(["logout"]);
    expect(await statusOf(logout)).toBe(0);
    expect(logout.stdout).toEqual([`The token for ${url} is forgotten`]);
    const without = run(["3000"]);
    expect(await statusOf(without)).toBe(2);
    expect(without.stderr).toEqual([expect.stringContaining("mcp-tunnel-client login")]);
  });

  it("gives way to the environment, and that to the command line", async () => {
    expect(await statusOf(piped("s3cret-of-bob", ["login", "--relay", url]))).toBe(0);
    expect(
      await connected(
        run(["3000", "--json"], { MCP_TUNNEL_TOKEN: "s3cret-of-ann", MCP_TUNNEL_SUBDOMAIN: "ann" }),
      ),
    ).toBe("ann");
    const variables = { MCP_TUNNEL_CLIENT_TOKEN: "s3cret-of-nobody", MCP_TUNNEL_TOKEN: "s3cret-of-bob" };
    const refused = run(["3000"], variables);
    expect(await statusOf(refused)).toBe(3);
    expect(refused.stderr.at(-1)).toMatch(/; the token is that of MCP_TUNNEL_CLIENT_TOKEN$/);
    const args = ["3000", "--json", "--token", "s3cret-of-ann", "--subdomain", "ann-2"];
    expect(await connected(run(args, variables))).toBe("ann-2");
  });

  it("keeps nothing that the relay refuses, and nothing if it cannot be reached", async () => {
    const refused = piped("s3cret-of-nobody", ["login", "--relay", url]);
    expect(await statusOf(refused)).toBe(3);
    expect(refused.stderr).toEqual([`error: ${url} does not take this token: invalid token`]);
    const forgotten = piped("", ["login", "--relay", url], { MCP_TUNNEL_TOKEN: "s3cret-of-nobody" });
    expect(await statusOf(forgotten)).toBe(3);
    expect(forgotten.stderr).toEqual([
      `error: ${url} does not take the token of MCP_TUNNEL_TOKEN: invalid token`,
    ]);
    const empty = piped("\n \n", ["login", "--relay", url]);
    expect(await statusOf(empty)).toBe(2);
    expect(empty.stderr).toEqual(["error: the standard input has no token: it is empty"]);
    const away = piped("s3cret-of-bob", ["login", "--relay", "http://127.0.0.1:9"]);
    expect(await statusOf(away)).toBe(1);
    expect(credentials).toThrow(/ENOENT/);
  });

  it("keeps a token for a relay that is too old to be asked, and tells it nothing", async () => {
    const old = closing(await new TestRelay().listen());
    const login = piped("s3cret", ["login", "--relay", old.url]);
    expect(await statusOf(login)).toBe(0);
    expect(login.stderr).toEqual([
      `warning: ${old.url} is too old to be asked whether it takes the token: it was not told`,
    ]);
    expect(old.registrations).toEqual([]);
    expect(credentials()).toContain(old.url);
    const whoami = run(["whoami"]);
    expect(await statusOf(whoami)).toBe(1);
    expect(whoami.stderr[0]).toMatch(/^error: the relay at .* It was asked nothing/);
    expect(old.registrations).toEqual([]);
  });

  it.skipIf(missingProgram("script"))("asks at a terminal, where the token does not show", async () => {
    const login = atTerminal(["login"]);
    await login.see("The relay's URL");
    login.type(`${url}\r`);
    await login.see("The token for");
    login.type("s3cret-of-ann\r");
    const shown = await login.seeMatch(/[\s\S]*Kept in /);
    expect(shown).toContain("takes this token, for ann, ann-*");
    expect(shown).not.toContain("s3c");
    expect(await login.exited).toEqual([0, null]);
  });
});

describe("a token", () => {
  it("that was not given is what the message is about", async () => {
    const refused = run(["3000", "--relay", url, "--json"], {
      MCP_TUNNEL_TOKEN_FILE: "/etc/mcp-tunnel/tokens.yaml",
    });
    expect(await statusOf(refused)).toBe(3);
    const message = String(refused.json.at(-1)?.["message"]);
    expect(message).toMatch(
      /^no token was given, and the relay at .* wants one: add --token-file .* login \(/,
    );
    expect(message).toContain(
      "MCP_TUNNEL_TOKEN_FILE is the relay's, and not read: it is MCP_TUNNEL_CLIENT_TOKEN_FILE",
    );
    expect(message).not.toContain("invalid token");
  });

  it("for one name gives that name with a warning, or with --strict-subdomain nothing", async () => {
    const args = ["3000", "--relay", url, "--token", "s3cret-of-bob", "--subdomain", "eve", "--json"];
    const warned = run(args);
    expect(await connected(warned)).toBe("bob");
    await warned.waitForJson({ event: "warning", code: "name_differs" });
    // The tunnel of the name that it would get goes on.
    const strict = run([...args, "--strict-subdomain"]);
    expect(await statusOf(strict)).toBe(3);
    expect(told(strict)).toEqual([
      {
        event: "error",
        code: "refused",
        message: "the relay does not give the name 'eve': it gives this token 'bob' alone",
      },
    ]);
    expect(told(warned).map(({ event }) => event)).toEqual(["connected", "warning"]);
  });

  it("for all names gives a tunnel without one a name that it keeps", async () => {
    const args = ["--relay", url, "--token", "s3cret-of-all", "--json"];
    const first = run(["3000", ...args]);
    const name = await connected(first);
    expect(name).toMatch(/^[a-z]{5}-[a-z]{5}$/);
    await first.close();
    const second = run(["3000", ...args]);
    expect(await connected(second)).toBe(name);
    // Another service does not take the name from the first.
    expect(await connected(run(["4000", ...args]))).not.toBe(name);
    expect(told(second).length).toBe(1);
  });

  it.skipIf(missingProgram("script"))(
    "for all names lets a person have the drawn name by Enter",
    async () => {
      const args = ["3000", "--relay", url, "--token", "s3cret-of-all", "--no-inspect"];
      const first = atTerminal(args);
      const [, drawn] =
        /Enter for ([a-z-]+)/.exec(await first.seeMatch(/like \* \(Enter for [a-z-]+\)/)) ?? [];
      first.type("\r");
      await first.see(`http://${drawn}.localhost:${relay.port}`);
      first.type("\u0003");
      await first.exited;
      const second = atTerminal(args);
      await second.see(`(Enter for ${drawn})`);
      second.type("other-name\r");
      await second.see(`http://other-name.localhost:${relay.port}`);
      second.type("\u0003");
      await second.exited;
    },
  );
});

describe("a name that another client has", () => {
  const args = ["--token", "s3cret-of-all", "--subdomain", "shop"];

  it("stays with that client with --takeover never and, without a terminal, with ask", async () => {
    const holder = run(["3000", "--relay", url, ...args, "--json"]);
    await connected(holder);
    const never = run(["4000", "--relay", url, ...args, "--json", "--takeover", "never"]);
    expect(await statusOf(never)).toBe(4);
    expect(told(never)).toEqual([
      { event: "error", code: "taken", message: expect.stringContaining("subdomain 'shop' is in use") },
    ]);
    const ask = run(["4000", "--relay", url, ...args, "--json", "--takeover", "ask"]);
    expect(await statusOf(ask)).toBe(4);
    expect(told(ask).map(({ code }) => code)).toEqual(["takeover_not_asked", "taken"]);
    expect(told(holder).length).toBe(1);
    await holder.close();
    expect(await connected(run(["4000", "--relay", url, ...args, "--json", "--takeover", "never"]))).toBe(
      "shop",
    );
  });

  it.skipIf(missingProgram("script"))("is taken if a person at the terminal says so", async () => {
    const holder = run(["3000", "--relay", url, ...args, "--json"]);
    await connected(holder);
    const question = "Another client has the name shop. Take it?";
    const leaving = atTerminal(["4000", "--relay", url, ...args, "--takeover", "ask", "--no-inspect"]);
    await leaving.see(question);
    leaving.type("\r");
    await leaving.see("error: another client has the name 'shop', and keeps it");
    expect(await leaving.exited).toEqual([4, null]);
    expect(told(holder).length).toBe(1);
    const taking = atTerminal(["4000", "--relay", url, ...args, "--takeover", "ask", "--no-inspect"]);
    await taking.see(question);
    taking.type("y");
    await taking.see(`http://shop.localhost:${relay.port}`);
    expect(await statusOf(holder)).toBe(4);
    taking.type("\u0003");
    await taking.exited;
  });

  it.skipIf(missingProgram("script"))("is no more asked about once all tunnels are to end", async () => {
    const holder = run(["3000", "--relay", url, ...args, "--json"]);
    await connected(holder);
    const folder = closing(createFolder());
    const options = `{local: 4000, relay: '${url}', token: s3cret-of-all, takeover: ask}`;
    const config = folder.write("tunnels.yaml", `tunnels:\n  shop: ${options}\n`);
    const asking = atTerminal(["start", "--all", "--config", config, "--no-inspect"]);
    await asking.see("Another client has the name shop. Take it?");
    asking.kill("SIGTERM");
    expect(await asking.exited).toEqual([0, null]);
    expect(told(holder).length).toBe(1);
  });

  it.each(["never", "ask"])("is not asked of a relay that is too old, with --takeover %s", async (when) => {
    const old = closing(await new TestRelay().listen());
    const refused = run(["4000", "--relay", old.url, ...args, "--takeover", when]);
    expect(await statusOf(refused)).toBe(1);
    expect(refused.stderr.at(-1)).toMatch(/^error: the relay at .* It was asked nothing/);
    expect(old.registrations).toEqual([]);
  });
});
