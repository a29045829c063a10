import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { NewToken, TokenRow } from "mcp-tunnel-dashboard/model";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TokenFileAuthenticator } from "../../packages/relay/src/auth/token-file.js";
import { createToken } from "../../packages/relay/src/auth/token-file-edit.js";
import { silentLogger } from "../../packages/relay/src/telemetry/log.js";
import { FakeCluster } from "../../packages/relay/test/fake-cluster.js";
import { V1Client } from "../../packages/relay/test/support.js";
import { createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startAdmin, type TestAdmin } from "./in-process.js";

// Tokens are drawn, changed and taken back over the API, in the file that the relay follows.

const closing = closingAfterEach();

let folder: Folder;
let file: string;
let admin: TestAdmin;
beforeEach(async () => {
  folder = createFolder();
  file = folder.write("tokens.yaml", "# Ours.\ntokens: []\n");
  admin = await start(file);
});
afterEach(async () => {
  await admin.close();
  folder.close();
});

async function start(path: string, options: Parameters<typeof startAdmin>[0] = {}): Promise<TestAdmin> {
  const authenticator = await TokenFileAuthenticator.open(path, silentLogger);
  return await startAdmin({ authenticator, ...options }, { tokenFile: path });
}

async function create(fields: object, by = admin): Promise<NewToken> {
  const answer = await by.ask("/api/tokens", { method: "POST", body: fields });
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining('"token":"mtt_')]);
  return answer.json() as unknown as NewToken;
}

async function list(by = admin): Promise<TokenRow[]> {
  const answer = await by.ask("/api/tokens");
  expect(answer.status).toBe(200);
  return answer.json()["tokens"] as TokenRow[];
}

const connect = async (token: string, name: string): Promise<V1Client> =>
  closing(await V1Client.connect(admin.port, name, { token }));

describe("a token", () => {
  it("is drawn, listed with its tunnels, and shown once", async () => {
    const fields = {
      subdomains: ["ann", "ann-*"],
      note: "Ann's laptop",
      expires: "2199-01-31",
      maxTunnels: 3,
      maxRequestsPerSecond: 50,
      maxBytesPerSecond: 1_048_576,
    };
    const { id, token } = await create(fields);
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    // The relay has read the file when the answer comes: nobody is turned away for being quick.
    await connect(token, "ann");
    await connect(token, "ann-2");
    expect(await list()).toEqual([{ ...fields, id, expires: "2199-02-01T00:00:00.000Z", tunnels: 2 }]);
    const found = (await admin.ask("/api/tunnels?q=LAPTOP&limit=1")).json();
    expect(found).toMatchObject({ total: 2, tunnels: [{ name: "ann", token: id, note: "Ann's laptop" }] });
    const text = readFileSync(file, "utf8");
    expect(text).toContain("# Ours.");
    expect(text).not.toContain(token);
    expect((await admin.ask("/api/tokens")).text).not.toContain(token);
  });

  it("has as few fields as it was given", async () => {
    const { id } = await create({ subdomains: ["app"] });
    expect(await list()).toEqual([{ id, subdomains: ["app"], tunnels: 0 }]);
  });

  it("is changed, field by field", async () => {
    const { id, token } = await create({ subdomains: ["one", "two"], note: "before", maxTunnels: 1 });
    const one = await connect(token, "one");
    const path = `/api/tokens/${id}`;
    const edited = await admin.ask(path, {
      method: "PATCH",
      body: { note: null, maxTunnels: 5, subdomains: ["two", "three"] },
    });
    expect([edited.status, edited.json()]).toEqual([
      200,
      { id, subdomains: ["two", "three"], maxTunnels: 5 },
    ]);
    // The name that the token has lost ends with the answer.
    expect((await one.closed).code).toBe(4001);
    await connect(token, "three");
    const again = await admin.ask(path, { method: "PATCH", body: { expires: "2199-01-01T00:00:00Z" } });
    expect(again.json()).toMatchObject({ expires: "2199-01-01T00:00:00.000Z", maxTunnels: 5 });
    const same = await admin.ask(path, { method: "PATCH", body: {} });
    expect([same.status, same.json()]).toEqual([200, again.json()]);
  });

  it("gets a new secret, and the old one is good no more", async () => {
    const { id, token } = await create({ subdomains: ["app"], note: "kept" });
    const client = await connect(token, "app");
    const rotated = await admin.ask(`/api/tokens/${id}/rotate`, { method: "POST" });
    expect(rotated.status).toBe(200);
    const fresh = rotated.json() as unknown as NewToken;
    expect(fresh.token).not.toBe(token);
    expect((await client.closed).code).toBe(4001);
    await expect(connect(token, "app")).rejects.toMatchObject({ code: 4001 });
    await connect(fresh.token, "app");
    expect(await list()).toEqual([{ id: fresh.id, subdomains: ["app"], note: "kept", tunnels: 1 }]);
  });

  it("is taken back, and its tunnels end", async () => {
    const { id, token } = await create({ subdomains: ["app"] });
    const client = await connect(token, "app");
    const revoked = await admin.ask(`/api/tokens/${id}`, { method: "DELETE" });
    expect([revoked.status, revoked.json()]).toEqual([200, { revoked: id }]);
    expect(await client.closed).toMatchObject({ code: 4001 });
    await expect(connect(token, "app")).rejects.toMatchObject({ code: 4001 });
    expect(await list()).toEqual([]);
  });

  it("that there is not (any more) is not found", async () => {
    const { id } = await create({ subdomains: ["app"] });
    await admin.ask(`/api/tokens/${id}`, { method: "DELETE" });
    for (const [method, path] of [
      ["DELETE", `/api/tokens/${id}`],
      ["PATCH", `/api/tokens/${id}`],
      ["POST", `/api/tokens/${id}/rotate`],
    ] as const) {
      const answer = await admin.ask(path, { method, body: {} });
      expect([answer.status, answer.json()["code"]]).toEqual([404, "not_found"]);
    }
  });

  it("is named by its whole id, so that no other is meant", async () => {
    const { id } = await create({ subdomains: ["app"] });
    for (const part of [id.slice(0, 11), `${id}0`, id.toUpperCase().replace(/[0-9]/g, "A"), "", "%2e"]) {
      expect((await admin.ask(`/api/tokens/${part}`, { method: "DELETE" })).status).toBe(404);
    }
    expect(await list()).toHaveLength(1);
  });
});

