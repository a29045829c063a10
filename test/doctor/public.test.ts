import { EventEmitter, once } from "node:events";
import { request as sendRequest } from "node:http";
import { createRelay } from "mcp-tunnel";
import type { Authenticator } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { freePort } from "../support/free-port.js";
import { expectNoLeaks } from "../support/leaks.js";
import { missingProgram } from "../support/requires.js";
import { startNginx } from "../security/support/nginx.js";
import { Case } from "../../packages/cli/src/doctor/case.js";
import type { DoctorSettings } from "../../packages/cli/src/doctor/case.js";
import { Doctor } from "../../packages/cli/src/doctor/doctor.js";
import { publicAddressFinding } from "../../packages/cli/src/doctor/public-steps.js";
import { examine, mcpListener, settingsFor, startRelay, startService } from "./world.js";
import type { Examined } from "./world.js";

const closing = closingAfterEach();

describe("the public URL", () => {
  it("has no record of its own in the DNS", async () => {
    const { port } = closing(await startRelay({ domain: "tunnel.test" }));
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`), async () => {
      throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
    });
    expect(found.ids("failed"), found.said).toEqual(["public-dns"]);
    expect(found.step("public-dns").advice).toContain("*.tunnel.test");
  });

  // A connection to an unspecified address is one to this machine.
  it.each([
    ["https://demo.tunnel.test", "127.0.0.1"],
    ["https://demo.tunnel.test", "0.0.0.0"],
    ["https://demo.tunnel.test", "::ffff:0.0.0.0"],
    ["http://[::]:6379", ""],
    ["http://[::ffff:0.0.0.0]:6379", ""],
    ["http://0:6379", ""],
  ])("may not lead to this machine, if the relay is elsewhere: %s %s", async (text, address) => {
    // Documentation has addresses that nobody has (RFC 5737).
    const lookup = async (host: string): Promise<{ address: string; family: number }[]> => [
      { address: host === "tunnel.test" ? "192.0.2.7" : address, family: 4 },
    ];
    const it = new Case(settingsFor("https://tunnel.test"), lookup);
    const url = new URL(text);
    expect(await publicAddressFinding(it, { url, way: it.way })).toMatchObject({
      verdict: "failed",
      reason: expect.stringContaining(" is an address of this machine, and the relay is elsewhere"),
    });
  });

  it("leads to something else", async () => {
    const other = closing(await startService((_request, response) => response.writeHead(404).end()));
    const { port } = closing(await startRelay({ publicUrl: `http://{subdomain}.{domain}:${other.port}` }));
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["public-answer"]);
    expect(found.step("public-answer").reason).toContain("404, and not from the relay itself");
  });

  it("of a running client is visited as it is", async () => {
    const { port } = closing(await startRelay());
    const service = closing(await startService(mcpListener()));
    closing(
      await startTunnelClient({
        port: service.port,
        relayUrl: `http://127.0.0.1:${port}`,
        token: "a token",
        subdomain: "demo",
      }),
    );
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`, { port: service.port }));
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.step("public-mcp").reason).toContain("'test server 1.0'");
    expect(found.step("open-tools").verdict).toBe("warning");
  });

  it("of a running client that serves something else is named", async () => {
    const { port } = closing(await startRelay());
    const service = closing(await startService(mcpListener()));
    closing(
      await startTunnelClient({
        fetch: () => new Response("something else"),
        relayUrl: `http://127.0.0.1:${port}`,
        token: "a token",
        subdomain: "demo",
      }),
    );
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`, { port: service.port }));
    expect(found.ids("failed"), found.said).toEqual(["public-mcp"]);
    expect(found.step("public-mcp").advice).toContain(
      "Does the client that has the name serve this service?",
    );
  });

  it("leaves nothing open", async () => {
    const { port } = closing(await startRelay());
    const service = closing(await startService(mcpListener()));
    const settings = settingsFor(`http://127.0.0.1:${port}`, { port: service.port }, { idleMs: 50 });
    await examine(settings);
    await expectNoLeaks(async () => {
      const found = await examine(settings);
      expect(found.ids("failed"), found.said).toEqual([]);
    });
  });

  it("is not left behind by a doctor who is ended while the relay gives it", async () => {
    const asks = new EventEmitter();
    const registers = once(asks, "2");
    let asked = 0;
    const authenticator: Authenticator = {
      mode: "static",
      // The first to ask is the check.
      async authenticate() {
        asked += 1;
        asks.emit(String(asked));
        if (asked === 2) await once(asks, "decided");
        return { allowed: ["*"] };
      },
    };
    const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0, authenticator });
    const { port } = await relay.listen();
    closing({ close: () => relay.close(0) });
    const doctor = new Doctor(settingsFor(`http://127.0.0.1:${port}`));
    const run = doctor.run({ onStep: () => {}, onWaiting: () => {} });
    await registers;
    await doctor.close();
    asks.emit("decided");
    await run;
    await expect.poll(() => relay.tunnels()).toEqual([]);
  });

  it("is closed to others while the doctor looks", async () => {
    const { port } = closing(await startRelay());
    const visits: (string | undefined)[] = [];
    const service = closing(
      await startService(
        mcpListener("/mcp", (request) => {
          visits.push(request.headers["x-api-key"] as string | undefined);
          return false;
        }),
      ),
    );
    const settings = settingsFor(`http://127.0.0.1:${port}`, { port: service.port });
    const found = await examine(settings);
    expect(found.ids("failed"), found.said).toEqual([]);
    // The key stays at the gate.
    expect(visits.length).toBeGreaterThan(4);
    expect(visits.filter((key) => key !== undefined)).toEqual([]);
  });

  it("takes large bodies only up to the relay's limits", async () => {
    const { port } = closing(await startRelay({ maxRequestBodyBytes: 2_000_000 }));
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("warning"), found.said).toEqual(["body-up"]);
    expect(found.step("body-up").reason).toContain("the relay answers 413 (request_too_large)");
  });
});

