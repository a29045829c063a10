import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, runClient, startClientCommand, startRelayCommand } from "../support/commands.js";
import { OriginalClientRefused, startOriginalClient } from "../support/original-client.js";
import { missingProgram } from "../support/requires.js";
import { runAtTerminal } from "../support/terminal.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// The names that clients get, as the two commands show it from outside.

const closing = closingAfterEach();

/** The last words of a client that is turned away, and its exit status. */
async function turnedAway(relayPort: number, args: readonly string[]) {
  const client = closing(runClient(["3000", "--relay", `http://127.0.0.1:${relayPort}`, "--json", ...args]));
  const { code: status } = await client.exited;
  return { status, said: client.json.at(-1) };
}

describe("an open relay", () => {
  let relay: RelayCommand;
  beforeAll(async () => {
    relay = await startRelayCommand();
  });
  afterAll(() => relay.close());

  it("gives any token the name it asks for, in lower case", async () => {
    const client = closing(await startClientCommand(3000, relay.port, ["--subdomain", "My-App"]));
    expect(client.subdomain).toBe("my-app");
    expect(client.url).toBe(`http://my-app.localhost:${relay.port}`);
  });

  it("derives the name from the token when none is asked for", async () => {
    const client = closing(await startClientCommand(3000, relay.port, ["--token", "my token"]));
    expect(client.subdomain).toBe(createHash("sha256").update("my token").digest("hex").slice(0, 12));
  });

  it.each([
    ["-app", "inner hyphens"],
    ["app-", "inner hyphens"],
    ["a_b", "inner hyphens"],
    ["www", "reserved"],
  ])("refuses the name %s", async (name, why) => {
    const { status, said } = await turnedAway(relay.port, [`--subdomain=${name}`]);
    expect(status).toBe(3);
    expect(said?.["message"]).toContain(why);
  });
});

describe("a relay with static tokens", () => {
  /** The token's pattern, the name that the client asks for, and whether the relay grants it. */
  const rows = [
    ["myapp", "myapp", true],
    ["myapp-*", "myapp-dev", true],
    ["myapp-*", "myapp-a-b", true],
    ["myapp-*", "myapp", false],
    ["myapp-*", "xmyapp-dev", false],
    ["*-preview", "web-preview", true],
    ["*-preview", "preview", false],
    ["*-preview", "web-preview2", false],
    ["pr-*-corp", "pr-12-corp", true],
    ["pr-*-corp", "pr--corp", true],
    ["pr-*-corp", "pr-corp", false],
    ["*", "anything", true],
  ] as const;
  const patterns = [...new Set(rows.map(([pattern]) => pattern))];
  let relay: RelayCommand;
  beforeAll(async () => {
    const tokens = patterns.flatMap((pattern) => ["--static-token", `of ${pattern}:${pattern},spare-*`]);
    relay = await startRelayCommand([
      ...tokens,
      ...["--static-token", "s3cret-of-one:one", "--static-token", "s3cret-of-many:ann,ann-*"],
    ]);
  });
  afterAll(() => relay.close());

  it.each(rows)("takes %s for %s: %s", async (pattern, name, granted) => {
    let offered: string[] | undefined;
    const client = startOriginalClient({
      version: "0.2",
      relayPort: relay.port,
      token: `of ${pattern}`,
      subdomain: name,
      pick: (names) => {
        offered = names;
        return name;
      },
    });
    if (granted) {
      expect(closing(await client).subdomain).toBe(name);
      expect(offered).toBeUndefined();
    } else {
      await expect(client).rejects.toEqual(
        new OriginalClientRefused(4001, `subdomain '${name}' not authorized for this token`),
      );
      expect(offered).toEqual([pattern, "spare-*"]);
    }
  });

  it("refuses an unknown token: status 3, and the token in nobody's words", async () => {
    const refused = await turnedAway(relay.port, ["--token", "s3cret-of-nobody"]);
    expect(refused.status).toBe(3);
    expect(refused.said).toMatchObject({ event: "error", code: "refused" });
    expect(refused.said?.["message"]).toContain("invalid token");
    await relay.waitForJson({ msg: "registration refused" });
    expect(relay.output).not.toContain("s3cret");
  });

  it("gives a token with one name that name, whatever was asked for", async () => {
    const args = ["--token", "s3cret-of-one", "--subdomain", "other"];
    expect(closing(await startClientCommand(3000, relay.port, args)).subdomain).toBe("one");
  });

  it("offers several names; where nobody can be asked they are listed, with status 2", async () => {
    const client = closing(
      runClient([
        String(relay.port),
        "--relay",
        `http://127.0.0.1:${relay.port}`,
        "--token",
        "s3cret-of-many",
      ]),
    );
    expect(await client.exited).toEqual({ code: 2, signal: null });
    expect(client.stderr).toEqual([expect.stringMatching(/^error: .*'ann', 'ann-\*'.*subdomain/)]);
  });

  /** A client that is offered several names, with a state folder of its own: what is picked is kept there. */
  const offered = () => {
    const args = ["3000", "--relay", `http://127.0.0.1:${relay.port}`, "--token", "s3cret-of-many"];
    const { path } = closing(createFolder());
    return closing(runAtTerminal("client", args, 100, { MCP_TUNNEL_STATE_DIR: path }));
  };

  it.skipIf(missingProgram("script"))("lets a person at a terminal pick from the offer", async () => {
    const client = offered();
    await client.see("Which name should the tunnel have?");
    client.type("\u001b[B\r"); // down, to the second
    await client.see("Name for the tunnel, like ann-*");
    client.type("ann-demo\r");
    await client.see(`http://ann-demo.localhost:${relay.port}`);
    client.type("\u0003"); // Ctrl-C
    await client.exited;
  });

  it.skipIf(missingProgram("script")).each([
    ["Ctrl-C", "\u0003"],
    ["Ctrl-D", "\u0004"],
    ["Esc", "\u001b"],
  ])("lets a person at a terminal leave the question with %s: status 2", async (_name, key) => {
    const client = offered();
    await client.see("Which name should the tunnel have?");
    client.type(key);
    await client.see("error: no name was picked: cancelled");
    expect(await client.exited).toEqual([2, null]);
  });

  it.skipIf(missingProgram("script") || process.platform !== "linux")(
    "takes the question back when it is told to end",
    async () => {
      const client = offered();
      await client.see("Which name should the tunnel have?");
      client.kill("SIGTERM");
      expect(await client.exited).toEqual([0, null]);
    },
  );
});

