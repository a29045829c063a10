import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { settingsIn } from "../support/systems.js";
import { startConfigured } from "./bridge.js";
import { connect, type Way } from "./clients.js";
import { everything, missingNpmServers } from "./servers.js";

const closing = closingAfterEach();

/**
 * A server's variables, with the hashes of their values: nobody's secrets belong into a test's output.
 */
async function environment(way: Way): Promise<Record<string, string>> {
  const session = closing(await connect("v1", way));
  const { content } = (await session.tool("get-env")) as { content: readonly { text: string }[] };
  const variables = JSON.parse(content[0]?.text ?? "") as Record<string, string>;
  // The tests start the command with settings of their own, and not with those of this machine.
  for (const name of Object.keys(settingsIn(""))) delete variables[name];
  const hash = (value: string): string => createHash("sha256").update(value).digest("hex");
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, hash(value)]));
}

const cwd = process.cwd();

describe.skipIf(missingNpmServers())("the environment of a server behind the bridge", () => {
  it.each([
    // The bridge starts servers from a shell, and a shell sets PWD.
    { what: "is that of the person, with its own", own: { ONE: "1", PWD: cwd, PATH: "/of/the/server" } },
    { what: "has names that no shell allows", own: { "a-dash": "1", "a.dot": "2", PWD: cwd } },
  ])("$what", { timeout: 60_000 }, async ({ own }) => {
    const server = { ...everything(), cwd, env: own };
    const bridge = closing(await startConfigured([server], { MCP_TUNNEL_TOKEN: "secret" }));
    const direct = await environment(server);
    expect(Object.keys(direct)).toEqual(expect.arrayContaining(["HOME", ...Object.keys(own)]));
    expect(await environment({ url: bridge.urlOf("everything") })).toEqual(direct);
  });
});
