import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  createRelay,
  type ExchangeRecord,
  type Judgment,
  type LimitEvent,
  type ListenOptions,
  type RelayObserver,
  tokenFileAuthenticator,
  type TunnelEvent,
  TunnelError,
  type Visit,
} from "mcp-tunnel";
import { type AdminServer, createAdminServer } from "mcp-tunnel/admin";
import { createMetrics, type Metrics } from "mcp-tunnel/metrics";
import { startTunnelClient } from "mcp-tunnel-client";
import { afterAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { expectNoLeaks } from "../support/leaks.js";
import { LogWatch } from "../support/log-watch.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream } from "../support/upstream.js";

// A relay in a program of somebody else: TypeScript that is compiled strictly, and the examples of
// packages/relay/README.md. Visitors come with curl.

const closing = closingAfterEach();
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-embedding-"));
afterAll(() => rmSync(folder, { recursive: true }));
// The folder in which the packages that the examples import are found.
const cwd = fileURLToPath(new URL("..", import.meta.url));

/** A file in which one token has one name. */
function tokenFile(token: string, name: string): string {
  const file = join(folder, `${token}.yaml`);
  writeFileSync(file, tokensText(token, name));
  return file;
}

function tokensText(token: string, name: string): string {
  return `tokens:\n  - sha256: ${hash("sha256", token, "hex")}\n    subdomains: [${name}]\n`;
}

async function curl(port: number, path: string, ...args: string[]): Promise<string> {
  const url = `http://127.0.0.1:${port}${path}`;
  const { stdout } = await promisify(execFile)("curl", ["-sS", ...args, url]);
  return stdout;
}

const asApp = ["-H", "Host: app.localhost"];

describe.skipIf(missingProgram("curl"))("a program with a relay in it", () => {
  it("uses all its parts, and leaves nothing behind", async () => {
    await expectNoLeaks(async () => {
      const file = tokenFile("one", "app");
      const log = new LogWatch();
      const metrics: Metrics = createMetrics();
      const tunnels: TunnelEvent[] = [];
      const limits: LimitEvent[] = [];
      const ended: ExchangeRecord[] = [];
      const began: string[] = [];
      const watch: RelayObserver = {
        onEnd: (exchange) => void ended.push(exchange),
        onTunnelEvent: (event) => void tunnels.push(event),
        onLimit: (event) => void limits.push(event),
      };
      const judge = async (visit: Visit): Promise<Judgment> => {
        began.push(visit.requestId);
        if (visit.path === "/forbidden") return { status: 403, code: "forbidden", text: "not for you" };
        const removeFields = ["Authorization"];
        if (visit.header("authorization") !== "Bearer of-ada")
          return { removeFields: ["X-User", ...removeFields] };
        return { setFields: ["X-User", "ada"], removeFields };
      };
      await using relay = createRelay({
        domain: "localhost",
        host: "127.0.0.1",
        port: 0,
        startupHoldMs: 0,
        maxRequestBodyBytes: 3,
        logger: log.logger,
        authenticator: await tokenFileAuthenticator({ file, logger: log.logger }),
        observers: [watch, metrics.observer],
        judges: [judge],
      });
      const aborter = new AbortController();
      const options: ListenOptions = { signal: aborter.signal };
      const { port } = await relay.listen(options);
      const admin: AdminServer = createAdminServer(relay, { host: "127.0.0.1", port: 0, metrics });
      const { port: adminPort } = await admin.listen();
      expect(() => createAdminServer(relay, { host: "0.0.0.0", port: 0, metrics })).toThrow(
        expect.objectContaining({ code: "invalid_option", options: ["host", "secret"] }),
      );

      const upstream = await startUpstream();
      const client = await startTunnelClient({
        port: upstream.port,
        relayUrl: `http://127.0.0.1:${port}`,
        token: "one",
      });
      const token = relay.tunnels()[0]?.token;
      expect(token).toMatch(/./);
      const ofApp = { name: "app", token, address: "127.0.0.1" };
      expect(tunnels).toMatchObject([{ type: "registered", ...ofApp }]);

      const forged = ["-H", "X-User: root", "-H", "X_User: root"];
      await curl(port, "/", ...asApp, ...forged, "-H", "Authorization: Bearer of-ada");
      await curl(port, "/", ...asApp, ...forged);
      const [ofAda, ofNobody] = upstream.requests.map(({ rawHeaders }) => rawHeaders.join("\n"));
      expect(ofAda).toContain("X-User\nada");
      expect(ofAda).not.toMatch(/root|Authorization/);
      expect(ofNobody).not.toMatch(/X.User/i);
      expect(await curl(port, "/forbidden", ...asApp)).toBe("not for you");
      expect(await curl(port, "/", ...asApp, "-d", "four")).toContain("request body too large");
      expect(limits).toEqual([
        { limit: "request_body", name: "app", token: undefined, address: "127.0.0.1" },
      ]);
      expect(ended.map(({ status }) => status)).toEqual([200, 200, 403, 413]);
      expect(ended.map(({ requestId }) => requestId)).toEqual(began);

      expect(await curl(adminPort, "/readyz")).toContain("ready");
      expect(JSON.parse(await curl(adminPort, "/api/tunnels/app"))).toMatchObject({
        ...ofApp,
        state: "online",
      });
      const scraped = await curl(adminPort, "/metrics");
      expect(scraped).toContain('mcp_tunnel_refusals_total{code="request_too_large"} 1\n');
      expect(scraped).toContain('mcp_tunnel_events_total{event="registered"} 1\n');

      // The token is taken back.
      const gone = new Promise<void>((resolve) => client.on("closed", () => resolve()));
      writeFileSync(file, tokensText("another", "app"));
      await relay.reload();
      await gone;
      expect(tunnels.slice(1)).toMatchObject([
        { type: "revoked", ...ofApp, reason: "token revoked" },
        { type: "closed", ...ofApp },
      ]);

      aborter.abort();
      await relay.close();
      await admin.close();
      await client.close();
      await upstream.close();
    });
  });

  it("goes on if an observer throws or, as an async function, rejects", async () => {
    const log = new LogWatch();
    const others: (number | undefined)[] = [];
    // As an async function; the linter would not have one where nothing is to be returned.
    const rejecting = (): unknown => Promise.reject(new Error("rejected"));
    await using relay = createRelay({
      domain: "localhost",
      host: "127.0.0.1",
      port: 0,
      logger: log.logger,
      observers: [
        {
          onEnd() {
            throw new Error("thrown");
          },
        },
        { onEnd: rejecting },
        { onEnd: ({ status }) => void others.push(status) },
      ],
    });
    const { port } = await relay.listen();
    expect(await curl(port, "/", ...asApp)).toBe("tunnel not found");
    for (const said of ["Error: thrown", "Error: rejected"]) {
      await log.waitFor(() =>
        log.json.find(({ msg, error }) => msg === "an observer failed" && String(error).startsWith(said)),
      );
    }
    expect(others).toEqual([502]);
  });

  it("is told what is wrong with its token file", async () => {
    const file = join(folder, "none.yaml");
    await expect(tokenFileAuthenticator({ file })).rejects.toMatchObject({ code: "unavailable", file });
    writeFileSync(file, "tokens:\n  - sha256: short\n    subdomains: [app]\n");
    const error = await tokenFileAuthenticator({ file }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TunnelError);
    expect(error).toMatchObject({ code: "invalid_option", file, message: expect.stringContaining("2:") });
    const unknown = { file, path: file };
    await expect(tokenFileAuthenticator(unknown)).rejects.toMatchObject({ code: "invalid_option" });
  });
});

describe.skipIf(missingProgram("curl"))("the examples of the relay's page", () => {
  const page = readFileSync(new URL("../../packages/relay/README.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code);

  /** The one example that matches, for this machine and free ports. */
  function example(pattern: RegExp): string {
    const [code, ...others] = examples.filter((text) => pattern.test(text));
    if (code === undefined || others.length > 0) throw new Error(`not one example matches ${pattern}`);
    return code.replaceAll("tunnel.example.com", "localhost").replaceAll(/port: \d+/g, "port: 0");
  }

  function run(code: string): RunningCommand {
    return closing(new RunningCommand(process.execPath, ["--input-type=module", "--eval", code], { cwd }));
  }

  it("run what the command has besides, until a signal", async () => {
    const code = example(/tokenFileAuthenticator/);
    const program = run(code.replace("tokens.yaml", tokenFile("two", "app")));
    const { port } = await program.waitForJson({ message: "the relay listens" });
    const { port: adminPort } = await program.waitForJson({ message: "the admin listener listens" });
    const client = closing(
      await startTunnelClient({
        fetch: () => new Response("hello"),
        relayUrl: `http://127.0.0.1:${port}`,
        token: "two",
      }),
    );
    expect(await curl(port as number, "/", ...asApp)).toBe("hello");
    expect(await curl(adminPort as number, "/metrics")).toContain('mcp_tunnel_tunnels{state="online"} 1\n');
    await program.waitForJson({ message: "request", name: "app", status: 200 });
    await client.close();
    program.child.kill("SIGTERM");
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  it("have a judge that sets a field", async () => {
    const code = example(/setFields/);
    const program = run(
      `const userOf = async (cookie) => /user=(\\w+)/.exec(cookie ?? "")?.[1];
${code.replace("domain:", "port: 0, domain:")}
console.log(JSON.stringify(await relay.listen()));`,
    );
    const { port } = await program.waitFor("the address", () => program.json[0]);
    closing(
      await startTunnelClient({
        fetch: (request) => new Response(`you are ${request.headers.get("x-user")}`),
        relayUrl: `http://127.0.0.1:${port}`,
        token: "t",
        subdomain: "app",
      }),
    );
    const visit = (...args: string[]) => curl(port as number, "/", ...asApp, "-H", "X-User: root", ...args);
    expect(await visit("-H", "Cookie: user=ada")).toBe("you are ada");
    expect(await visit()).toBe("you are null");
  });
});
