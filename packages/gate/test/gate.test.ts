import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { GateEvent } from "../src/events.js";
import type { Gate } from "../src/gate.js";
import { createGate } from "../src/gate.js";
import type { GateOptions } from "../src/options.js";
import {
  basic,
  fakeOAuth,
  key,
  keys,
  otherKey,
  origin,
  outcome,
  token,
  users,
  valuesOf,
  visitOf,
} from "./support.js";

const calls: string[] = [];
vi.mock(import("../src/oauth/create.js"), () => ({ createOAuth: async () => fakeOAuth(calls) }));

const gates: Gate[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(gates.splice(0).map((gate) => gate.close()));
  calls.splice(0);
});

async function gateOf(options: GateOptions): Promise<Gate> {
  const gate = await createGate(options);
  gates.push(gate);
  return gate;
}

const bearer = { keys };
const oauth = { passcode: "a passcode that nobody checks" };

describe("a gate with keys", () => {
  it.each([
    ["Authorization", `Bearer ${key}`],
    ["authorization", `bearer ${key}`],
    ["AUTHORIZATION", `BEARER   ${key}`],
    ["X-API-Key", key],
    ["x-api-key", key],
  ])("lets in who shows one as %s: %s", async (name, value) => {
    const gate = await gateOf({ bearer });
    const verdict = gate.judge(visitOf(["Accept", "*/*", name, value]));
    expect(outcome(verdict)).toEqual(["Accept", "*/*", "X-Tunnel-User", "laptop"]);
    expect(verdict).toMatchObject({ identity: { user: "laptop" } });
  });

  it.each([
    ["Authorization", `Bearer ${key}x`],
    ["Authorization", `Bearer ${key} ${key}`],
    ["Authorization", `Bearer ${key},`],
    ["Authorization", key],
    ["Authorization", `Basic ${key}`],
    ["Authorization", `Bearer${key}`],
    ["Authorization", `Token ${key}`],
    ["Authorization", "Bearer"],
    ["Authorization", "Bearer "],
    ["Authorization", ""],
    ["X-API-Key", `Bearer ${key}`],
    ["X-API-Key", ""],
    ["X_API_Key", key],
    ["X-Api_Key", key],
    ["X.API.KEY", key],
    ["X-Authorization", `Bearer ${key}`],
    ["Proxy-Authorization", `Bearer ${key}`],
    ["Cookie", `Authorization=Bearer ${key}`],
  ])("refuses %s: %s", async (name, value) => {
    const gate = await gateOf({ bearer });
    expect(outcome(gate.judge(visitOf([name, value])))).toBe(401);
  });

  it.each([`/mcp?key=${key}`, `/mcp?access_token=${key}`, `/${key}/mcp`])(
    "knows no key in a target: %s",
    async (target) => {
      const gate = await gateOf({ bearer });
      expect(outcome(gate.judge(visitOf([], { target })))).toBe(401);
    },
  );

  it("says what is missing, and whether a token was wrong (RFC 6750 section 3)", async () => {
    const gate = await gateOf({ bearer });
    const challenges = (headers: string[]): string[] =>
      valuesOf(gate.judge(visitOf(headers)), "www-authenticate");
    expect(challenges([])).toEqual(['Bearer realm="mcp-tunnel"']);
    expect(challenges(["X-API-Key", "wrong"])).toEqual(['Bearer realm="mcp-tunnel"']);
    expect(challenges(["Authorization", "Bearer wrong"])).toEqual([
      'Bearer realm="mcp-tunnel", error="invalid_token"',
    ]);
  });

  it("takes other keys from one moment to the next", async () => {
    const gate = await gateOf({ bearer });
    const { declaration } = gate;
    gate.renew({ keys: [{ name: "new", key: "an-entirely-new-key" }] });
    expect(outcome(gate.judge(visitOf(["X-API-Key", key])))).toBe(401);
    expect(outcome(gate.judge(visitOf(["X-API-Key", "an-entirely-new-key"])))).toEqual([
      "X-Tunnel-User",
      "new",
    ]);
    expect(() => gate.renew({ keys: [{ name: "new", key: "short" }] })).toThrow(/at least 16/);
    expect(outcome(gate.judge(visitOf(["X-API-Key", "an-entirely-new-key"])))).toEqual([
      "X-Tunnel-User",
      "new",
    ]);
    expect(gate.declaration).toBe(declaration);
    expect(() => gate.renew({ passcode: "another" })).toThrow(/made without oauth/);
  });
});

