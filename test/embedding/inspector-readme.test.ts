import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import type { Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { programsIn, withRelay } from "./programs.js";

/** Runs the examples of packages/inspector/README.md as they are written, but for the relay and the ports. */

const page = readFileSync(new URL("../../packages/inspector/README.md", import.meta.url), "utf8");
const examples = programsIn(page);
// The folder in which the packages that the examples import are found.
const cwd = fileURLToPath(new URL("..", import.meta.url));

describe("the examples of the inspector's page", () => {
  const closing = closingAfterEach();
  let relay: Awaited<ReturnType<typeof startRelayCommand>>;
  let upstream: Upstream;
  beforeAll(async () => {
    relay = await startRelayCommand();
    upstream = await startUpstream();
  });
  afterAll(async () => {
    await relay.close();
    await upstream.close();
  });

  /** Runs an example; returns what asks the inspector's API, and what visits the tunnel. */
  async function run(code: string, variables: NodeJS.ProcessEnv) {
    const written = withRelay(code, `http://127.0.0.1:${relay.port}`)
      .replaceAll("port: 3000", `port: ${upstream.port}`)
      .replaceAll("port: 4040", "port: 0");
    const args = ["--input-type=module", "--eval", written];
    const program = closing(new RunningCommand(process.execPath, args, { cwd, env: variables }));
    const found = await program.waitFor("the page", () => /^http:\S+#\S+/.exec(program.stdout[0] ?? "")?.[0]);
    const { origin, hash } = new URL(found);
    const headers = { authorization: `Bearer ${hash.slice(1)}` };
    const ask = async (path: string) => (await fetch(new URL(path, origin), { headers })).json();
    const state = (await ask("/api/state")) as { url: string };
    const [name = ""] = new URL(state.url).hostname.split(".");
    const visitor = closing(createVisitor(relay.port));
    return { ask, visit: (path: string, given = {}) => visitor.text(name, path, { headers: given }) };
  }

  it("show what passes", async () => {
    expect(examples).toHaveLength(2);
    const { ask, visit } = await run(examples[0] as string, { TUNNEL_TOKEN: "token-1" });
    expect((await visit("/status/404")).status).toBe(404);
    expect(await ask("/api/exchanges")).toMatchObject({ exchanges: [{ path: "/status/404", status: 404 }] });
  });

  it("show who came through a gate, and what it turned away", async () => {
    const key = "0123456789abcdef0123";
    const { ask, visit } = await run(examples[1] as string, { TUNNEL_TOKEN: "token-2", VISITOR_KEY: key });
    expect((await visit("/status/200")).status).toBe(401);
    expect((await visit("/status/200", { "x-api-key": key })).status).toBe(200);
    const { exchanges } = (await ask("/api/exchanges")) as { exchanges: object[] };
    expect(exchanges).toEqual([
      expect.objectContaining({ status: 200, user: "laptop" }),
      expect.not.objectContaining({ user: "laptop" }),
    ]);
  });
});
