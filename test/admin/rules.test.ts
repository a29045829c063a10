import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { contentSecurityPolicy } from "mcp-tunnel-shared/page";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { RawVisitor } from "../security/support/raw-visitor.js";
import { secret, startAdmin, type TestAdmin } from "./in-process.js";

/**
 * The dashboard draws tokens and closes tunnels. The operator has it open in a browser that visits other
 * pages, on a machine that others may use. Each rule that keeps them out is tested here by itself.
 */

let admin: TestAdmin;
beforeAll(async () => {
  admin = await startAdmin({}, { hosts: ["admin.example.com", "relay.internal:9443"] });
});
afterAll(() => admin.close());
const closing = closingAfterEach();

/** What only the dashboard uses. */
const dashboard = ["/api/overview", "/api/tokens", "/api/tokens/0123456789ab"];
/** What programs have used before there was a dashboard. */
const programs = ["/metrics", "/api/tunnels", "/api/tunnels/app"];

const codeOf = async (...args: Parameters<TestAdmin["ask"]>): Promise<[number, unknown]> => {
  const { status, text } = await admin.ask(...args);
  return [status, text.startsWith("{") ? (JSON.parse(text) as { code?: string }).code : undefined];
};

/** The status of what is sent as it is. */
async function rawStatus(head: string, port = admin.adminPort): Promise<string> {
  const visitor = closing(new RawVisitor({ port }));
  visitor.send(head);
  return (await visitor.until((text) => text.includes("\r\n\r\n"))).slice(9, 12);
}