describe("a body", () => {
  it.each<[string, object, string | undefined]>([
    ["no names", {}, "subdomains"],
    ["an empty list of names", { subdomains: [] }, "subdomains"],
    ["names that are none", { subdomains: ["a_b"] }, "subdomains"],
    ["names that are no list", { subdomains: "app" }, "subdomains"],
    ["a note that is no text", { subdomains: ["app"], note: 5 }, "note"],
    ["a note that is too long", { subdomains: ["app"], note: "x".repeat(257) }, "note"],
    ["a day that there is not", { subdomains: ["app"], expires: "2199-02-30" }, "expires"],
    ["a time that has passed", { subdomains: ["app"], expires: "2020-01-01" }, "expires"],
    ["no tunnels", { subdomains: ["app"], maxTunnels: 0 }, "maxTunnels"],
    ["half a request", { subdomains: ["app"], maxRequestsPerSecond: 0.5 }, "maxRequestsPerSecond"],
    ["bytes as a text", { subdomains: ["app"], maxBytesPerSecond: "1MiB" }, "maxBytesPerSecond"],
    [
      "more bytes than the file can have",
      { subdomains: ["app"], maxBytesPerSecond: 2 ** 53 - 1 },
      "maxBytesPerSecond",
    ],
    ["null in a new token", { subdomains: ["app"], note: null }, "note"],
    ["a field that there is not", { subdomains: ["app"], admin: true }, "admin"],
    ["a list", [], undefined],
  ])("with %s is refused, and says which field is wrong", async (_what, body, field) => {
    const answer = await admin.ask("/api/tokens", { method: "POST", body });
    expect([answer.status, answer.json()]).toEqual([
      422,
      { code: "invalid_option", error: expect.any(String), ...(field === undefined ? {} : { field }) },
    ]);
    expect(await list()).toEqual([]);
  });

  it("that would change a token to something wrong changes nothing", async () => {
    const { id } = await create({ subdomains: ["app"], note: "kept" });
    for (const [body, field] of [
      [{ subdomains: null }, "subdomains"],
      [{ subdomains: [] }, "subdomains"],
      [{ note: "new", maxTunnels: -1 }, "maxTunnels"],
      [{ sha256: "0".repeat(64) }, "sha256"],
    ] as const) {
      const answer = await admin.ask(`/api/tokens/${id}`, { method: "PATCH", body });
      expect([answer.status, answer.json()["field"]]).toEqual([422, field]);
    }
    expect(await list()).toEqual([{ id, subdomains: ["app"], note: "kept", tunnels: 0 }]);
  });

  it("has to be JSON, and says so", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", undefined]) {
      const headers = { "content-type": type };
      const answer = await admin.ask("/api/tokens", {
        method: "POST",
        headers,
        body: '{"subdomains":["a"]}',
      });
      expect([answer.status, answer.json()["code"]]).toEqual([415, "bad_request"]);
    }
    expect((await admin.ask("/api/tokens", { method: "POST", body: "{" })).status).toBe(400);
    expect(await list()).toEqual([]);
  });

  it("is bounded, announced or not", async () => {
    const announced = await admin.ask("/api/tokens", { method: "POST", body: Buffer.alloc(65_537, 32) });
    expect([announced.status, announced.json()["code"]]).toEqual([413, "too_large"]);
    const headers = { "transfer-encoding": "chunked" };
    const chunked = await admin.ask("/api/tokens", {
      method: "POST",
      headers,
      body: Buffer.alloc(65_537, 32),
    });
    expect([chunked.status, chunked.json()["code"]]).toEqual([413, "too_large"]);
    expect((await admin.ask("/api/overview")).status).toBe(200);
  });
});

