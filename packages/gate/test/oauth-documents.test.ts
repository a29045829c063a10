import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect as connectSocket } from "node:net";
import type { AddressInfo } from "node:net";
import { buildConnector } from "undici";
import { afterEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createAuthority } from "../../../test/support/certificates.js";
import { isGlobal } from "../src/oauth/client-documents.js";
import type { Network } from "../src/oauth/client-documents.js";
import {
  authorizeTarget,
  drawPkce,
  identifyAt,
  logIn,
  origin,
  redeem,
  refresh,
  register,
  startOAuth,
} from "./oauth-rig.js";
import type { OAuthRig, Reply } from "./oauth-rig.js";

const closing = closingAfterEach();

afterEach(() => {
  vi.useRealTimers();
});

const publicAddress = "93.184.216.34";
const clientId = "https://host.example/client.json";

/** The internet: names have addresses, and every address is one server on loopback. */
interface Internet {
  readonly network: Network;
  /** Where was connected to, and with which name in TLS. */
  readonly connections: (readonly [hostname: string, servername: string | undefined])[];
  readonly lookups: string[];
  readonly requests: string[];
  addresses: (hostname: string) => string[];
  answer: RequestListener;
}

async function startInternet(document: object | RequestListener): Promise<Internet> {
  const answer: RequestListener = (req, res) => {
    if (isListener(document)) document(req, res);
    else res.end(JSON.stringify(document));
  };
  const server = createServer((req, res) => {
    internet.requests.push(req.url ?? "");
    internet.answer(req, res);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const internet: Internet = {
    ...{ connections: [], lookups: [], requests: [], addresses: () => [publicAddress], answer },
    network: {
      async lookup(hostname) {
        internet.lookups.push(hostname);
        return internet.addresses(hostname);
      },
      connect({ hostname, servername }, callback) {
        internet.connections.push([hostname, servername]);
        const socket = connectSocket(port, "127.0.0.1");
        socket.once("connect", () => callback(null, socket));
        socket.once("error", (error) => callback(error, null));
      },
    },
  };
  closing({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return internet;
}

const isListener = (value: object): value is RequestListener => typeof value === "function";

const start = async ({ network }: Internet): Promise<OAuthRig> => closing(await startOAuth({ network }));

const documentOf = (change: object = {}): object => ({
  ...{ client_id: clientId, client_name: "Some host", redirect_uris: ["https://host.example/callback"] },
  ...{ grant_types: ["authorization_code"], token_endpoint_auth_method: "none" },
  ...change,
});

/** Begins a flow as the client with this id. The answer is a redirect to the page, or a page of error. */
function begin(rig: OAuthRig, id: string, init: { address?: string } = {}): Promise<Reply> {
  const redirect_uri = "https://host.example/callback";
  return rig.ask(
    authorizeTarget({ client_id: id, code_challenge: drawPkce().challenge, redirect_uri }),
    init,
  );
}

describe("documents like those of well-known hosts", () => {
  // The redirect URIs and the methods are the hosts'. The rest is made up in their manner.
  it.each([
    [
      "https://claude.ai/oauth/mcp-oauth-client-metadata",
      {
        client_name: "Claude",
        client_uri: "https://claude.ai",
        redirect_uris: [
          "https://claude.ai/api/mcp/auth_callback",
          "https://claude.com/api/mcp/auth_callback",
        ],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      },
      ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
    ],
    [
      "https://claude.ai/oauth/claude-code-client-metadata",
      {
        client_name: "Claude Code",
        client_uri: "https://claude.ai",
        redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      },
      ["http://localhost:54321/callback", "http://127.0.0.1:54321/callback"],
    ],
    [
      "https://chatgpt.com/oauth/abc/client.json",
      {
        client_name: "ChatGPT",
        redirect_uris: ["https://chatgpt.com/connector/oauth/abc"],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_methods_supported: ["private_key_jwt", "none"],
        token_endpoint_auth_signing_alg: "RS256",
        jwks_uri: "https://chatgpt.com/oauth/abc/jwks.json",
      },
      ["https://chatgpt.com/connector/oauth/abc"],
    ],
    [
      "https://www.cursor.com/.well-known/oauth-client",
      {
        client_name: "Cursor",
        redirect_uris: [
          "http://localhost:8787/callback",
          "cursor://anysphere.cursor-mcp/oauth/callback",
          "https://www.cursor.com/agents/mcp/oauth/callback",
        ],
        scope: "mcp tools read",
      },
      ["http://localhost:8787/callback", "cursor://anysphere.cursor-mcp/oauth/callback"],
    ],
    [
      "https://vscode.dev/oauth/client-metadata.json",
      {
        client_name: "Visual Studio Code",
        application_type: "native",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
        redirect_uris: ["https://vscode.dev/redirect", "http://127.0.0.1/", "http://localhost/"],
        token_endpoint_auth_method: "none",
      },
      ["https://vscode.dev/redirect", "http://127.0.0.1:33418/"],
    ],
  ])("%s is taken, and its host is proved", async (id, document, redirects) => {
    const internet = await startInternet({ client_id: id, ...document });
    const rig = await start(internet);
    for (const redirect_uri of redirects) {
      rig.decide = () => "wait";
      const target = authorizeTarget({ client_id: id, code_challenge: drawPkce().challenge, redirect_uri });
      expect(JSON.parse((await rig.browser().follow(target)).text)).toMatchObject({
        client: { id, name: document.client_name, documentHost: new URL(id).host, redirectUri: redirect_uri },
      });
      rig.decide = () => "grant";
      const tokens = await redeem(rig, await logIn(rig, { client_id: id, redirect_uri }));
      expect(identifyAt(rig, tokens.json.access_token)).toMatchObject({ client: id });
      expect((await refresh(rig, id, tokens.json.refresh_token)).status).toBe(200);
    }
    // Once, although each flow looks at it several times.
    expect(internet.requests).toHaveLength(1);
  });
});

describe("a document", () => {
  it("is fetched from the address that was checked, with the name in TLS", async () => {
    // An attacker's name server says a public address first, and this machine's when it is asked again.
    const internet = await startInternet(documentOf());
    internet.addresses = () => (internet.lookups.length === 1 ? [publicAddress] : ["127.0.0.1"]);
    const rig = await start(internet);
    expect((await begin(rig, clientId)).status).toBe(303);
    expect(internet.lookups).toEqual(["host.example"]);
    expect(internet.connections).toEqual([[publicAddress, "host.example"]]);
  });

  it.each([
    ["host.example", 303],
    ["other.example", 400],
  ])("is believed by the certificate of its host: one for %s leads to %i", async (name, status) => {
    const authority = await createAuthority();
    const serverNames: string[] = [];
    const { cert, key } = await authority.issue([name]);
    const SNICallback = (asked: string, done: (error: null) => void): void => {
      serverNames.push(asked);
      done(null);
    };
    const server = createTlsServer({ cert, key, SNICallback }, (_req, res) =>
      res.end(JSON.stringify(documentOf())),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing(server);
    const { port } = server.address() as AddressInfo;
    const internet = await startInternet(documentOf());
    const connectTls = buildConnector({ ca: authority.cert });
    const connect: Network["connect"] = (options, callback) =>
      connectTls({ ...options, hostname: "127.0.0.1", port: String(port) }, callback);
    Object.assign(internet.network, { connect });
    const rig = await start(internet);
    expect((await begin(rig, clientId)).status).toBe(status);
    expect(serverNames).toEqual(["host.example"]);
  });

  it("is fetched from a public address of a host that has others too", async () => {
    const internet = await startInternet(documentOf());
    internet.addresses = () => ["10.0.0.1", "fd00::1", "2606:2800:220:1::1"];
    const rig = await start(internet);
    expect((await begin(rig, clientId)).status).toBe(303);
    expect(internet.connections).toEqual([["2606:2800:220:1::1", "host.example"]]);
  });

  it.each([
    ...["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254", "172.31.0.1"],
    ...["192.168.1.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"],
    ...["::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"],
    ...[
      "fe80::1",
      "fe80::1%eth0",
      "fc00::1",
      "fd12::1",
      "ff02::1",
      "2001::1",
      "2001:db8::1",
      "2002:7f00:1::",
    ],
    ...["100::1", "3fff::1", "5f00::1", ""],
  ])("is not fetched from %j, which is no public address", async (address) => {
    expect(isGlobal(address)).toBe(false);
    const internet = await startInternet(documentOf());
    internet.addresses = () => [address];
    const rig = await start(internet);
    const reply = await begin(rig, clientId);
    expect(reply).toMatchObject({ status: 400, headers: { "content-type": "text/html" } });
    expect(internet.connections).toEqual([]);
  });

  it.each([
    ...["https://127.0.0.1/c", "https://[::1]/c", "https://2130706433/c", "https://0x7f.1/c"],
    ...["https://host.example:8443/c", "https://user@host.example/c", "http://host.example/c"],
    ...[`${origin}/c`, "https://host.example/a/../c", "https://host.example/c#f", "file:///etc/passwd"],
  ])("is not looked for at %s", async (id) => {
    const internet = await startInternet(documentOf({ client_id: id }));
    const rig = await start(internet);
    expect((await begin(rig, id)).status).toBe(400);
    expect(internet.lookups).toEqual([]);
    expect(internet.connections).toEqual([]);
  });

  it("is not looked for behind a redirect, which could lead anywhere", async () => {
    const internet = await startInternet((_req, res) => {
      res.writeHead(302, { Location: "https://host.example/elsewhere" }).end(JSON.stringify(documentOf()));
    });
    const rig = await start(internet);
    expect((await begin(rig, clientId)).status).toBe(400);
    expect(internet.requests).toEqual(["/client.json"]);
  });

  it.each<[string, object | RequestListener]>([
    ["longer than 5 KiB", documentOf({ client_uri: `https://host.example/${"a".repeat(5_200)}` })],
    ["of another client", documentOf({ client_id: "https://other.example/client.json" })],
    ["with a secret", documentOf({ client_secret: "s" })],
    ["with a redirect to a script", documentOf({ redirect_uris: ["javascript:alert(1)"] })],
    ["without redirects", documentOf({ redirect_uris: [] })],
    ["that is none", (_req, res) => res.end("<html>")],
    ["that is a list", (_req, res) => res.end("[]")],
    ["that is not there", (_req, res) => res.writeHead(404).end()],
    [
      "that breaks off",
      (_req, res) => res.writeHead(200, { "Content-Length": 100 }).write("{", () => res.destroy()),
    ],
  ])("%s is refused", async (_case, document) => {
    const rig = await start(await startInternet(document));
    const reply = await begin(rig, clientId);
    expect(reply.status).toBe(400);
    expect(reply.headers.location).toBeUndefined();
    expect(rig.events).toEqual([]);
  });

  it("that never ends is given up: after 5 KiB, or after 3 s", async () => {
    const endless = await startInternet((_req, res) => {
      const more = (): void => {
        while (res.write("a".repeat(10_000)));
      };
      res.on("drain", more);
      more();
    });
    const slow = await startInternet((_req, res) => {
      res.writeHead(200).write("{");
    });
    const unresolved = await startInternet(documentOf());
    Object.assign(unresolved.network, { lookup: () => new Promise(() => {}) });
    const rigs = await Promise.all([endless, slow, unresolved].map(start));
    const replies = await Promise.all(rigs.map((rig) => begin(rig, clientId)));
    expect(replies.map(({ status }) => status)).toEqual([400, 400, 400]);
  });

  it("is fetched for each visitor's address a few times a minute, and for others all the same", async () => {
    const internet = await startInternet((_req, res) => res.writeHead(404).end());
    const rig = await start(internet);
    const address = "203.0.113.9";
    for (let n = 0; n < 25; n += 1) await begin(rig, `https://host.example/${n}`, { address });
    expect(internet.requests).toHaveLength(20);
    await begin(rig, "https://host.example/other", { address: "203.0.113.10" });
    expect(internet.requests).toHaveLength(21);
  });

  it("that comes slowly keeps only its own readers waiting", async () => {
    // Two strangers ask for all the slow documents that they may, at once.
    const internet = await startInternet((req, res) => {
      if (req.url === "/client.json") res.end(JSON.stringify(documentOf({ client_id: mine })));
      else res.writeHead(200).write("{");
    });
    const mine = "https://host.example/client.json";
    const rig = await start(internet);
    const slow = Array.from({ length: 40 }, (_, n) =>
      begin(rig, `https://host.example/${n}`, { address: `203.0.113.${n % 2}` }),
    );
    await vi.waitUntil(() => internet.requests.length === slow.length);
    expect((await begin(rig, mine, { address: "192.0.2.1" })).status).toBe(303);
    for (const { status } of await Promise.all(slow)) expect(status).toBe(400);
  });

  it("holds while its site is down: a client with a grant stays connected", async () => {
    let now = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now });
    const internet = await startInternet(documentOf());
    const rig = await start(internet);
    const login = await logIn(rig, { client_id: clientId, redirect_uri: "https://host.example/callback" });
    let token = (await redeem(rig, login)).json.refresh_token;
    for (const failing of [(): string[] => [], (): string[] => [publicAddress]]) {
      vi.setSystemTime((now += 25 * 3_600_000));
      internet.addresses = failing;
      internet.answer = (_req, res) => res.writeHead(503).end();
      const reply = await refresh(rig, clientId, token);
      expect(reply.status).toBe(200);
      token = reply.json.refresh_token;
    }
    // A client that withdraws its document is gone.
    vi.setSystemTime((now += 25 * 3_600_000));
    internet.answer = (_req, res) => res.writeHead(404).end();
    expect((await refresh(rig, clientId, token)).status).toBe(401);
  });

  it("is not fetched for what a client says of itself when it registers", async () => {
    const internet = await startInternet(documentOf());
    const rig = await start(internet);
    await register(rig, {
      ...{ jwks_uri: "https://host.example/jwks", sector_identifier_uri: "https://host.example/sector" },
      ...{ logo_uri: "https://host.example/logo", client_uri: "https://host.example/" },
    });
    expect(internet.lookups).toEqual([]);
  });
});