describe("the secret", () => {
  const wrong = [
    ...[undefined, "", "Bearer", "Bearer ", `Bearer ${secret}x`, `Bearer ${secret.slice(1)}`, secret],
    ...[`Basic ${secret}`, `Bearer ${secret.toUpperCase()}`, `Bearer ${"x".repeat(4_000)}`],
    [`Bearer ${secret}`, `Bearer ${secret}`],
  ];

  it("is needed for every path but health and the page's files, also for paths that there are not", async () => {
    for (const authorization of wrong) {
      for (const path of [...dashboard, ...programs, "/api", "/api/nothing", "/nothing", "/api/overview?x"]) {
        const { status, text } = await admin.ask(path, { headers: { authorization } });
        expect([path, status, JSON.parse(text)]).toEqual([
          path,
          401,
          { code: "no_secret", error: expect.stringContaining("Authorization: Bearer SECRET") },
        ]);
      }
    }
  });

  it("is needed for every method", async () => {
    for (const method of ["POST", "PATCH", "DELETE", "PUT"]) {
      for (const path of [...dashboard, ...programs]) {
        const headers = { authorization: undefined };
        expect(await codeOf(path, { method, headers }), `${method} ${path}`).toEqual([401, "no_secret"]);
      }
    }
  });

  it("is taken from no query, no cookie and no other field", async () => {
    const headers = { authorization: undefined, cookie: `secret=${secret}`, "x-api-key": secret };
    const path = `/api/overview?secret=${encodeURIComponent(secret)}`;
    expect(await codeOf(path, { headers })).toEqual([401, "no_secret"]);
  });

  it("has no browser ask for a password, and tells programs what is missing", async () => {
    const page = { authorization: undefined, "sec-fetch-site": "same-origin" };
    expect((await admin.ask("/api/tunnels", { headers: page })).headers["www-authenticate"]).toBeUndefined();
    const program = { authorization: undefined };
    expect((await admin.ask("/metrics", { headers: program })).headers["www-authenticate"]).toBe("Bearer");
  });

  it("is in no file of the page", async () => {
    const { status, text } = await admin.ask("/", { headers: { authorization: undefined } });
    expect(status).toBe(200);
    const files = [...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
    expect(files.length).toBeGreaterThan(0);
    for (const path of files) {
      const file = await admin.ask(path, { headers: { authorization: undefined } });
      expect([file.status, file.text.includes(secret)]).toEqual([200, false]);
    }
  });
});

describe("without a secret, on loopback", () => {
  let open: TestAdmin;
  beforeAll(async () => {
    open = await startAdmin({}, { secret: undefined });
  });
  afterAll(() => open.close());

  it("the dashboard learns and does nothing, and says what to do", async () => {
    for (const path of dashboard) {
      for (const headers of [{}, { authorization: undefined }, { "sec-fetch-site": "same-origin" }]) {
        const answer = await open.ask(path, { headers });
        expect(answer.status).toBe(403);
        expect(answer.json()).toEqual({
          code: "secret_required",
          error: expect.stringContaining("--admin-secret-file"),
        });
      }
    }
    for (const method of ["POST", "PATCH", "DELETE"]) {
      expect((await open.ask("/api/tokens", { method, body: {} })).json()).toMatchObject({
        code: "secret_required",
      });
    }
  });

  it("the page is there to say so", async () => {
    expect((await open.ask("/")).headers["content-type"]).toBe("text/html; charset=utf-8");
  });

  it("programs of this machine read what they have read before, and web pages do not", async () => {
    for (const path of ["/metrics", "/api/tunnels"]) {
      const head = `GET ${path} HTTP/1.1\r\nHost: localhost:1\r\n`;
      expect(await rawStatus(`${head}\r\n`, open.adminPort)).toBe("200");
      expect(await rawStatus(`${head}Sec-Fetch-Site: none\r\n\r\n`, open.adminPort)).toBe("200");
      for (const field of [`Origin: ${open.origin}`, "Sec-Fetch-Site: same-origin", "Origin: null"]) {
        expect(await rawStatus(`${head}${field}\r\n\r\n`, open.adminPort)).toBe("403");
      }
      const rebound = `GET ${path} HTTP/1.1\r\nHost: evil.test:${open.adminPort}\r\n\r\n`;
      expect(await rawStatus(rebound, open.adminPort)).toBe("403");
    }
  });
});

describe("Host", () => {
  it.each(["localhost", "LOCALHOST", "evil.example", "127.0.0.1.nip.io", "[::1]", "127.1", "127.0.0.2"])(
    "%s is refused to browsers, and on every path of the dashboard",
    async (name) => {
      const host = `${name}:${admin.adminPort}`;
      for (const path of dashboard) {
        expect(await codeOf(path, { headers: { host } })).toEqual([421, "wrong_host"]);
      }
      for (const path of programs) {
        const headers = { host, "sec-fetch-site": "same-origin" };
        expect(await codeOf(path, { headers })).toEqual([421, "wrong_host"]);
      }
      const page = await admin.ask("/", { headers: { host } });
      expect([page.status, page.headers["content-type"]]).toEqual([421, "text/plain; charset=utf-8"]);
      expect(page.text).toContain(`${admin.origin}/`);
    },
  );

  it.each(["127.0.0.1", "127.0.0.1:1", "127.0.0.1:", " "])("'%s' has a wrong port, or none", async (host) => {
    expect(await codeOf("/api/overview", { headers: { host } })).toEqual([421, "wrong_host"]);
  });

  it("is refused when it comes twice, and when there is none", async () => {
    const shown = `Authorization: Bearer ${secret}\r\n`;
    const line = `GET /api/overview HTTP/1.1\r\n${shown}`;
    const own = `Host: ${admin.authority}\r\n`;
    expect(await rawStatus(`${line}${own}${own}\r\n`)).toMatch(/^4(?:00|21)$/);
    expect(await rawStatus(`${line}${own}Host: evil.example\r\n\r\n`)).toMatch(/^4(?:00|21)$/);
    expect(await rawStatus(`GET /api/overview HTTP/1.0\r\n${shown}\r\n`)).toBe("421");
    expect(await rawStatus(`${line}${own}\r\n`)).toBe("200");
  });

  it("may be anything for a program that shows the secret, on the paths that are for programs", async () => {
    for (const host of ["relay.test", "localhost:1", `evil.example:${admin.adminPort}`]) {
      for (const path of ["/metrics", "/api/tunnels"]) {
        expect((await admin.ask(path, { headers: { host } })).status).toBe(200);
      }
    }
  });

  it("of health checks is not looked at", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      const headers = { host: "balancer.test", authorization: undefined, origin: "https://evil.example" };
      expect((await admin.ask(path, { headers })).status).toBe(200);
    }
  });
});