it("names a proxy in front of the relay that lets no client in", async () => {
  const relay = closing(await startRelay());
  const proxy = closing(
    await startService((request, response) => {
      const { upgrade: _, connection: __, ...headers } = request.headers;
      const { url: path, method } = request;
      const passed = { host: "127.0.0.1", port: relay.port, path, method, headers, agent: false };
      request.pipe(
        sendRequest(passed, (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        }),
      );
    }),
  );
  const found = await examine(settingsFor(`http://127.0.0.1:${proxy.port}`));
  expect(found.ids("failed"), found.said).toEqual(["relay"]);
  expect(found.step("relay").advice).toContain("takes the field Upgrade away");
});

describe.skipIf(missingProgram("nginx"))("nginx in front of a relay", () => {
  /** `how`: directives for what is passed to the relay. */
  async function behind(how: string, others: Partial<DoctorSettings> = {}): Promise<Examined> {
    // nginx has to know the relay's port, and the relay has to know that of nginx for its public URLs.
    const port = await freePort();
    const nginx = closing(
      await startNginx(
        port,
        `location ~ ^/[^_] {
          proxy_pass http://relay;
          proxy_set_header Host $http_host;
          ${how}
        }`,
      ),
    );
    closing(await startRelay({ port, publicUrl: `http://{subdomain}.{domain}:${nginx.port}` }));
    return examine(settingsFor(`http://127.0.0.1:${nginx.port}`, undefined, others));
  }

  const upgrading = `proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";`;

  it("passes all as it should", async () => {
    const found = await behind(`${upgrading} client_max_body_size 10m;`, { idleMs: 100 });
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.ids("warning"), found.said).toEqual([]);
  });

  it("compresses the events of a stream, and collects them for that", async () => {
    const found = await behind(
      `${upgrading} client_max_body_size 10m;
      gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;`,
    );
    expect(found.ids("failed"), found.said).toEqual(["stream"]);
    expect(found.step("stream").reason).toBe("events come only when the stream has ended");
    expect(found.step("stream").advice).toContain("no gzip for text/event-stream");
  });

  it("speaks HTTP/1.0 to the relay, as it does by default", async () => {
    const found = await behind("client_max_body_size 10m;");
    expect(found.ids("failed"), found.said).toEqual(["stream", "websocket"]);
    expect(found.step("stream").advice).toContain("proxy_buffering off");
  });

  it("does not pass Upgrade", async () => {
    const found = await behind(
      'proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 10m;',
    );
    expect(found.ids("failed"), found.said).toEqual(["websocket"]);
    expect(found.step("websocket").reason).toMatch(/^no WebSocket opens: 426 from 'nginx/);
  });

  it("limits bodies", async () => {
    const found = await behind(upgrading);
    expect(found.ids("warning"), found.said).toEqual(["body-up"]);
    expect(found.step("body-up").reason).toMatch(/one of 4 MiB does not: 413 from 'nginx/);
  });

  it("cuts what is silent", async () => {
    const found = await behind(`${upgrading} client_max_body_size 10m; proxy_read_timeout 1s;`, {
      idleMs: 3_000,
    });
    expect(found.ids("failed"), found.said).toEqual(["idle"]);
    expect(found.step("idle").reason).toMatch(
      /the event stream was gone after .* the WebSocket was gone after/,
    );
  });
});
