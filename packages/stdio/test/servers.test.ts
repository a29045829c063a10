import fc from "fast-check";
import { expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { CommandEntry } from "../src/config/entry.js";
import type { StdioEvent } from "../src/events.js";
import { mcpPath, nameAt } from "../src/paths.js";
import { createMcpServers } from "../src/servers.js";

const closing = closingAfterEach();

/** Answers each request with its `NAME`. */
const script = `require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id } = JSON.parse(line);
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { name: process.env.NAME } }));
})`;

function entry(name: string, args: readonly string[] = ["-e", script]): CommandEntry {
  return { kind: "command", name, command: process.execPath, args, env: { NAME: name }, cwd: process.cwd() };
}

function initialize(path: string): Request {
  return new Request(`http://localhost${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }),
  });
}

it("a name leads to its server through any URL, whatever is in it", () => {
  const names = fc
    .string({ unit: "grapheme", minLength: 1 })
    .filter((name) => name !== "." && name !== ".." && !/\p{Surrogate}/u.test(name));
  fc.assert(
    fc.property(names, (name) => {
      const path = mcpPath(name);
      expect(nameAt(new URL(`http://localhost${path}`).pathname)).toBe(name);
      expect(path).toMatch(/^\/[\w.~%-]+\/mcp$/);
    }),
  );
});

it.each(["/", "/mcp", "/a", "/a/", "/a/mcp/", "/a/b/mcp", "//mcp", "/%zz/mcp"])(
  "no name is in %s",
  (path) => {
    expect(nameAt(path)).toBeUndefined();
  },
);

it("each server answers at its path, and one that fails fails alone", async () => {
  const events: [string, StdioEvent][] = [];
  const broken = entry("broken", ["-e", "process.exit(1)"]);
  const servers = closing(
    createMcpServers([entry("a/b c"), entry("two"), broken], {
      onEvent: (name, event) => events.push([name, event]),
    }),
  );
  expect(events).toEqual([]);
  for (const [path, name] of [
    ["/a%2Fb%20c/mcp", "a/b c"],
    ["/a%2fb%20c/mcp?x=1", "a/b c"],
    ["/two/mcp", "two"],
  ] as const) {
    const response = await servers.fetch(initialize(path));
    expect([response.status, await response.json()]).toMatchObject([200, { result: { name } }]);
  }
  expect((await servers.fetch(initialize("/broken/mcp"))).status).toBe(503);
  expect((await servers.fetch(initialize("/two/mcp"))).status).toBe(200);
  const failed = events.filter(([, { type }]) => type === "failed");
  expect(failed.map(([name]) => name)).toEqual(["broken"]);

  for (const path of ["/", "/mcp", "/other/mcp", "/two", "/.well-known/oauth-protected-resource/two/mcp"]) {
    const response = await servers.fetch(initialize(path));
    expect([response.status, await response.text()]).toEqual([
      404,
      "Not found: the MCP server is at /<name>/mcp\n",
    ]);
  }
});

it("mistakes in the limits are told at once", () => {
  expect(() => createMcpServers([entry("a")], { maxSessions: 0 })).toThrow(/maxSessions is 0/);
});
