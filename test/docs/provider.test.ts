import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, runClient, startClientCommand, startRelayCommand } from "../support/commands.js";
import { startOriginalClient } from "../support/original-client.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

const closing = closingAfterEach();
const provider = fileURLToPath(new URL("../../examples/auth-provider/provider.mjs", import.meta.url));
const users = fileURLToPath(new URL("../../examples/auth-provider/users.json", import.meta.url));

async function startProvider(env: NodeJS.ProcessEnv = {}) {
  const process_ = closing(
    new RunningCommand(process.execPath, [provider], {
      env: { PROVIDER_SECRET: "S3CRET", PORT: "0", ...env },
    }),
  );
  const url = await process_.waitFor("address", () => /http:\S+/.exec(process_.stdout[0] ?? "")?.[0]);
  return Object.assign(process_, { url });
}

const startRelay = async (url: string, secret = "S3CRET") =>
  closing(await startRelayCommand(["--auth-url", url, "--auth-secret", secret]));

/** The reason that the relay gives a client that it turns away. */
async function refusal(relayPort: number, token: string, subdomain: string): Promise<string> {
  const client = startOriginalClient({ version: "0.2", relayPort, token, subdomain });
  return client.then(
    (accepted) => {
      closing(accepted);
      return "it was accepted";
    },
    (error: unknown) => String(error),
  );
}

describe("the example of an auth provider", () => {
  it("lets people have their names, and tells the others why not", async () => {
    const { url, ...running } = await startProvider();
    const relay = await startRelay(url);
    const upstream = closing(await startUpstream());
    closing(
      await startClientCommand(upstream.port, relay.port, [
        "--token",
        "ann-s-token",
        "--subdomain",
        "ann-app",
      ]),
    );
    const visitor = closing(createVisitor(relay.port));
    expect((await visitor.text("ann-app", "/status/200")).status).toBe(200);
    expect(running.stdout.join("\n")).toContain("ann asks for 'ann-app'");

    expect(await refusal(relay.port, "bob-s-token", "bob")).toContain("the account of bob is disabled");
    expect(await refusal(relay.port, "guess", "ann")).toContain("invalid token");
    const relayUrl = `http://127.0.0.1:${relay.port}`;
    const greedy = closing(
      runClient(["9", "--relay", relayUrl, "--token", "ann-s-token", "--subdomain", "bob", "--json"]),
    );
    expect((await greedy.exited).code).not.toBe(0);
    expect(greedy.output).toContain("'ann-*'");
  });

  it("takes a token back for the next time", async () => {
    const folder = closing(createFolder());
    const file = folder.write("users.json", readFileSync(users, "utf8"));
    const { url } = await startProvider({ USERS: file });
    const relay = await startRelay(url);
    closing(await startClientCommand(9, relay.port, ["--token", "ann-s-token", "--subdomain", "ann"]));
    writeFileSync(file, "{}");
    expect(await refusal(relay.port, "ann-s-token", "ann")).toContain("invalid token");
  });

  it("answers no relay with another secret, and the operator learns it rather than the client", async () => {
    const { url } = await startProvider();
    const relay = await startRelay(url, "another");
    expect(await refusal(relay.port, "ann-s-token", "ann")).toContain("auth provider unavailable");
    await relay.waitForJson({ status: 400 });
  });

  it("survives what is no question", async () => {
    const { url } = await startProvider();
    const ask = async (body: string, path = "/api/verify", method = "POST"): Promise<number> => {
      const answer = await fetch(url + path, { method, body, headers: { "x-relay-secret": "S3CRET" } });
      return answer.status;
    };
    expect(await ask("{")).toBe(500);
    expect(await ask("null")).toBe(500);
    expect(await ask("{}")).toBe(401);
    expect(await ask(`{"token":"${"x".repeat(70_000)}"}`)).toBe(500);
    expect(await ask("{}", "/api/other")).toBe(404);
    expect(await ask("{}", "/api/verify", "PUT")).toBe(405);
    expect(await ask('{"token":"ann-s-token","subdomain":""}')).toBe(200);
  });
});
