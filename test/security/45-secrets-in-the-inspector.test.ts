import { once } from "node:events";
import { createServer } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallDetail, McpSession, SessionDetail } from "mcp-tunnel-inspector/model";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Inspected, startInspected } from "./support/inspected.js";

/**
 * The attack: a developer shows the inspector in a meeting, sends a colleague the HAR or the curl command, or
 * leaves a recording in the repository. Whoever sees it has the keys of everybody who has used the tunnel.
 *
 * The defence: whatever opens something is hidden in everything that the inspector says, until somebody asks
 * for one value by its mark. Exports have no marks either.
 */
const secrets: Record<string, string> = {};
/** A secret of its own for each place, so that a failure says where. */
function secret(place: string): string {
  return (secrets[place] ??=
    `S3cr3t-${place.replaceAll(/[^a-z]/gi, "")}-${Object.keys(secrets).length}-0123456789`);
}
const basic = (): string => Buffer.from(`ann:${secret("basic")}`).toString("base64");
const rpc = (message: object): string => JSON.stringify({ jsonrpc: "2.0", ...message });

const service = createServer((req, res) => {
  req.resume();
  req.on("end", () => {
    if (req.url?.startsWith("/events") === true) {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end(
        `data: ${rpc({ method: "notifications/message", params: { data: { password: secret("event") } } })}\n\n`,
      );
      return;
    }
    if (req.url?.startsWith("/mcp") === true) {
      res.writeHead(200, { "content-type": "application/json", "mcp-session-id": "a-session" });
      const structuredContent = { access_token: secret("result of a tool") };
      const serverInfo = { name: "server", version: "1" };
      const text = JSON.stringify({ api_key: secret("JSON in a text") });
      const content = [{ type: "text", text }];
      res.end(
        rpc({ id: 1, result: { protocolVersion: "2025-06-18", serverInfo, structuredContent, content } }),
      );
      return;
    }
    res.writeHead(302, {
      "content-type": "application/json",
      "set-cookie": [`sid=${secret("Set-Cookie")}; HttpOnly`, `other=${secret("second Set-Cookie")}`],
      location: `https://host.example/callback?code=${secret("code in Location")}&state=1`,
      "x-auth-token": secret("field of the answer"),
    });
    res.end(
      JSON.stringify({ access_token: secret("answer"), nested: [{ refresh_token: secret("nested") }] }),
    );
  });
});

let world: Inspected;
let folder: string;
beforeAll(async () => {
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  folder = await mkdtemp(join(tmpdir(), "inspector-secrets-"));
  world = await startInspected((service.address() as AddressInfo).port, { privatePaths: ["/private"] });
});
afterAll(async () => {
  await world?.close();
  service.close();
  service.closeAllConnections();
  await rm(folder, { recursive: true });
});

async function visit(path: string, headers: Record<string, string>, body?: string): Promise<void> {
  const answer = await world.tunnel.visit(path, {
    headers,
    ...(body !== undefined && { method: "POST", body }),
  });
  await answer.body.dump();
}