describe("--admin-host", () => {
  it.each(["admin.example.com", "ADMIN.example.com", "relay.internal:9443"])("lets %s in", async (host) => {
    const name = host.toLowerCase();
    for (const scheme of ["http", "https"]) {
      const headers = { host, origin: `${scheme}://${name}` };
      expect(await codeOf("/api/tokens", { method: "POST", headers, body: {} })).toEqual([
        409,
        "no_token_file",
      ]);
      expect((await admin.ask("/", { headers })).status).toBe(200);
    }
  });

  it("has the port of the listener, and the usual ones, unless it says another", async () => {
    const own = `admin.example.com:${admin.adminPort}`;
    expect((await admin.ask("/api/overview", { headers: { host: own } })).status).toBe(200);
    for (const host of ["admin.example.com:1", "relay.internal", `relay.internal:${admin.adminPort}`]) {
      expect(await codeOf("/api/overview", { headers: { host } })).toEqual([421, "wrong_host"]);
    }
  });

  it("lets no page of one name use another", async () => {
    const headers = { host: "admin.example.com", origin: admin.origin };
    expect(await codeOf("/api/overview", { headers })).toEqual([403, "foreign_origin"]);
    const other = { origin: "https://admin.example.com" };
    expect(await codeOf("/api/overview", { headers: other })).toEqual([403, "foreign_origin"]);
  });

  it("is for a proxy, which the listener's own address is not", async () => {
    for (const name of ["x-forwarded-for", "X-Forwarded-Anything", "forwarded", "via", "x-tunnel-visitor"]) {
      expect(await codeOf("/api/overview", { headers: { [name]: "x" } })).toEqual([403, "forwarded"]);
      expect((await admin.ask("/", { headers: { [name]: "x" } })).status).toBe(403);
      const page = { [name]: "x", "sec-fetch-site": "same-origin" };
      expect(await codeOf("/api/tunnels", { headers: page })).toEqual([403, "forwarded"]);
      const host = "admin.example.com";
      expect((await admin.ask("/api/overview", { headers: { [name]: "x", host } })).status).toBe(200);
      // A program may come through a proxy, as before.
      expect((await admin.ask("/metrics", { headers: { [name]: "x" } })).status).toBe(200);
    }
  });
});

describe("Origin", () => {
  const foreign = () => [
    ...["https://evil.example", "null", "", `https://${admin.authority}`, "http://127.0.0.1"],
    ...[`http://localhost:${admin.adminPort}`, `${admin.origin}/`, `${admin.origin}, ${admin.origin}`],
    [admin.origin, admin.origin],
  ];

  it("of another page is refused, whatever is asked", async () => {
    for (const origin of foreign()) {
      for (const path of [...dashboard, ...programs]) {
        for (const method of ["GET", "POST", "DELETE", "PATCH", "OPTIONS"]) {
          expect(
            await codeOf(path, { method, headers: { origin } }),
            `${method} ${path} ${String(origin)}`,
          ).toEqual([403, "foreign_origin"]);
        }
      }
      expect((await admin.ask("/", { headers: { origin } })).status).toBe(403);
    }
  });

  it("may be left out where nothing changes, and nowhere else on the dashboard's paths", async () => {
    expect((await admin.ask("/api/overview", { headers: { origin: undefined } })).status).toBe(200);
    expect((await admin.ask("/api/overview", { headers: { origin: admin.origin } })).status).toBe(200);
    for (const method of ["POST", "PATCH", "DELETE", "PUT"]) {
      const headers = { origin: undefined };
      expect(await codeOf("/api/tokens", { method, headers })).toEqual([403, "foreign_origin"]);
    }
  });

  it("may be left out by a program that closes a tunnel, as before", async () => {
    const headers = { origin: undefined };
    expect(await codeOf("/api/tunnels/app", { method: "DELETE", headers })).toEqual([404, "not_found"]);
  });
});

describe("Sec-Fetch-Site", () => {
  it.each(["cross-site", "same-site", "", "same-origin, cross-site"])("'%s' is refused", async (site) => {
    const headers = { "sec-fetch-site": site };
    for (const path of [...dashboard, ...programs]) {
      expect(await codeOf(path, { headers })).toEqual([403, "foreign_origin"]);
    }
    expect((await admin.ask("/", { headers })).status).toBe(403);
  });

  it.each(["same-origin", "none"])("'%s' is taken", async (site) => {
    for (const path of ["/", "/api/overview", "/api/tunnels"]) {
      expect((await admin.ask(path, { headers: { "sec-fetch-site": site } })).status).toBe(200);
    }
  });
});

