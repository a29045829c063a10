import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RawVisitor } from "../../../test/security/support/raw-visitor.js";
import { contentSecurityPolicy } from "../src/server/answer.js";
import { openTestPage, type TestPage } from "./support/page.js";

let page: TestPage;
let authority: string;
let origin: string;
beforeAll(async () => {
  page = await openTestPage();
  authority = `127.0.0.1:${page.port}`;
  origin = `http://${authority}`;
});
afterAll(() => page.close());

const refused = (status: number, code: string) => ({ status, code });

async function outcome(...args: Parameters<TestPage["ask"]>): Promise<{ status: number; code: string }> {
  const { status, json } = await page.ask(...args);
  return { status, code: status < 400 ? "" : (json() as { code: string }).code };
}

/** The status of what is sent as it is. */
async function rawStatus(head: string): Promise<string> {
  const visitor = new RawVisitor({ port: page.port });
  visitor.send(head);
  const received = await visitor.until((text) => text.includes("\r\n\r\n"));
  visitor.close();
  return received.slice(9, 12);
}

it("the URL has the secret in its fragment alone", () => {
  expect(page.url).toBe(`${origin}/#${page.secret}`);
  expect(page.secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

describe("Host", () => {
  it.each(["localhost", "LOCALHOST", "127.0.0.1.nip.io", "evil.example", "[::1]", "127.1", "127.0.0.2"])(
    "refuses %s",
    async (name) => {
      const host = `${name}:${page.port}`;
      expect(await outcome("/api/state", { headers: { host } })).toEqual(refused(421, "wrong_host"));
      const document = await page.ask("/", { headers: { host } });
      expect(document.status).toBe(421);
      expect(document.text).toContain(`${origin}/`);
      expect(document.text).not.toContain(page.secret);
    },
  );

  it.each(["127.0.0.1", "127.0.0.1:1", "127.0.0.1:", " "])(
    "refuses '%s', with a wrong port or none",
    async (host) => {
      expect(await outcome("/api/state", { headers: { host } })).toEqual(refused(421, "wrong_host"));
    },
  );

  it("refuses a Host that comes twice, and none", async () => {
    const secret = `Authorization: Bearer ${page.secret}\r\n`;
    const line = `GET /api/state HTTP/1.1\r\n${secret}`;
    expect(await rawStatus(`${line}Host: ${authority}\r\nHost: ${authority}\r\n\r\n`)).toMatch(
      /^4(?:00|21)$/,
    );
    expect(await rawStatus(`${line}Host: ${authority}\r\nHost: evil.example\r\n\r\n`)).toMatch(
      /^4(?:00|21)$/,
    );
    expect(await rawStatus(`${line}Host:\r\n\r\n`)).toBe("421");
    expect(await rawStatus(`GET /api/state HTTP/1.0\r\n${secret}\r\n`)).toBe("421");
    expect(await rawStatus(`${line}Host: ${authority}\r\n\r\n`)).toBe("200");
  });
});

describe("the target", () => {
  it.each(["http://evil.example/api/state", "http://127.0.0.1/api/state", "*", "evil.example:80"])(
    "refuses %s",
    async (target) => {
      const fields = `Host: ${authority}\r\nAuthorization: Bearer ${page.secret}\r\n\r\n`;
      expect(await rawStatus(`OPTIONS ${target} HTTP/1.1\r\n${fields}`)).toMatch(/^40[03]$/);
    },
  );

  it("refuses the absolute form of its own address", async () => {
    expect((await page.ask(`${origin}/api/state`)).status).toBe(400);
  });

  it.each([
    "//evil.example/api/state",
    "/api",
    "/API/state",
    "/api%2fstate",
    "/api/",
    "/api/../api/state",
    "/x",
  ])("knows no %s", async (path) => {
    expect((await page.ask(path)).status).toBe(404);
  });
});

it("takes no upgrade and no CONNECT", async () => {
  expect(await outcome("/api/stream", { headers: { connection: "upgrade", upgrade: "websocket" } })).toEqual(
    refused(400, "bad_request"),
  );
  const visitor = new RawVisitor({ port: page.port });
  visitor.send(`CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  expect(await visitor.all()).toBe("");
});

describe("Origin", () => {
  it.each(["https://evil.example", "null", "", "http://localhost", "http://127.0.0.1", "HTTP://127.0.0.1"])(
    "refuses '%s', whatever is asked",
    async (foreign) => {
      for (const method of ["GET", "POST", "DELETE", "OPTIONS"]) {
        expect(await outcome("/api/exchanges", { method, headers: { origin: foreign } }), method).toEqual(
          refused(403, "foreign_origin"),
        );
      }
      expect((await page.ask("/", { headers: { origin: foreign } })).status).toBe(403);
    },
  );

  it("may be left out where nothing changes, and nowhere else", async () => {
    expect(await outcome("/api/state")).toEqual(refused(200, ""));
    expect(await outcome("/api/state", { headers: { origin } })).toEqual(refused(200, ""));
    for (const method of ["POST", "DELETE", "PUT", "OPTIONS"]) {
      expect(await outcome("/api/exchanges", { method, headers: { origin: undefined } }), method).toEqual(
        refused(403, "foreign_origin"),
      );
    }
    expect(await outcome("/api/exchanges", { method: "DELETE" })).toEqual(refused(204, ""));
  });

  it("refuses two of them", async () => {
    const headers = { origin: [origin, origin] };
    expect(await outcome("/api/state", { headers })).toEqual(refused(403, "foreign_origin"));
  });
});

describe("Sec-Fetch-Site", () => {
  it.each(["cross-site", "same-site", "", "same-origin, cross-site"])("refuses '%s'", async (site) => {
    const headers = { "sec-fetch-site": site };
    expect(await outcome("/api/state", { headers })).toEqual(refused(403, "foreign_origin"));
    expect((await page.ask("/", { headers })).status).toBe(403);
  });

  it.each(["same-origin", "none"])("takes '%s'", async (site) => {
    expect((await page.ask("/api/state", { headers: { "sec-fetch-site": site } })).status).toBe(200);
  });
});

it.each(["X-Forwarded-For", "x-forwarded-anything", "Forwarded", "Via", "X-Tunnel-Visitor"])(
  "refuses what has come through a proxy or a tunnel: %s",
  async (name) => {
    expect(await outcome("/api/state", { headers: { [name]: "x" } })).toEqual(refused(403, "forwarded"));
    expect((await page.ask("/", { headers: { [name]: "x" } })).status).toBe(403);
  },
);

describe("the secret", () => {
  const wrong = (): (string | string[] | undefined)[] => [
    ...[undefined, "", "Bearer", "Bearer ", `Bearer ${page.secret}x`, `Bearer ${page.secret.slice(1)}`],
    ...[page.secret, `Basic ${page.secret}`, `Bearer ${page.secret.toLowerCase()}`, `Bearer  x`],
    ...[[`Bearer ${page.secret}`, `Bearer ${page.secret}`], `Bearer ${"x".repeat(10_000)}`],
  ];

  it("is needed for every path of the API, also for those that do not exist", async () => {
    const paths = [
      "/api",
      "/api/",
      "/api/state",
      "/api/stream",
      "/api/exchanges/1",
      "/api/nothing",
      "/api?x",
    ];
    for (const authorization of wrong()) {
      for (const path of paths) {
        const { status, headers, text } = await page.ask(path, { headers: { authorization } });
        expect([status, text], path).toEqual([401, expect.stringContaining("no_secret")]);
        // Otherwise a browser would ask the user for a password.
        expect(headers["www-authenticate"]).toBeUndefined();
        expect(text).not.toContain(page.secret);
      }
    }
  });

  it("is not taken from the query, from a cookie or from another field", async () => {
    const headers = { authorization: undefined, cookie: `secret=${page.secret}`, "x-api-key": page.secret };
    expect((await page.ask(`/api/state?secret=${page.secret}`, { headers })).status).toBe(401);
  });

  it("is not locked by wrong tries", async () => {
    for (let i = 0; i < 200; i++) await page.ask("/api/state", { headers: { authorization: "Bearer x" } });
    expect(
      (await page.ask("/api/state", { headers: { authorization: `bearer ${page.secret}` } })).status,
    ).toBe(200);
  });

  it("is in no file of the page", async () => {
    const { text, status } = await page.ask("/", { headers: { authorization: undefined } });
    expect(status).toBe(200);
    const scripts = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = ""]) => path);
    expect(scripts.length).toBeGreaterThan(0);
    for (const path of scripts) {
      const file = await page.ask(path, { headers: { authorization: undefined } });
      expect(file.status).toBe(200);
      expect(file.text + JSON.stringify(file.headers)).not.toContain(page.secret);
    }
    expect(text).not.toContain(page.secret);
  });

  it("differs from start to start", async () => {
    const other = await openTestPage();
    await other.close();
    expect(other.secret).not.toBe(page.secret);
  });
});

it("every answer has the guards, and none lets another origin read it", async () => {
  const answers = [
    await page.ask("/"),
    await page.ask("/nothing"),
    await page.ask("/api/state"),
    await page.ask("/api/state", { headers: { authorization: "x" } }),
    await page.ask("/api/state", { method: "OPTIONS", headers: { origin: "https://evil.example" } }),
    await page.ask("/", { headers: { host: "evil.example" } }),
    await page.ask("/api/har"),
    await page.ask("/api/exchanges", { method: "DELETE" }),
    await page.ask("/api/pause", { method: "POST", body: "{" }),
  ];
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      "content-security-policy": contentSecurityPolicy,
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "cross-origin-resource-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
    const open = Object.keys(headers).filter((name) =>
      /^access-control-|^set-cookie|^timing-allow/.test(name),
    );
    expect(open).toEqual([]);
  }
  expect(contentSecurityPolicy).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
      "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
  );
});

it("browsers are told to drop a service worker that another server has left", async () => {
  const script = await page.ask("/sw.js", { headers: { "service-worker": "script" } });
  expect([script.status, script.headers["clear-site-data"]]).toEqual([404, '"storage"']);
  expect((await page.ask("/")).headers["clear-site-data"]).toBeUndefined();
});

describe("bodies", () => {
  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/jsonx",
    undefined,
  ])("refuses the type %s", async (type) => {
    const given = { method: "POST", body: '{"paused":true}', headers: { "content-type": type } };
    expect(await outcome("/api/pause", given)).toEqual(refused(415, "bad_request"));
  });

  it("takes JSON of any charset", async () => {
    const headers = { "content-type": "Application/JSON; charset=utf-8" };
    expect((await page.ask("/api/pause", { method: "POST", body: '{"paused":false}', headers })).status).toBe(
      200,
    );
  });

  it.each(["", "{", "[]", "1", "null", '{"paused":1}', "{}", '{"paused":true,"x":1}', '{"__proto__":{}}'])(
    "refuses '%s'",
    async (body) => {
      expect(await outcome("/api/pause", { method: "POST", body })).toEqual(refused(400, "bad_request"));
      expect(page.parts.state().paused).toBe(false);
    },
  );

  it("refuses more than a megabyte, announced or not, and reads no more of it", async () => {
    const announced = await page.ask("/api/pause", { method: "POST", body: Buffer.alloc(1_048_577, 32) });
    expect([announced.status, announced.text]).toEqual([413, expect.stringContaining("too_large")]);
    const status = await new Promise((resolve, reject) => {
      const req = request(
        {
          ...{ host: page.host, port: page.port, path: "/api/pause", method: "POST", agent: false },
          headers: { authorization: `Bearer ${page.secret}`, origin, "content-type": "application/json" },
        },
        (res) => {
          resolve(res.statusCode);
          req.destroy();
        },
      );
      // The connection is cut while this end still writes.
      req.on("error", reject);
      const more = (): void =>
        void (req.destroyed || req.write(Buffer.alloc(65_536, 32), () => setImmediate(more)));
      more();
    });
    expect(status).toBe(413);
  });
});

it("methods that a path does not know get 405 with those that it knows", async () => {
  const put = await page.ask("/api/exchanges", { method: "PUT" });
  expect([put.status, put.headers.allow]).toEqual([405, "GET, HEAD, DELETE"]);
  const post = await page.ask("/", { method: "POST" });
  expect([post.status, post.headers.allow]).toEqual([405, "GET, HEAD"]);
  expect((await page.ask("/api/state", { method: "HEAD" })).text).toBe("");
});
