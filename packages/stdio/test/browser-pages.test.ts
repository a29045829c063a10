import { expect, it } from "vitest";
import { atOnlyPath, createMcpServers, createStdioServer } from "../src/index.js";

const asBrowser = { headers: { accept: "text/html,*/*;q=0.8" } };
const options = { command: process.execPath, args: ["-e", "process.exit(1)"] };

it("tells a browser at the endpoint what it is, with its address, and starts no process", async () => {
  const events: unknown[] = [];
  const server = createStdioServer({ ...options, onEvent: (event) => events.push(event) });
  const page = await server.fetch(new Request("https://a.example.com/mcp?secret=1", asBrowser));
  expect([page.status, page.headers.get("content-type")]).toEqual([406, "text/html; charset=utf-8"]);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  const text = await page.text();
  expect(text).toContain("<pre>https://a.example.com/mcp</pre>");
  expect(text).not.toContain("secret");
  expect(server.sessions).toBe(0);
  await server.close();
  expect(events).toEqual([]);
});

it("leaves to programs what they get", async () => {
  const server = createStdioServer(options);
  for (const accept of ["*/*", "text/event-stream", "text/html, text/event-stream"]) {
    const answer = await server.fetch(new Request("https://a.example.com/mcp", { headers: { accept } }));
    expect([answer.status, answer.headers.get("content-type")]).toEqual([400, "application/json"]);
  }
  await server.close();
});

it("leads a browser from another path to the server, and names none of several", async () => {
  const only = atOnlyPath(() => Promise.reject(new Error("not this path")));
  const one = await only(new Request("https://a.example.com/<b>", asBrowser));
  expect(one.status).toBe(404);
  expect(await one.text()).toContain('<a href="/mcp">https://a.example.com/mcp</a>');
  const servers = createMcpServers([
    { kind: "command", name: "secret", ...options, env: {}, cwd: process.cwd() },
  ]);
  const several = await servers.fetch(new Request("https://a.example.com/", asBrowser));
  expect(several.status).toBe(404);
  const text = await several.text();
  expect(text).toContain("<code>/&lt;name&gt;/mcp</code>");
  expect(text).not.toContain("secret");
  await servers.close();
});