/** Sends secrets in every place in which hosts and people have them. */
async function sendSecrets(): Promise<void> {
  const json = { "content-type": "application/json" };
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const query = `token=${secret("token in a query")}&api_key=${secret("key in a query")}&code=${secret("code")}`;
  await visit(`/query?${query}`, {
    authorization: `Bearer ${secret("Authorization")}`,
    cookie: `sid=${secret("Cookie")}; other=${secret("second cookie")}`,
    "x-api-key": secret("X-Api-Key"),
    "proxy-authorization": `Bearer ${secret("Proxy-Authorization")}`,
    referer: `https://host.example/?access_token=${secret("Referer")}`,
  });
  await visit("/basic", { authorization: `Basic ${basic()}` });
  const fields = `grant_type=password&password=${secret("form")}&client_secret=${secret("second field")}`;
  await visit("/token", form, fields);
  await visit(
    "/private?passcode-of-mine=" + secret("private query"),
    form,
    `whatever=${secret("private form")}`,
  );
  await visit("/json", json, JSON.stringify({ user: "ann", password: secret("JSON") }));
  await visit("/events", {});
  const clientInfo = { name: "host", version: "1" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
  await visit("/mcp", json, rpc({ id: 1, method: "initialize", params }));
  const call = { name: "login", arguments: { apiKey: secret("argument of a tool"), count: 1 } };
  const headers = {
    ...json,
    "mcp-session-id": "a-session",
    authorization: `Bearer ${secret("Authorization")}`,
  };
  await visit("/mcp", headers, rpc({ id: 1, method: "tools/call", params: call }));
  world.inspector.server("files", { type: "started", process: 1, purpose: "session" });
  const line = `listening, with API_KEY=${secret("line of a server")}`;
  world.inspector.server("files", { type: "stderr", process: 1, line });
}

function expectHidden(where: string, text: string): void {
  for (const [place, value] of Object.entries({ ...secrets, "Basic credentials": basic() })) {
    expect(text.includes(value), `${where} shows the secret: ${place}`).toBe(false);
    expect(text.includes(encodeURIComponent(value)), `${where} shows the secret: ${place}`).toBe(false);
  }
}

it("no answer of the API, no export and no recording has a secret in it", async () => {
  const file = join(folder, "record.har");
  const recording = await world.inspector.record(file);
  const answer = await world.ask("/api/stream");
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  let streamed = "";
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      streamed += Buffer.from(part.value).toString();
    }
  })();
  await sendSecrets();
  await expect.poll(async () => (await world.list()).filter(({ state }) => state === "done").length).toBe(8);
  await expect.poll(() => streamed).toContain("tools/call");
  expect(Object.keys(secrets).length).toBeGreaterThan(20);

  const texts: Record<string, string> = {};
  const take = async (path: string): Promise<string> => {
    const answer = await world.ask(path);
    expect(answer.status, path).toBe(200);
    return (texts[path] = await answer.text());
  };
  for (const path of ["/api/state", "/api/exchanges", "/api/har", "/api/servers"]) await take(path);
  for (const { id } of await world.list()) {
    await take(`/api/exchanges/${id}`);
    await take(`/api/exchanges/${id}/curl`);
  }
  const { sessions } = JSON.parse(await take("/api/sessions")) as { sessions: McpSession[] };
  expect(sessions.length).toBeGreaterThan(0);
  for (const { key } of sessions) {
    const { calls } = JSON.parse(await take(`/api/sessions/${key}`)) as SessionDetail;
    for (const call of calls) await take(`/api/calls/${call.key}`);
  }
  await recording.close();
  texts["the recording"] = await readFile(file, "utf8");
  await reader.cancel();
  await reading;
  texts["the stream"] = streamed;
  for (const [where, text] of Object.entries(texts)) expectHidden(where, text);

  // Something was there to be hidden, and exports have no way back.
  expect(texts["/api/har"]).toContain("[hidden]");
  expect(texts["the recording"]).toContain("[hidden]");
  for (const [where, text] of Object.entries(texts)) {
    if (/curl|har|recording/.test(where)) expect(text, where).not.toMatch(/\[hidden:/);
  }
});

it("a value is told to who asks for it by its mark, and by no mark of another exchange", async () => {
  await sendSecrets();
  const detail = await world.detail("/query");
  const marks = [...JSON.stringify(detail).matchAll(/\[hidden:([0-9a-f]{8})\]/g)].map(([, mark]) => mark);
  const values = await Promise.all(
    [...new Set(marks)].map(async (mark) => {
      const { value } = (await world.json(`/api/exchanges/${detail.id}/hidden/${mark}`)) as { value: string };
      return value;
    }),
  );
  expect(values).toEqual(expect.arrayContaining([secret("X-Api-Key"), secret("token in a query")]));
  const other = await world.detail("/json");
  const mark = /"x-api-key","\[hidden:([0-9a-f]{8})\]"/i.exec(JSON.stringify(detail))?.[1];
  expect((await world.ask(`/api/exchanges/${other.id}/hidden/${mark}`)).status).toBe(404);

  const calls = detail.calls.length === 0 ? (await world.detail("/mcp")).calls : detail.calls;
  const call = (await world.json(`/api/calls/${calls[0]}`)) as CallDetail;
  const inCall = /\[hidden:([0-9a-f]{8})\]/.exec(call.params ?? "")?.[1];
  const told = await world.json(`/api/exchanges/${call.exchange}/hidden/${inCall}`);
  expect(told).toEqual({ value: secret("argument of a tool") });
});