describe("the file", () => {
  it("loses no edit when several come at once, by the API and by the command", async () => {
    const drawn = await Promise.all([
      ...Array.from({ length: 8 }, (_, i) => create({ subdomains: [`api${i}`] })),
      ...Array.from({ length: 4 }, (_, i) => createToken(file, { subdomains: [`command${i}`] })),
    ]);
    const ids = (await list()).map(({ id }) => id);
    expect(ids.toSorted()).toEqual(drawn.map(({ id }) => id).toSorted());
    const answers = await Promise.all(
      drawn.map(({ id }) => admin.ask(`/api/tokens/${id}`, { method: "DELETE" })),
    );
    expect(answers.map(({ status }) => status)).toEqual(drawn.map(() => 200));
    expect(await list()).toEqual([]);
  });

  it("says of a token that another edit has taken meanwhile what it says of one that is gone", async () => {
    const { id } = await create({ subdomains: ["app"] });
    // Nobody gets to the file before all have found the token in it.
    writeFileSync(`${file}.lock`, "");
    const rotations = Array.from({ length: 3 }, () =>
      admin.ask(`/api/tokens/${id}/rotate`, { method: "POST" }),
    );
    await list();
    rmSync(`${file}.lock`);
    const answers = await Promise.all(rotations);
    const first = answers.find(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(2);
    expect(await list()).toEqual([{ id: first?.json()["id"], subdomains: ["app"], tunnels: 0 }]);
  });

  it("is read again when somebody else has changed it", async () => {
    expect(await list()).toEqual([]);
    const { id } = await createToken(file, { subdomains: ["app"], note: "by hand" });
    expect(await list()).toEqual([{ id, subdomains: ["app"], note: "by hand", tunnels: 0 }]);
  });

  it("with mistakes is told with their lines, and is not changed", async () => {
    const broken = "tokens:\n  - sha256: 5\n";
    writeFileSync(file, broken);
    for (const method of ["GET", "POST"]) {
      const body = method === "GET" ? undefined : { subdomains: ["app"] };
      const answer = await admin.ask("/api/tokens", { method, body });
      expect([answer.status, answer.json()]).toEqual([
        409,
        { code: "cannot_change", error: expect.stringContaining("tokens.yaml:2") },
      ]);
    }
    expect(readFileSync(file, "utf8")).toBe(broken);
  });

  it("that cannot be read is told", async () => {
    rmSync(file);
    const answer = await admin.ask("/api/tokens");
    expect([answer.status, answer.json()["code"]]).toEqual([503, "unavailable"]);
  });

  it("shows notes with their control characters escaped", async () => {
    await create({ subdomains: ["app"], note: "evil\u001b[2J\u202e" });
    const { text } = await admin.ask("/api/tokens");
    expect(text).toContain("\\u001b[2J\\u202e");
    expect(await list()).toMatchObject([{ note: "evil\u001b[2J\u202e" }]);
  });

  it("is needed", async () => {
    const open = closing(await startAdmin());
    for (const [method, path] of [
      ["GET", "/api/tokens"],
      ["POST", "/api/tokens"],
      ["PATCH", "/api/tokens/0123456789ab"],
      ["DELETE", "/api/tokens/0123456789ab"],
      ["POST", "/api/tokens/0123456789ab/rotate"],
    ] as const) {
      const answer = await open.ask(path, { method });
      expect([answer.status, answer.json()["code"]]).toEqual([409, "no_token_file"]);
    }
  });
});

it("in a cluster the tunnels of a token count wherever they are, and end there when it is taken back", async () => {
  const cluster = new FakeCluster();
  const a = closing(await start(file, { member: cluster.member("a") }));
  const b = closing(await start(file, { member: cluster.member("b") }));
  const { id, token } = await create({ subdomains: ["*"] }, a);
  await b.relay.reload();
  closing(await V1Client.connect(a.port, "at-a", { token }));
  const atB = closing(await V1Client.connect(b.port, "at-b", { token }));
  expect(await list(b)).toMatchObject([{ id, tunnels: 2 }]);
  await a.ask(`/api/tokens/${id}`, { method: "DELETE" });
  expect((await atB.closed).code).toBe(4001);
});
