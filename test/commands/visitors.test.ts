import { createHash, randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, startRelayCommand } from "../support/commands.js";
import type { RelayCommand, RunningCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { runAtTerminal } from "../support/terminal.js";
import { createVisitor } from "../support/visitor.js";
import type { Visitor } from "../support/visitor.js";

/** Who may visit, as the command shows it, asks for it and takes it back. */
const closing = closingAfterEach();
const server = fileURLToPath(new URL("../../examples/basic/stdio-server.mjs", import.meta.url));
const callback = "http://127.0.0.1:9/callback";

let relay: RelayCommand;
let visitor: Visitor;
let env: NodeJS.ProcessEnv;
let args: string[];
beforeEach(async () => {
  relay = closing(await startRelayCommand());
  visitor = closing(createVisitor(relay.port, `localhost:${relay.port}`));
  env = { MCP_TUNNEL_STATE_DIR: closing(createFolder()).path };
  const to = ["--relay", `http://127.0.0.1:${relay.port}`, "--token", "t", "--subdomain", "app"];
  args = [...to, "--stdio", "--", process.execPath, server];
});

/** Runs `mcp-tunnel-client auth`, and returns what it said when it has ended. */
async function auth(...words: string[]): Promise<RunningCommand> {
  const command = closing(runClient(["auth", ...words], env));
  await command.exited;
  return command;
}

async function jsonOf(...words: string[]): Promise<Record<string, unknown>> {
  const command = await auth(...words, "--json");
  expect(await command.exited, command.output).toEqual({ code: 0, signal: null });
  return command.json[0] ?? {};
}

const form = { "content-type": "application/x-www-form-urlencoded" };

/** A host that wants a grant, with the browser of its user. */
class Host {
  readonly #verifier = randomBytes(32).toString("base64url");
  #clientId = "";
  #cookie = "";
  #page = "";

  /** Registers, and opens the page of the consent. */
  async ask(): Promise<void> {
    const registration = await visitor.text("app", "/.mcp-tunnel/register", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: "Host of a test",
        redirect_uris: [callback],
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      }),
    });
    this.#clientId = (JSON.parse(registration.text) as { client_id: string }).client_id;
    const query = new URLSearchParams({
      response_type: "code",
      client_id: this.#clientId,
      redirect_uri: callback,
      scope: "mcp",
      code_challenge: createHash("sha256").update(this.#verifier).digest("base64url"),
      code_challenge_method: "S256",
      resource: `http://app.localhost:${relay.port}/mcp`,
    });
    const { headers, body } = await visitor.visit("app", `/.mcp-tunnel/authorize?${query}`);
    await body.dump();
    this.#cookie = String(headers["set-cookie"]).split(";")[0] ?? "";
    this.#page = String(headers["location"]);
  }

  /** Presses a button of the page. Returns the page that follows. */
  async press(act: string, fields: Record<string, string> = {}): Promise<string> {
    const page = await this.#get(this.#page);
    const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? "";
    const { headers, body } = await visitor.visit("app", this.#page, {
      method: "POST",
      headers: { ...form, cookie: this.#cookie, origin: `http://app.localhost:${relay.port}` },
      body: new URLSearchParams({ token, act, ...fields }).toString(),
    });
    const text = await body.text();
    return headers["location"] === undefined ? text : this.#get(String(headers["location"]));
  }

  /** Looks whether somebody has approved. The page then leads on. */
  async isApproved(): Promise<boolean> {
    const { headers, body } = await visitor.visit("app", this.#page, { headers: { cookie: this.#cookie } });
    await body.dump();
    if (headers["location"] === undefined) return false;
    this.#page = String(headers["location"]);
    return true;
  }

  /** Follows the browser back to the host, and gets an access token for the code that it brings. */
  async token(): Promise<string> {
    let location = this.#page;
    while (!location.startsWith(callback)) {
      const { headers, body } = await visitor.visit("app", location, { headers: { cookie: this.#cookie } });
      await body.dump();
      expect(headers["location"]).toBeDefined();
      location = String(headers["location"]);
    }
    const { text } = await visitor.text("app", "/.mcp-tunnel/token", {
      method: "POST",
      headers: form,
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: new URL(location).searchParams.get("code") ?? "",
        client_id: this.#clientId,
        redirect_uri: callback,
        code_verifier: this.#verifier,
        resource: `http://app.localhost:${relay.port}/mcp`,
      }).toString(),
    });
    return (JSON.parse(text) as { access_token: string }).access_token;
  }

  async #get(path: string): Promise<string> {
    return (await visitor.text("app", path, { headers: { cookie: this.#cookie } })).text;
  }
}

/** The status of a call with this proof. */
async function statusWith(authorization: string): Promise<number> {
  const { status } = await visitor.text("app", "/mcp", {
    method: "POST",
    headers: {
      authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
    }),
  });
  return status;
}

describe.skipIf(missingProgram("script"))("at a terminal", () => {
  it("what was drawn is shown once", async () => {
    const first = closing(runAtTerminal("client", args, 80, env));
    await first.see("with this passcode:");
    const { passcode, key } = await jsonOf("show", "app");
    await first.see(String(passcode));
    await first.see(`--header "Authorization: Bearer ${String(key)}"`);
    await first.see("This is shown once. See it again: mcp-tunnel-client auth show app");
    first.type("\u0003");
    await first.exited;

    const second = closing(runAtTerminal("client", args, 80, env));
    await second.see("with the passcode.");
    await second.see('--header "Authorization: Bearer KEY"');
    await second.see("KEY and passcode: mcp-tunnel-client auth show app");
    expect(await statusWith(`Bearer ${String(key)}`)).toBe(200);
    second.type("\u0003");
    await second.exited;
  });

  it("the owner lets in whoever shows him the number, and takes it back", { timeout: 30_000 }, async () => {
    const client = closing(runAtTerminal("client", args, 80, env));
    await client.see("auth show app");
    const host = new Host();
    await host.ask();
    const page = await host.press("ask");
    const number = /class="number"[^>]*>([^<]+)</.exec(page)?.[1] ?? "";
    await client.see('"Host of a test" asks for access from 127.0.0.1');
    await client.see("If that is you, type the number that its page shows, and Enter.");
    client.type("000\r");
    await client.see("No page shows that number.");
    client.type(`${number}\r`);
    await client.see("Approved; its page goes on.");
    await expect.poll(() => host.isApproved(), { timeout: 10_000 }).toBe(true);
    const token = await host.token();
    await client.see('"Host of a test" has access now (by you)');
    await client.see("To end it: mcp-tunnel-client auth revoke app");
    expect(await statusWith(`Bearer ${token}`)).toBe(200);

    const { tunnels } = (await jsonOf("list")) as { tunnels: { grants: { id: string }[] }[] };
    const id = tunnels[0]?.grants[0]?.id ?? "";
    const revoked = await auth("revoke", "app", id);
    expect(revoked.stdout).toEqual(["1 grant revoked; the running client has taken it."]);
    await client.see('"Host of a test" has no access any more');
    expect(await statusWith(`Bearer ${token}`)).toBe(401);
    // The terminal is as ever: Ctrl-C is a signal, not a character.
    client.type("\u0003");
    expect(await client.exited).toEqual([0, null]);
  });
});

describe("mcp-tunnel-client auth", () => {
  it("lists, revokes and rotates while the client runs", { timeout: 30_000 }, async () => {
    const client = closing(runClient(["--json", ...args], env));
    await client.waitForJson({ event: "connected" });
    const { key, passcode } = await jsonOf("show");
    const host = new Host();
    await host.ask();
    await host.press("passcode", { passcode: String(passcode) });
    const token = await host.token();
    await client.waitForJson({
      event: "auth",
      type: "granted",
      clientName: "Host of a test",
      by: "passcode",
    });

    const list = await auth("list");
    expect(list.stdout).toHaveLength(2);
    expect(list.stdout[0]).toMatch(/^TUNNEL +ID +CLIENT +USER +SINCE +LAST USE$/);
    expect(list.stdout[1]).toMatch(
      /^app +\S+ +Host of a test +owner +\d{4}-\d\d-\d\d \d\d:\d\d +\d{4}-\d\d-\d\d \d\d:\d\d$/,
    );

    const rotated = await auth("rotate", "app");
    expect(rotated.stdout.slice(0, 2)).toEqual([
      "New: key and passcode; the running client has taken it.",
      "Grants stay: mcp-tunnel-client auth revoke app --all takes them back.",
    ]);
    expect(await statusWith(`Bearer ${String(key)}`)).toBe(401);
    const renewed = await jsonOf("show");
    expect(renewed["key"]).not.toBe(key);
    expect(await statusWith(`Bearer ${String(renewed["key"])}`)).toBe(200);
    // Grants stay.
    expect(await statusWith(`Bearer ${token}`)).toBe(200);
    expect(await jsonOf("revoke", "app", "--all")).toMatchObject({ name: "app", taken: "taken" });
    expect(await statusWith(`Bearer ${token}`)).toBe(401);
    expect((await auth("list")).stdout).toEqual(["Nothing is granted."]);
    expect((await auth("revoke", "app", "--all")).stdout).toEqual(["Nothing to revoke."]);

    await client.close();
    const drawn = [key, passcode, renewed["key"], renewed["passcode"], token];
    for (const secret of drawn) expect(client.output).not.toContain(secret);
    expect(client.output).not.toContain("code_challenge");
  });

  it("shows the lines of the start again, and where all of it is kept", async () => {
    const client = closing(runClient(["--json", ...args], env));
    await client.waitForJson({ event: "connected" });
    // The relay's name comes to the slot a moment later.
    await expect
      .poll(() => jsonOf("show"), { timeout: 10_000 })
      .toMatchObject({ name: "app", url: expect.anything() });
    const { key, passcode } = await jsonOf("show");
    const url = `http://app.localhost:${relay.port}/mcp`;
    expect((await auth("show")).stdout).toEqual([
      `  ${url}`,
      "",
      "Claude, ChatGPT, Cursor, VS Code: give them the URL alone, and sign in",
      "with this passcode:",
      `  ${String(passcode)}`,
      "",
      "Claude Code, Codex, SDKs and all others that send headers:",
      `claude mcp add --transport http app ${url} \\`,
      `--header "Authorization: Bearer ${String(key)}"`,
    ]);
    const { tunnels } = (await jsonOf("list")) as { tunnels: { path: string }[] };
    expect(existsSync(join(tunnels[0]?.path ?? "", "slot.json"))).toBe(true);
  });

  it("names no key that was drawn before, when the gate has keys of its own", async () => {
    const first = closing(runClient(["--json", ...args], env));
    await first.waitForJson({ event: "connected" });
    const { key } = await jsonOf("show");
    await first.close();

    const file = join(closing(createFolder()).path, "keys");
    writeFileSync(file, `${"k".repeat(16)}\n`);
    const second = closing(runClient(["--json", "--visitor-key-file", file, ...args], env));
    const { visitorAuth } = await second.waitForJson({ event: "connected" });
    expect(Object.keys((visitorAuth as { secretFiles: object }).secretFiles)).toEqual(["passcode"]);
    await expect.poll(() => jsonOf("show", "app"), { timeout: 10_000 }).toMatchObject({ unused: ["key"] });
    const shown = await auth("show", "app");
    expect(shown.output).not.toContain(key);
    expect(shown.stdout).toContain('--header "Authorization: Bearer KEY"');
    expect(shown.stdout.at(-1)).toMatch(/^The key in .* is not in use by the client that ran last\.$/);
    expect((await auth("rotate", "app")).stdout[0]).toBe("New: passcode; the running client has taken it.");
    const unused = await auth("rotate", "app", "--key");
    expect(unused.stdout.slice(0, 2)).toEqual([
      "New: key.",
      expect.stringMatching(/^The key in .* is not in use by the client that ran last\.$/),
    ]);
    await second.close();

    // A gate of keys alone keeps nothing, and would open no slot if there were none.
    const only = ["--json", "--visitor-auth", "bearer", "--visitor-key-file", file, ...args];
    const third = closing(runClient(only, env));
    await third.waitForJson({ event: "connected" });
    await expect
      .poll(() => jsonOf("show", "app"), { timeout: 10_000 })
      .toMatchObject({ unused: ["key", "passcode"] });
  });

  it("names only what was not drawn", async () => {
    const client = closing(runClient(["--json", "--visitor-auth", "bearer", ...args], env));
    await client.waitForJson({ event: "connected" });
    const command = await auth("rotate", "app", "--key", "--passcode");
    expect(await command.exited).toEqual({ code: 2, signal: null });
    expect(command.stderr).toEqual([
      "error: no passcode was drawn for the tunnel app: what you gave it by options is not kept",
    ]);
    expect((await auth("show", "x")).stderr).toEqual([
      "error: nothing is known of a tunnel 'x'; there is app",
    ]);
  });

  it("says what is not there: status 2", async () => {
    expect((await auth("list")).stdout).toEqual(["Nothing is granted."]);
    for (const [words, message] of [
      [["show"], "error: nothing was drawn or granted for any tunnel of this user"],
      [["show", "app"], "error: nothing is known of a tunnel 'app'"],
      [["list", "app"], "error: nothing is known of a tunnel 'app'"],
      [["list", "--relay", "x"], "error: --relay chooses among tunnels of one name: give the name"],
    ] as const) {
      const command = await auth(...words);
      expect(await command.exited).toEqual({ code: 2, signal: null });
      expect(command.stderr).toEqual([message]);
    }
  });

  it("says which tunnels there are, and wants to know which grants", async () => {
    const first = closing(runClient(["--json", ...args], env));
    await first.waitForJson({ event: "connected" });
    const other = args.map((word) => (word === "app" ? "other" : word));
    const second = closing(runClient(["--json", ...other], env));
    await second.waitForJson({ event: "connected" });
    for (const [words, message] of [
      [["show"], /there are several tunnels: (app|other) at .*; give its name/],
      [["show", "x"], /nothing is known of a tunnel 'x'; there are (app, other|other, app)$/],
      [["revoke", "app"], /give the ids of grants, .*, or --all/],
      [["revoke", "app", "x"], /the tunnel app has no grant 'x'/],
    ] as const) {
      const command = await auth(...words);
      expect(await command.exited).toEqual({ code: 2, signal: null });
      expect(command.stderr).toEqual([expect.stringMatching(message)]);
    }
  });

  it("has help", async () => {
    const help = await auth("--help");
    expect(await help.exited).toEqual({ code: 0, signal: null });
    for (const word of ["show", "list", "revoke", "rotate"]) expect(help.output).toContain(`  ${word} `);
    const wrong = await auth("rotte");
    expect(await wrong.exited).toEqual({ code: 2, signal: null });
    expect(wrong.stderr).toEqual([
      expect.stringMatching(/Did you mean rotate.*see mcp-tunnel-client auth --help/),
    ]);
  });
});

it("over plain http beyond this machine OAuth is not offered, and bearer is named", async () => {
  const plain = closing(
    await startRelayCommand(["--domain", "tunnel.test", "--public-url", "http://{subdomain}.{domain}"]),
  );
  const to = ["--relay", `http://127.0.0.1:${plain.port}`];
  const client = closing(runClient([...to, ...args.slice(args.indexOf("--token"))], env));
  expect(await client.exited).toEqual({ code: 2, signal: null });
  expect(client.stderr.at(-1)).toMatch(/^error: .*plain http.*bearer/);
});

it("over plain http beyond this machine the person is told once that keys can be read", async () => {
  const plain = closing(
    await startRelayCommand(["--domain", "tunnel.test", "--public-url", "http://{subdomain}.{domain}"]),
  );
  const to = ["--json", "--relay", `http://127.0.0.1:${plain.port}`, "--visitor-auth", "bearer"];
  const client = closing(runClient([...to, ...args.slice(args.indexOf("--token"))], env));
  const { text } = await client.waitForJson({ event: "auth", type: "notice" });
  expect(text).toContain("keys and passwords over plain http");
});

it("a token with several names is told of the option that chooses one", async () => {
  const strict = closing(await startRelayCommand(["--static-token", "t:app,other"]));
  const to = ["--relay", `http://127.0.0.1:${strict.port}`, "--token", "t"];
  const client = closing(runClient([...to, ...args.slice(args.indexOf("--stdio"))], env));
  expect(await client.exited).toEqual({ code: 2, signal: null });
  expect(client.stderr.at(-1)).toBe(
    "error: the relay allows this token names like 'app', 'other': ask for one of them by --subdomain",
  );
});
