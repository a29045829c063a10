import type { NewToken } from "mcp-tunnel-dashboard/model";
import { request } from "undici";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { startAdminRelay, type AdminRelay } from "../admin/support.js";
import { visitOnce } from "./support.js";

// A relay of several processes is one relay on its dashboard.

const opened = closingAfterEach();
const secret = "a secret of the operator";

async function ask(
  relay: AdminRelay,
  path: string,
  method: "GET" | "POST" | "DELETE" = "GET",
  body?: object,
) {
  const answer = await request(relay.admin + path, {
    method,
    headers: {
      authorization: `Bearer ${secret}`,
      origin: relay.admin,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.statusCode, json: (await answer.body.json()) as Record<string, unknown> };
}

describe.skipIf(process.platform === "win32")("a relay with two workers", { timeout: 90_000 }, () => {
  const start = async (...args: string[]): Promise<AdminRelay> =>
    opened(await startAdminRelay(["--workers", "2", "--admin-secret", secret, ...args]));

  it("shows what all workers together have counted", async () => {
    const upstream = opened(await startUpstream());
    const relay = await start();
    for (const name of ["one", "two"]) {
      opened(await startClientCommand(upstream.port, relay.port, ["--subdomain", name]));
    }
    // Connections go to the workers in turn.
    for (let i = 0; i < 6; i++) await visitOnce(relay.port, i % 2 === 0 ? "one" : "two", "/status/204");
    for (let i = 0; i < 2; i++) await visitOnce(relay.port, "none", "/");
    await relay.waitFor("the last line", () =>
      relay.json.filter(({ msg }) => msg === "request").length === 8 ? true : undefined,
    );
    const by = (worker: number): number =>
      relay.json.filter((line) => line["msg"] === "request" && line["worker"] === worker).length;
    expect([by(1), by(2)]).toEqual([4, 4]);

    const { json: overview } = await ask(relay, "/api/overview");
    expect(overview).toMatchObject({
      relay: { domain: "localhost", ready: true, workers: [{ ready: true }, { ready: true }] },
      totals: { requests: { "2xx": 6, "5xx": 2 }, outcomes: { completed: 6, refused: 2 }, openRequests: 0 },
      tunnels: { online: 2 },
      tokens: "none",
      certificates: [],
    });
    // What joins the workers is no cluster of the operator's.
    expect(overview).not.toHaveProperty("cluster");
    const { json: page } = await ask(relay, "/api/tunnels?sort=name&order=desc");
    expect(page).toMatchObject({ total: 2, tunnels: [{ name: "two" }, { name: "one" }] });
    const document = await request(`${relay.admin}/`);
    expect([document.statusCode, document.headers["content-type"]]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    await document.body.dump();
  });

  it("follows what is done to tokens, at every worker", async () => {
    const upstream = opened(await startUpstream());
    const file = opened(createFolder()).write("tokens.yaml", "tokens: []\n");
    const relay = await start("--token-file", file);
    const { status, json } = await ask(relay, "/api/tokens", "POST", { subdomains: ["*"] });
    expect(status).toBe(201);
    const { id, token } = json as unknown as NewToken;
    const clients = [];
    for (let i = 0; i < 4; i++) {
      const args = ["--subdomain", `name${i}`, "--token", token];
      clients.push(opened(await startClientCommand(upstream.port, relay.port, args)));
    }
    const before = await ask(relay, "/api/tokens");
    expect(before.json).toMatchObject({ tokens: [{ id, subdomains: ["*"], tunnels: 4 }] });
    expect((await ask(relay, `/api/tokens/${id}`, "DELETE")).status).toBe(200);
    for (const client of clients) {
      expect((await client.exited).code).not.toBe(0);
      expect(client.output).toContain("token revoked");
    }
    expect((await ask(relay, "/api/tokens")).json).toEqual({ tokens: [] });
  });
});