describe("a gate with users", () => {
  it("lets in who knows a password, and asks browsers for it", async () => {
    const gate = await gateOf({ basic: { users } });
    expect(outcome(gate.judge(visitOf(["Authorization", basic("ann", "swordfish")])))).toEqual([
      ...["X-Tunnel-User", "ann"],
    ]);
    const refused = gate.judge(visitOf());
    expect(valuesOf(refused, "www-authenticate")).toEqual(['Basic realm="mcp-tunnel", charset="UTF-8"']);
    expect(outcome(gate.judge(visitOf(["Authorization", `Bearer ${key}`])))).toBe(401);
  });

  it("leaves X-API-Key to the service, in any spelling and number: it is no proof here", async () => {
    const gate = await gateOf({ basic: { users } });
    const own = ["X-API-Key", "one", "x-api-key", "two", "X_API_KEY", "three"];
    expect(outcome(gate.judge(visitOf([...own, "Authorization", basic("ann", "swordfish")])))).toEqual([
      ...own,
      ...["X-Tunnel-User", "ann"],
    ]);
  });

  /** A stranger tries the passwords of a list, as fast as the tunnel carries them. */
  describe("that a stranger guesses at", () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));

    const guess = (gate: Gate, password: string, address: string | undefined) =>
      gate.judge(visitOf(["Authorization", basic("ann", password)], { address }));

    it("answers ten wrong passwords a minute, and then the right one no more than others", async () => {
      const gate = await gateOf({ basic: { users } });
      const address = "192.0.2.66";
      for (let i = 0; i < 10; i++) expect(outcome(guess(gate, `guess ${i}`, address))).toBe(401);
      const wrong = guess(gate, "guess 10", address);
      expect(outcome(wrong)).toBe(429);
      expect(valuesOf(wrong, "retry-after")).toEqual(["6"]);
      expect(guess(gate, "swordfish", address)).toEqual(wrong);
      vi.advanceTimersByTime(6_000);
      expect(outcome(guess(gate, "swordfish", address))).toEqual(["X-Tunnel-User", "ann"]);
    });

    it("locks nobody else out", async () => {
      const gate = await gateOf({ basic: { users } });
      for (let i = 0; i < 100; i++) guess(gate, `guess ${i}`, "2001:db8::66");
      expect(outcome(guess(gate, "swordfish", "2001:db8::77"))).toBe(429);
      expect(outcome(guess(gate, "swordfish", "2001:db8:0:1::77"))).toEqual(["X-Tunnel-User", "ann"]);
    });

    it("counts no request without a password, no right one, and none of a key", async () => {
      const gate = await gateOf({ basic: { users }, bearer });
      const address = "192.0.2.66";
      for (let i = 0; i < 50; i++) {
        gate.judge(visitOf([], { address }));
        gate.judge(visitOf(["Authorization", "Bearer wrong"], { address }));
        guess(gate, "swordfish", address);
      }
      expect(outcome(guess(gate, "swordfish", address))).toEqual(["X-Tunnel-User", "ann"]);
      for (let i = 0; i < 50; i++) guess(gate, "wrong", address);
      expect(outcome(gate.judge(visitOf(["Authorization", `Bearer ${key}`], { address })))).toEqual([
        ...["X-Tunnel-User", "laptop"],
      ]);
    });

    /** He has a key, and asks a service that shows what it gets which passwords the gate takes away. */
    it("takes every password away from who shows a key as well", async () => {
      const gate = await gateOf({ basic: { users }, bearer });
      for (const password of ["swordfish", "wrong"]) {
        const headers = ["X-API-Key", key, "Authorization", basic("ann", password)];
        expect(outcome(gate.judge(visitOf(headers)))).toEqual(["X-Tunnel-User", "laptop"]);
      }
    });
  });

  it("needs to know addresses if a password is short", async () => {
    expect((await gateOf({ basic: { users } })).needsAddress).toBe(true);
    expect((await gateOf({ basic: { users: [{ name: "a", password: "x".repeat(16) }] } })).needsAddress).toBe(
      false,
    );
    expect((await gateOf({ bearer })).needsAddress).toBe(false);
    expect((await gateOf({ bearer, allowAddresses: ["::/0"] })).needsAddress).toBe(true);
  });
});

