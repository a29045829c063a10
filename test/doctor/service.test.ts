import type { AddressInfo } from "node:net";
import type { ServiceOptions } from "mcp-tunnel-client";
import { stepLines } from "mcp-tunnel-shared/command";
import { createServer as createVite } from "vite";
import { describe, expect, it } from "vitest";
import { createAuthority } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { freePort } from "../support/free-port.js";
import type { McpOptions } from "../../packages/cli/src/options/mcp-options.js";
import type { DoctorSettings } from "../../packages/cli/src/doctor/case.js";
import { examine, mcpListener, settingsFor, startRelay, startSecureService, startService } from "./world.js";
import type { Examined, Listening } from "./world.js";

const closing = closingAfterEach();

/** Runs a doctor for a service behind a relay on which all is well. */
async function examineService(
  local: ServiceOptions | undefined,
  others: Partial<DoctorSettings> = {},
): Promise<Examined> {
  const { port } = closing(await startRelay());
  return examine(settingsFor(`http://127.0.0.1:${port}`, local, others));
}

async function mcpService(...args: Parameters<typeof mcpListener>): Promise<Listening> {
  return closing(await startService(mcpListener(...args)));
}

describe("a local service", () => {
  it("is all well, but open to everybody", async () => {
    const { port } = await mcpService();
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.ids("warning"), found.said).toEqual(["open-tools"]);
    expect(found.step("local-mcp").reason).toBe("'test server 1.0', revision 2025-06-18, answers at /mcp");
    expect(found.step("open-tools").reason).toContain(
      "tools/list is answered without authentication (2 tools)",
    );
    expect(found.step("open-tools").advice).toContain("--visitor-auth");
  });

  it("does not listen", async () => {
    const port = await freePort();
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual(["local-listens"]);
    expect(found.step("local-listens").reason).toBe(`nothing listens at [::1]:${port} and 127.0.0.1:${port}`);
  });

  it("listens at ::1 alone, which is where the client looks first", async () => {
    const { port } = closing(await startService(mcpListener(), "::1"));
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.step("local-listens").reason).toBe(`listens at [::1]:${port}, and only there`);
  });

  it("listens at ::1 alone, and another address was given", async () => {
    const { port } = closing(await startService(mcpListener(), "::1"));
    const found = await examineService({ target: `http://127.0.0.1:${port}` });
    expect(found.ids("failed"), found.said).toEqual(["local-listens"]);
    expect(found.step("local-listens").reason).toContain(`but something does at [::1]:${port}`);
  });

  it("speaks TLS", async () => {
    const authority = await createAuthority();
    const pair = await authority.issue(["localhost"]);
    const { port } = closing(await startSecureService(pair, mcpListener()));
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual(["local-answers"]);
  });

  it("of Vite refuses the Host that it gets by the options", async () => {
    const vite = await createVite({
      configFile: false,
      logLevel: "silent",
      server: { port: 0, host: "127.0.0.1", ws: false, watch: null },
    });
    await vite.listen();
    closing({ close: () => vite.close() });
    const port = (vite.httpServer?.address() as AddressInfo | undefined)?.port ?? 0;
    // Vite takes all names below localhost.
    const relay = closing(await startRelay({ domain: "tunnel.test" }));
    const found = await examine(
      settingsFor(`http://127.0.0.1:${relay.port}`, { port, hostHeader: "preserve" }),
      async () => [{ address: "127.0.0.1", family: 4 }],
    );
    expect(found.step("local-host").verdict, found.said).toBe("failed");
    expect(found.step("local-host").reason).toMatch(/GET \/ answers 403/);
    expect(found.step("local-host").advice).toContain("--host-header rewrite");
  });

  it("knows itself by one name alone", async () => {
    const { port } = await mcpService("/mcp", (request, response) => {
      if (request.headers.host === "localhost") return false;
      response.writeHead(400).end("Bad Request (DisallowedHost)");
      return true;
    });
    const found = await examineService({ port });
    expect(found.step("local-host").verdict, found.said).toBe("failed");
    expect(found.step("local-host").advice).toContain("--host-header localhost");
  });

  it("refuses requests for reasons of its own", async () => {
    const { port } = closing(await startService((_request, response) => response.writeHead(403).end()));
    const found = await examineService({ port });
    expect(found.step("local-host").verdict).toBe("ok");
    expect(found.step("local-host").reason).toContain("whatever the Host");
  });

  it("refuses the Origin that it gets by the options", async () => {
    const { port } = await mcpService("/mcp", (request, response) => {
      const { origin, host } = request.headers;
      if (origin === undefined || origin === `http://${host}`) return false;
      response.writeHead(403).end("Invalid Origin");
      return true;
    });
    const found = await examineService({ port, origin: "keep" });
    expect(found.ids("failed"), found.said).toEqual(["local-origin"]);
    expect(found.step("local-origin").advice).toContain("--origin rewrite");
    const well = await examineService({ port });
    expect(well.ids("failed"), well.said).toEqual([]);
  });

  it("has MCP elsewhere", async () => {
    const { port } = await mcpService("/");
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual(["local-mcp"]);
    expect(found.step("local-mcp").reason).toContain("but there is one at /");
    expect(found.step("local-mcp").advice).toContain("--mcp-path /");
    const well = await examineService({ port }, { mcpPath: "/", isMcpPathGiven: true });
    expect(well.ids("failed"), well.said).toEqual([]);
  });

  it("has no MCP, which is a fault only for who said where it is", async () => {
    const { port } = closing(await startService((_request, response) => response.end("a page")));
    const found = await examineService({ port });
    expect(found.step("local-mcp").verdict, found.said).toBe("warning");
    expect(found.step("public-mcp").verdict, found.said).toBe("skipped");
    const asked = await examineService({ port }, { mcpPath: "/api", isMcpPathGiven: true });
    expect(asked.step("local-mcp").verdict).toBe("failed");
  });

  it("has a name that would fill the screen", async () => {
    const serverInfo = { name: `\u001b[2J${"x".repeat(100_000)}`, version: "1" };
    const { port } = await mcpService("/mcp", (request, response) => {
      if (request.method !== "POST") return false;
      const result = { protocolVersion: "2025-06-18", capabilities: {}, serverInfo, tools: [] };
      response.setHeader("content-type", "text/event-stream");
      // The answer stays open after its message.
      response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id: 1, result })}\n\n`);
      return true;
    });
    const found = await examineService({ port });
    expect(found.step("local-mcp").verdict, found.said).toBe("ok");
    const lines = found.report.steps.flatMap((step) => stepLines(step));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(120);
    expect(lines.join("")).not.toContain("\u001b");
  });

  it("answers a GET wrongly", async () => {
    const { port } = await mcpService("/mcp", (request, response) => {
      if (request.method !== "GET") return false;
      response.writeHead(404).end();
      return true;
    });
    const found = await examineService({ port });
    expect(found.step("local-mcp-get").verdict).toBe("warning");
    expect(found.step("local-mcp-get").reason).toBe(
      "GET /mcp answers 404, in place of an event stream or 405",
    );
  });
});

describe("OAuth metadata of a local service", () => {
  /** A service that wants a login, and says that it is at `resource`. */
  const withLogin = (resource: (host: string) => string | undefined): Promise<Listening> =>
    mcpService("/mcp", (request, response) => {
      const named = resource(request.headers.host ?? "");
      if (request.url === "/mcp") {
        response.writeHead(401, { "www-authenticate": "Bearer" }).end();
      } else if (request.url === "/.well-known/oauth-protected-resource/mcp" && named !== undefined) {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ resource: named, authorization_servers: [] }));
      } else response.writeHead(404).end();
      return true;
    });

  it("name the public URL, because the client sees to that", async () => {
    const { port } = await withLogin((host) => `http://${host}/mcp`);
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.step("oauth").reason).toMatch(/^resource is http:\/\/demo\.localhost:\d+\/mcp$/);
    expect(found.step("public-mcp").reason).toContain("wants visitors to sign in (401)");
  });

  it("name another resource, by a setting of the service", async () => {
    const { port } = await withLogin(() => "https://old.example.com/mcp");
    const found = await examineService({ port });
    expect(found.ids("failed"), found.said).toEqual(["oauth"]);
    expect(found.step("oauth").reason).toContain("resource is 'https://old.example.com/mcp'");
    expect(found.step("oauth").advice).toMatch(/^Set the service's public URL to http:\/\/demo\.localhost/);
  });

  it("name the service, by an option of the client", async () => {
    const { port } = await withLogin((host) => `http://${host}/mcp`);
    const found = await examineService({ port, oauthMetadata: "keep" });
    expect(found.ids("failed"), found.said).toEqual(["oauth"]);
    expect(found.step("oauth").advice).toContain("--oauth-metadata rewrite");
  });

  it("are not there, although visitors have to sign in", async () => {
    const { port } = await withLogin(() => undefined);
    const found = await examineService({ port });
    expect(found.step("oauth").verdict, found.said).toBe("warning");
  });
});

describe("an MCP server on stdio", () => {
  const server = new URL("../mcp/stdio-server.mjs", import.meta.url).pathname;
  const tunnelOf = (command: string, args: string[]): Partial<DoctorSettings> => {
    const mcp: McpOptions = { servers: { form: "command", command, args }, limits: {}, forwarding: {} };
    return { tunnel: { local: undefined, mcp, visitors: undefined } };
  };

  it("is started, asked and ended", async () => {
    const found = await examineService(undefined, tunnelOf(process.execPath, [server]));
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.step("local-mcp").verdict).toBe("ok");
    expect(found.step("public-mcp").verdict).toBe("ok");
  });

  it("does not start", async () => {
    const found = await examineService(undefined, tunnelOf(process.execPath, ["-e", "process.exit(3)"]));
    expect(found.step("local-mcp").verdict, found.said).toBe("failed");
    expect(found.step("local-mcp").advice).toContain("3");
  });
});