it("a target that is no path, and another protocol, get nothing", async () => {
  const shown = `Host: ${admin.authority}\r\nAuthorization: Bearer ${secret}\r\n`;
  for (const target of [`http://${admin.authority}/api/overview`, "*", "evil.example:80"]) {
    expect(await rawStatus(`GET ${target} HTTP/1.1\r\n${shown}\r\n`)).toMatch(/^40[04]$/);
  }
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  expect(await rawStatus(`GET /api/overview HTTP/1.1\r\n${shown}${upgrade}\r\n`)).toBe("400");
});

it("every answer has the guards, and none lets another origin read it", async () => {
  const answers = [
    await admin.ask("/"),
    await admin.ask("/assets/nothing"),
    await admin.ask("/healthz"),
    await admin.ask("/metrics"),
    await admin.ask("/api/overview"),
    await admin.ask("/api/tunnels"),
    await admin.ask("/api/tunnels/none"),
    await admin.ask("/api/overview", { headers: { authorization: "x" } }),
    await admin.ask("/api/tokens", { method: "OPTIONS", headers: { origin: "https://evil.example" } }),
    await admin.ask("/", { headers: { host: "evil.example" } }),
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
});

it("methods that a path does not know get 405 with those that it knows", async () => {
  const put = await admin.ask("/api/tokens", { method: "PUT" });
  expect([put.status, put.headers.allow]).toEqual([405, "GET, HEAD, POST"]);
  const get = await admin.ask("/api/tokens/0123456789ab");
  expect([get.status, get.headers.allow]).toEqual([405, "PATCH, DELETE"]);
  const post = await admin.ask("/", { method: "POST" });
  expect([post.status, post.headers.allow]).toEqual([405, "GET, HEAD"]);
  expect((await admin.ask("/api/overview", { method: "HEAD" })).text).toBe("");
});

it.skipIf(missingProgram("curl"))(
  "curl gets in with the secret and the origin, and without them not",
  async () => {
    const curl = async (...args: string[]): Promise<string> => {
      const status = ["--silent", "--output", "-", "--write-out", "%{http_code}"];
      const { stdout } = await promisify(execFile)("curl", [...status, ...args]);
      return stdout.slice(-3);
    };
    const shown = ["--oauth2-bearer", secret];
    const url = `${admin.origin}/api/overview`;
    expect(await curl(url)).toBe("401");
    expect(await curl(...shown, url)).toBe("200");
    expect(
      await curl(
        ...shown,
        "--resolve",
        `evil.test:${admin.adminPort}:127.0.0.1`,
        `http://evil.test:${admin.adminPort}/api/overview`,
      ),
    ).toBe("421");
    const post = [...shown, "--json", "{}", `${admin.origin}/api/tokens`];
    expect(await curl(...post)).toBe("403");
    expect(await curl("--header", `Origin: ${admin.origin}`, ...post)).toBe("409");
  },
);

describe("a listener at all addresses", () => {
  it("is asked by the address at which a request has come", async () => {
    const everywhere = closing(await startAdmin({}, { host: "::", hosts: [] }));
    const { adminPort } = everywhere;
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      const head = `GET /api/overview HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\nHost: `;
      const visitor = closing(new RawVisitor({ port: adminPort, host: address }));
      visitor.send(`${head}${address}:${adminPort}\r\n\r\n`);
      expect((await visitor.until((text) => text.includes("\r\n\r\n"))).slice(9, 12)).toBe("200");
      const other = closing(new RawVisitor({ port: adminPort, host: address }));
      other.send(`${head}127.0.0.3:${adminPort}\r\n\r\n`);
      expect((await other.until((text) => text.includes("\r\n\r\n"))).slice(9, 12)).toBe("421");
    }
    const six = closing(new RawVisitor({ port: adminPort, host: "::1" }));
    six.send(
      `GET /api/overview HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\nHost: [::1]:${adminPort}\r\n\r\n`,
    );
    expect((await six.until((text) => text.includes("\r\n\r\n"))).slice(9, 12)).toBe("200");
  });
});