describe("a gate with OAuth", () => {
  it("lets in who has a token, and tells the service of him", async () => {
    const gate = await gateOf({ oauth });
    expect(outcome(gate.judge(visitOf(["Authorization", `Bearer ${token}`])))).toEqual([
      ...["X-Tunnel-User", "owner", "X-Tunnel-Client", "https://claude.ai/client", "X-Tunnel-Scope", "mcp"],
    ]);
  });

  it("points at its metadata, and knows what else is wrong", async () => {
    const gate = await gateOf({ oauth, basic: { users }, bearer });
    const metadata = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="mcp"`;
    expect(valuesOf(gate.judge(visitOf()), "www-authenticate")).toEqual([
      metadata,
      'Basic realm="mcp-tunnel", charset="UTF-8"',
    ]);
    expect(valuesOf(gate.judge(visitOf(["Authorization", "Bearer old"])), "www-authenticate")[0]).toBe(
      `${metadata}, error="invalid_token"`,
    );
  });

  it.each(["/.mcp-tunnel/token", "/.mcp-tunnel/consent/1?x", "/.well-known/oauth-protected-resource/mcp"])(
    "answers %s itself, with a proof or without",
    async (target) => {
      const gate = await gateOf({ oauth, bearer });
      for (const headers of [[], ["X-API-Key", key], ["X-API-Key", key, "X-API-Key", key]]) {
        expect(outcome(gate.judge(visitOf(headers, { target })))).toBe("page");
      }
    },
  );

  it("hands on what concerns OAuth alone", async () => {
    const gate = await gateOf({ oauth });
    gate.begin(origin);
    expect([gate.approve("42"), gate.approve("43")]).toEqual([true, false]);
    gate.renew({ passcode: "new" });
    await Promise.all([gate.close(), gate.close()]);
    expect(calls).toEqual([`begin ${origin}`, "renew new", "close"]);
    expect((await gateOf({ bearer })).approve("42")).toBe(false);
    const byTerminal = await gateOf({ oauth: { terminal: true } });
    expect(() => byTerminal.renew({ passcode: "new" })).toThrow(/made without oauth.passcode/);
  });

  it("keeps its cookies from the service, and leaves it the others", async () => {
    const gate = await gateOf({ oauth });
    const headers = [
      ...["Cookie", "a=1; __Host-mcp-tunnel-session=x; b=2;mcp-tunnel-session.sig=y"],
      ...["cookie", "__Secure-mcp-tunnel=z", "COOKIE", "mine=mcp-tunnel"],
    ];
    expect(outcome(gate.judge(visitOf([...headers, "Authorization", `Bearer ${token}`])))).toEqual([
      ...["Cookie", "a=1; b=2", "COOKIE", "mine=mcp-tunnel"],
      ...["X-Tunnel-User", "owner", "X-Tunnel-Client", "https://claude.ai/client", "X-Tunnel-Scope", "mcp"],
    ]);
  });
});

describe("two proofs at once", () => {
  it.each([
    ["Authorization", `Bearer ${key}`, "Authorization", `Bearer ${key}`],
    ["Authorization", `Bearer ${key}`, "authorization", "Bearer another"],
    ["X-API-Key", key, "x-api-key", otherKey],
    ["X-API-Key", key, "X-API-Key", key],
  ])("are refused if they could be read as one another: %s, %s", async (...headers) => {
    const gate = await gateOf({ bearer });
    expect(outcome(gate.judge(visitOf(headers)))).toBe(400);
  });

  it("of which an odd spelling is one: the service sees neither", async () => {
    const gate = await gateOf({ bearer });
    expect(outcome(gate.judge(visitOf(["X-API-Key", key, "X_API_Key", "evil"])))).toEqual([
      ...["X-Tunnel-User", "laptop"],
    ]);
  });

  it("leave the service the one that is its own", async () => {
    const gate = await gateOf({ bearer });
    const passed = (...headers: string[]) => outcome(gate.judge(visitOf(headers)));
    const laptop = ["X-Tunnel-User", "laptop"];
    for (const own of [`Bearer ${token}`, basic("ann", "swordfish"), "Digest a"]) {
      expect(passed("X-API-Key", key, "Authorization", own)).toEqual(["Authorization", own, ...laptop]);
    }
    expect(passed("X-API-Key", "the-service's", "Authorization", `Bearer ${key}`)).toEqual([
      ...["X-API-Key", "the-service's"],
      ...laptop,
    ]);
    expect(passed("X-API-Key", key, "Authorization", `Bearer ${otherKey}`)).toEqual(laptop);
  });

  /** A token for one path of the tunnel comes to another, whose service could use it at the first. */
  it("leave the service no token where there is OAuth, whether it is valid there or not", async () => {
    const gate = await gateOf({ bearer, oauth });
    for (const shown of [token, "of-another-path"]) {
      expect(outcome(gate.judge(visitOf(["X-API-Key", key, "Authorization", `bearer ${shown}`])))).toEqual([
        ...["X-Tunnel-User", "laptop"],
      ]);
    }
  });
});

describe("fields of the tunnel", () => {
  /** A visitor with a key says that he is somebody else. */
  it.each([
    "X-Tunnel-User",
    "x-tunnel-user",
    "X_Tunnel_User",
    "X-Tunnel_User",
    "x.tunnel.user",
    "X-TUNNEL-CLIENT",
    "X-Tunnel-Scope",
    "X~Tunnel~Scope",
    "X-Tunnel-Anything",
    "X_Tunnel_Visitor",
  ])("of the visitor's own do not reach the service: %s", async (name) => {
    const passed = ["X-Tunnel-User", "laptop"];
    const gate = await gateOf({ bearer });
    expect(outcome(gate.judge(visitOf([name, "admin", "X-API-Key", key])))).toEqual(passed);
    const open = await gateOf({ allowAddresses: ["0.0.0.0/0"] });
    expect(outcome(open.judge(visitOf([name, "admin"])))).toEqual([]);
  });

  it.each([
    ["laptop", "laptop"],
    ["ann's laptop", "ann's laptop"],
    ["Jörg", "J%C3%B6rg"],
    ["100%", "100%25"],
    [" a  b ", "%20a%20%20b%20"],
    ["日本", "%E6%97%A5%E6%9C%AC"],
    ["\ud800", "%EF%BF%BD"],
  ])("give the name %j as %s", async (name, value) => {
    const gate = await gateOf({ bearer: { keys: [{ name, key }] } });
    expect(outcome(gate.judge(visitOf(["X-API-Key", key])))).toEqual(["X-Tunnel-User", value]);
    expect(decodeURIComponent(value)).toBe(Buffer.from(name, "utf8").toString("utf8"));
  });
});

describe("ways around a gate", () => {
  it.each([
    ["GET", "/"],
    ["GET", "//"],
    ["GET", "//.mcp-tunnel/token"],
    ["GET", "/.mcp-tunnel"],
    ["GET", "/%2emcp-tunnel/token"],
    ["GET", "/.MCP-tunnel/token"],
    ["GET", "/x/../.mcp-tunnel/token"],
    ["GET", "/.well-known/mcp-registry-auth/../../admin"],
    ["GET", "/.well-known/mcp-registry-auth/"],
    ["GET", "/.well-known/mcp-registry-auth?admin"],
    ["GET", "/.well-known//mcp-registry-auth"],
    ["GET", "//.well-known/mcp-registry-auth"],
    ["GET", "/.well-known/mcp-registry-auth%2f..%2f..%2fadmin"],
    ["GET", "/.Well-Known/mcp-registry-auth"],
    ["GET", "/.well-known/acme-challenge/"],
    ["GET", "/.well-known/acme-challenge/a/../../../admin"],
    ["GET", "/.well-known/acme-challenge/..%2f..%2fadmin"],
    ["GET", "/.well-known/acme-challenge/a;/../admin"],
    ["GET", "/.well-known/acme-challenge/a\\..\\admin"],
    ["GET", "/.well-known/acme-challenge/.."],
    ["GET", "/.well-known/acme-challenge/a?b"],
    ["GET", "/.well-known/acme-challenge/a%00"],
    ["GET", "/.well-known/acme-challenge/a\n"],
    ["POST", "/.well-known/mcp-registry-auth"],
    ["PUT", "/.well-known/acme-challenge/a"],
    ["get", "/.well-known/mcp-registry-auth"],
    ["OPTIONS", "/.well-known/mcp-registry-auth"],
    ["OPTIONS", "*"],
    ["OPTIONS", "/mcp"],
    ["TRACE", "/mcp"],
    ["CONNECT", "demo.relay.test:443"],
    ["GET", "http://demo.relay.test/.well-known/mcp-registry-auth"],
    ["GET", ""],
  ])("%s %s needs a proof", async (method, target) => {
    const gate = await gateOf({ bearer, oauth });
    expect(outcome(gate.judge(visitOf([], { method, target })))).toBe(401);
  });

  it.each([
    ["GET", "/.well-known/mcp-registry-auth"],
    ["HEAD", "/.well-known/mcp-registry-auth"],
    ["GET", "/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAxDfowyjxAjEuX0"],
  ])("%s %s is for everybody, from everywhere", async (method, target) => {
    const gate = await gateOf({ bearer, oauth, allowAddresses: ["10.0.0.0/8"] });
    expect(outcome(gate.judge(visitOf([], { method, target })))).toEqual([]);
  });

  /**
   * He asks for what is public, and says in a field that some frameworks believe that he means something
   * else.
   */
  it("is none that a field leads to, where no proof is needed", async () => {
    const gate = await gateOf({ bearer });
    const target = "/.well-known/acme-challenge/a";
    const headers = [
      "X-Original-URL",
      "/admin",
      "X-Rewrite-URL",
      "/admin",
      "X-HTTP-Method-Override",
      "DELETE",
    ];
    headers.push("Authorization", `Bearer ${key}`, "Cookie", "a=1", "X-Tunnel-User", "ann", "Accept", "*/*");
    expect(outcome(gate.judge(visitOf(headers, { target })))).toEqual(["Accept", "*/*"]);
  });

  /** Many servers take a WebSocket at any path. */
  it("is no upgrade of what is public", async () => {
    const gate = await gateOf({ bearer });
    const target = "/.well-known/acme-challenge/a";
    for (const name of ["Upgrade", "upgrade"]) {
      expect(outcome(gate.judge(visitOf(["Connection", "Upgrade", name, "websocket"], { target })))).toBe(
        401,
      );
    }
  });

  /** A page of the service registers a worker that would answer the gate's pages in this browser. */
  it.each(["/sw.js", "/.mcp-tunnel/consent/x", "/.well-known/acme-challenge/a"])(
    "is no service worker at %s",
    async (target) => {
      const gate = await gateOf({ bearer, oauth });
      const headers = ["Service-Worker", "script", "X-API-Key", key];
      expect(outcome(gate.judge(visitOf(headers, { target })))).toBe(403);
    },
  );
});

describe("OAuth metadata of the service's own", () => {
  it.each([
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp?x",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
    "/mcp/.well-known/oauth-authorization-server",
  ])("is not found behind keys or passwords, since hosts would then send none: %s", async (target) => {
    for (const options of [{ bearer }, { basic: { users } }, { bearer, basic: { users } }]) {
      const gate = await gateOf(options);
      expect(outcome(gate.judge(visitOf([], { target })))).toBe(404);
      expect(outcome(gate.judge(visitOf(["X-API-Key", key], { target })))).toBe(404);
    }
  });

  it("stays where addresses alone decide, and other well-known places stay", async () => {
    const open = await gateOf({ allowAddresses: ["0.0.0.0/0"] });
    const target = "/.well-known/oauth-protected-resource";
    expect(outcome(open.judge(visitOf(["Authorization", "Bearer x"], { target })))).toEqual([
      ...["Authorization", "Bearer x"],
    ]);
    const gate = await gateOf({ bearer });
    for (const other of [
      "/.well-known/oauth-protected-resources",
      "/.well-known/other",
      "/mcp?/.well-known/openid-configuration",
    ]) {
      expect(outcome(gate.judge(visitOf(["X-API-Key", key], { target: other })))).toEqual([
        ...["X-Tunnel-User", "laptop"],
      ]);
    }
  });
});

describe("allowed addresses", () => {
  it("hold beside a proof, and for the gate's own pages", async () => {
    const gate = await gateOf({ bearer, oauth, allowAddresses: ["10.0.0.0/8"] });
    const from = (address: string | undefined, target = "/mcp") =>
      outcome(gate.judge(visitOf(["X-API-Key", key], { address, target })));
    expect(from("10.1.2.3")).toEqual(["X-Tunnel-User", "laptop"]);
    expect(from("::ffff:10.1.2.3")).toEqual(["X-Tunnel-User", "laptop"]);
    expect(from("10.1.2.3", "/.mcp-tunnel/token")).toBe("page");
    expect(from("192.0.2.1")).toBe(403);
    expect(from("192.0.2.1", "/.mcp-tunnel/token")).toBe(403);
    expect(from(undefined)).toBe(403);
    expect(outcome(gate.judge(visitOf([], { address: "10.1.2.3" })))).toBe(401);
  });

  it("are not read from any field", async () => {
    const gate = await gateOf({ allowAddresses: ["10.0.0.0/8"] });
    const headers = ["X-Forwarded-For", "10.1.2.3", "X-Real-IP", "10.1.2.3", "X-Tunnel-Visitor", "10.1.2.3"];
    const verdict = gate.judge(visitOf(headers));
    expect(verdict).toMatchObject({
      answer: { status: 403, body: "Visits from this address, 192.0.2.1, are not allowed.\n" },
    });
  });
});

describe("pages of other sites (CORS)", () => {
  const asked = ["Origin", "https://page.test", "Access-Control-Request-Method", "POST"];

  it("get an answer to their preflight from the gate, since it has no proof", async () => {
    const gate = await gateOf({ bearer, oauth });
    const names = "authorization,mcp-protocol-version";
    const headers = [...asked, "Access-Control-Request-Headers", names];
    const verdict = gate.judge(visitOf(headers, { method: "OPTIONS" }));
    expect(verdict).toMatchObject({ answer: { status: 204, body: "" } });
    expect(valuesOf(verdict, "access-control-allow-origin")).toEqual(["*"]);
    expect(valuesOf(verdict, "access-control-allow-methods")).toEqual(["POST"]);
    expect(valuesOf(verdict, "access-control-allow-headers")).toEqual([names]);
  });

  /** A page makes its reader's browser send the password that it has stored for the tunnel. */
  it("never use what the browser of their reader has stored", async () => {
    const gate = await gateOf({ basic: { users } });
    const verdicts = [gate.judge(visitOf(asked, { method: "OPTIONS" })), gate.judge(visitOf(asked))];
    for (const verdict of verdicts) expect(valuesOf(verdict, "access-control-allow-credentials")).toEqual([]);
  });

  it("may read why they were refused", async () => {
    const gate = await gateOf({ bearer, allowAddresses: ["192.0.2.1"] });
    const refused = gate.judge(visitOf(["Origin", "https://page.test"]));
    expect(valuesOf(refused, "access-control-allow-origin")).toEqual(["*"]);
    expect(valuesOf(refused, "access-control-expose-headers")).toEqual(["WWW-Authenticate"]);
    expect(valuesOf(refused, "cache-control")).toEqual(["no-store"]);
    expect(
      valuesOf(gate.judge(visitOf([], { address: "192.0.2.2" })), "access-control-allow-origin"),
    ).toEqual(["*"]);
  });

  it.each([[[]], [asked.slice(0, 2)], [asked.slice(2)]])(
    "an OPTIONS that is no preflight: %j",
    async (headers) => {
      const gate = await gateOf({ bearer });
      expect(outcome(gate.judge(visitOf(headers, { method: "OPTIONS" })))).toBe(401);
    },
  );
});

describe("the body of a refusal", () => {
  it.each([
    ["POST", ["Content-Type", "application/json"]],
    [
      "POST",
      ["Content-Type", "application/json; charset=utf-8", "Accept", "application/json, text/event-stream"],
    ],
    ["GET", ["Accept", "text/event-stream"]],
    ["DELETE", ["Mcp-Session-Id", "1"]],
  ])("is JSON-RPC for MCP clients: %s %j", async (method, headers) => {
    const gate = await gateOf({ bearer });
    const verdict = gate.judge(visitOf(headers, { method }));
    if (verdict.kind !== "answer") throw new Error("not refused");
    expect(JSON.parse(verdict.answer.body)).toEqual({
      jsonrpc: "2.0",
      id: null,
      error: {
        code: -32000,
        message: "This needs a key.",
        data: { code: "unauthorized", status: 401 },
      },
    });
    expect(valuesOf(verdict, "content-type")).toEqual(["application/json"]);
    expect(valuesOf(verdict, "content-length")).toEqual([String(verdict.answer.body.length)]);
  });

  it.each([[["Accept", "*/*"]], [[]]])("is text for programs: %j", async (headers) => {
    const gate = await gateOf({ bearer });
    expect(gate.judge(visitOf([...headers, "X-API-Key", "wrong"]))).toMatchObject({
      answer: { status: 401, body: "What was shown is not valid here: this needs a key.\n" },
    });
  });

  it("is a page for browsers, with the same challenge, and with the address for a host", async () => {
    const gate = await gateOf({ oauth: { passcode: "lusab-babad-gutih-tugad-mubip" }, bearer });
    gate.begin("https://app.example.com");
    const visit = { target: "/mcp?key=<b>", origin: "https://app.example.com" };
    const plain = gate.judge(visitOf([], visit));
    const page = gate.judge(visitOf(["Accept", "text/html,*/*;q=0.8"], visit));
    if (page.kind !== "answer") throw new Error("not refused");
    expect(page.answer.status).toBe(401);
    expect(valuesOf(page, "www-authenticate")).toEqual(valuesOf(plain, "www-authenticate"));
    expect(valuesOf(page, "content-type")).toEqual(["text/html; charset=utf-8"]);
    expect(valuesOf(page, "x-content-type-options")).toEqual(["nosniff"]);
    expect(valuesOf(page, "content-security-policy")).toEqual([
      expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
    ]);
    expect(page.answer.body).toContain("<pre>https://app.example.com/mcp</pre>");
    expect(page.answer.body).toContain("This needs a key or a token.");
    expect(page.answer.body).not.toContain("<b>");
  });

  it("leaves a path out of a page that is longer than an address", async () => {
    const gate = await gateOf({ oauth: { passcode: "lusab-babad-gutih-tugad-mubip" } });
    gate.begin("https://app.example.com");
    const visit = { target: `/${"a".repeat(400)}`, origin: "https://app.example.com" };
    const page = gate.judge(visitOf(["Accept", "text/html"], visit));
    expect(page.kind === "answer" && page.answer.body).toContain("<pre>https://app.example.com</pre>");
  });
});

describe("events of refusals", () => {
  it("say whether the proof or the address was at fault", async () => {
    const events: GateEvent[] = [];
    const onEvent = (event: GateEvent): number => events.push(event);
    const gate = await gateOf({ bearer, allowAddresses: ["192.0.2.1"], onEvent });
    gate.judge(visitOf(["X-API-Key", key], { address: "192.0.2.2" }));
    gate.judge(visitOf([], { address: "192.0.2.1" }));
    await gate.close();
    expect(events).toEqual([
      { type: "refused", reason: "address", count: 1, address: "192.0.2.2" },
      { type: "refused", reason: "proof", count: 1, address: "192.0.2.1" },
    ]);
  });

  it("come at once, and at most once a second", async () => {
    const events: GateEvent[] = [];
    const gate = await gateOf({ bearer, onEvent: (event) => events.push(event) });
    vi.useFakeTimers();
    const refuse = (address: string): Promise<void> => {
      gate.judge(visitOf([], { address }));
      return Promise.resolve();
    };
    await refuse("192.0.2.1");
    expect(events).toEqual([{ type: "refused", reason: "proof", count: 1, address: "192.0.2.1" }]);
    await refuse("192.0.2.2");
    await refuse("192.0.2.3");
    expect(events.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(events[1]).toEqual({ type: "refused", reason: "proof", count: 2, address: "192.0.2.3" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(events.length).toBe(2);
    await refuse("192.0.2.4");
    await refuse("192.0.2.5");
    await gate.close();
    expect(events.map((event) => (event.type === "refused" ? event.count : 0))).toEqual([1, 2, 1, 1]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tell of no visit that was let in, and of no preflight", async () => {
    const onEvent = vi.fn();
    const gate = await gateOf({ bearer, onEvent });
    gate.judge(visitOf(["X-API-Key", key]));
    const asked = ["Origin", "https://page.test", "Access-Control-Request-Method", "POST"];
    gate.judge(visitOf(asked, { method: "OPTIONS" }));
    await gate.close();
    expect(onEvent).not.toHaveBeenCalled();
  });
});

describe("what a relay is told", () => {
  it("is which proofs count, and a digest that two gates with the same settings share", async () => {
    const one = await gateOf({ oauth, bearer, basic: { users } });
    const two = await gateOf({
      basic: { users: users.toReversed() },
      bearer: { keys: keys.toReversed() },
      oauth,
      onEvent() {},
    });
    expect(one.declaration.kinds).toEqual(["bearer", "basic", "oauth"]);
    expect(one.declaration.digest).toMatch(/^[\w-]{43}$/);
    expect(two.declaration).toEqual(one.declaration);
  });

  it("differs with every setting", async () => {
    const login = { issuer: "https://id.test", clientId: "c", allowEmails: ["@a.test"] };
    const others: GateOptions[] = [
      { bearer },
      { bearer: { keys: keys.slice(1) } },
      { bearer: { keys: [{ name: "other", key }, ...keys.slice(1)] } },
      { bearer, allowAddresses: ["10.0.0.0/8"] },
      { allowAddresses: ["10.0.0.0/8"] },
      { basic: { users } },
      { oauth },
      { oauth: { ...oauth, terminal: true } },
      { oauth: { ...oauth, login } },
      { oauth: { ...oauth, login: { ...login, allowEmails: ["@b.test"] } } },
    ];
    const digests = new Set<string>();
    for (const options of others) digests.add((await gateOf(options)).declaration.digest);
    expect(digests.size).toBe(others.length);
    expect((await gateOf({ allowAddresses: ["10.0.0.0/8"] })).declaration.kinds).toEqual([]);
  });
});

describe("options of a gate", () => {
  it.each<[string, object, string]>([
    ["nothing", {}, "nothing is given to decide by: give one of bearer, basic, oauth, allowAddresses"],
    ["a wrong name", { bearers: bearer }, "there is no option 'bearers'; did you mean 'bearer'?"],
    ["no keys", { bearer: {} }, "bearer.keys is undefined; it must be an array of keys"],
    ["keys that are texts", { bearer: { keys: [key] } }, "bearer.keys.0 is a string; it must be an object"],
    [
      "a key that is a number",
      { bearer: { keys: [{ name: "a", key: 1 }] } },
      "bearer.keys.0.key is a number; it must be a string",
    ],
    ["no name", { bearer: { keys: [{ key }] } }, "bearer.keys.0.name is undefined; it must be a string"],
    [
      "a wrong name within",
      { oauth: { passkode: "x" } },
      "there is no option 'passkode' in oauth; did you mean 'passcode'?",
    ],
    [
      "OAuth without a way to consent",
      { oauth: { terminal: false } },
      "nobody could consent: give one of oauth.passcode, oauth.terminal, oauth.login",
    ],
    [
      "a login without an issuer",
      { oauth: { login: { clientId: "c", allowEmails: [] } } },
      "oauth.login.issuer is undefined; it must be a string",
    ],
    [
      "addresses that are no array",
      { allowAddresses: "10.0.0.0/8" },
      "allowAddresses is a string; it must be an array of strings",
    ],
  ])("are refused: %s", async (_what, options, message) => {
    await expect(createGate(options as GateOptions)).rejects.toMatchObject({
      code: "invalid_option",
      message,
    });
  });
});