describe("a relay with an auth provider", () => {
  interface Question {
    url: string | undefined;
    secret: unknown;
    body: unknown;
  }

  async function startProvider(answer: (res: ServerResponse) => void) {
    const questions: Question[] = [];
    const server = createServer((req: IncomingMessage, res) => {
      const chunks: Buffer[] = [];
      req.on("data", (chunk: Buffer) => chunks.push(chunk));
      req.on("end", () => {
        const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
        questions.push({ url: `${req.method} ${req.url}`, secret: req.headers["x-relay-secret"], body });
        answer(res);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing({
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/accounts/`;
    const relay = closing(await startRelayCommand(["--auth-url", url, "--auth-secret", "s3cret-of-relay"]));
    return { questions, relay };
  }

  const json = (status: number, body: unknown) => (res: ServerResponse) => {
    res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };

  it("asks it, and gives what it allows", async () => {
    const { questions, relay } = await startProvider(json(200, { subdomains: ["app-*", "x"] }));
    const token = ["--token", "s3cret-of-client"];
    const client = closing(await startClientCommand(3000, relay.port, [...token, "--subdomain", "app-1"]));
    expect(client.subdomain).toBe("app-1");
    expect(await turnedAway(relay.port, token)).toMatchObject({ status: 2 });
    expect(questions).toEqual([
      {
        url: "POST /accounts/api/verify",
        secret: "s3cret-of-relay",
        body: { token: "s3cret-of-client", subdomain: "app-1" },
      },
      {
        url: "POST /accounts/api/verify",
        secret: "s3cret-of-relay",
        body: { token: "s3cret-of-client", subdomain: "" },
      },
    ]);
    expect(relay.output).not.toContain("s3cret");
  });

  it.each<[string, (res: ServerResponse) => void, string]>([
    ["403 with a reason", json(403, { error: "your plan has ended" }), "your plan has ended"],
    ["401 without one", (res) => res.writeHead(401).end(), "invalid token"],
    ["500", json(500, { subdomains: ["*"] }), "auth provider unavailable"],
    ["a body that is none", (res) => res.end("<html>"), "auth provider unavailable"],
    ["names that are none", json(200, { subdomains: "*" }), "auth provider unavailable"],
    ["nothing", (res) => res.destroy(), "auth provider unavailable"],
  ])("refuses on %s", async (_, answer, reason) => {
    const { relay } = await startProvider(answer);
    const { status, said } = await turnedAway(relay.port, ["--subdomain", "app", "--token", "s3cret"]);
    expect(status).toBe(3);
    expect(said?.["message"]).toContain(reason);
  });
});

describe("an eviction", () => {
  it("goes to the newest client, ten times in a row, and the newest keeps serving", {
    timeout: 120_000,
  }, async () => {
    const upstream = closing(await startUpstream());
    const relay = closing(await startRelayCommand());
    const visitor = closing(createVisitor(relay.port));
    const start = async () =>
      closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    let holder = await start();
    for (let i = 0; i < 10; i++) {
      const next = await start();
      expect(await holder.exited).toEqual({ code: 4, signal: null });
      expect(holder.json.at(-1)).toEqual({
        event: "evicted",
        message: "evicted: another client registered with the same tunnel",
      });
      expect(await visitor.text("app", "/status/200")).toEqual({ status: 200, text: "status 200\n" });
      await next.waitForJson({ event: "request", path: "/status/200", status: 200 });
      holder = next;
    }
  });
});
