import { once } from "node:events";
import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer, type LookupFunction } from "node:net";
import { createGzip } from "node:zlib";
import { Command } from "commander";
import { type DoctorReport, examineAll, type Step } from "mcp-tunnel-shared/command";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  createAuthority,
  createFolder,
  type Folder,
  type Pair,
} from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { LogWatch } from "../../../test/support/log-watch.js";
import { createAdminServer } from "../src/admin/server.js";
import { createMetrics } from "../src/admin/metrics.js";
import { examinationsOf } from "../src/cli/doctor/examinations.js";
import type { Surroundings } from "../src/cli/doctor/surroundings.js";
import { addRelayOptions } from "../src/cli/options/options.js";
import { createRelay, type Relay, type RelayOptions } from "../src/index.js";

const closing = closingAfterEach();
const domain = "tunnel.test";
const dayMs = 86_400_000;

let authority: Authority;
let pair: Pair;
beforeAll(async () => {
  authority = await createAuthority();
  pair = await authority.issue([domain, `*.${domain}`]);
});

/** A resolver that knows these names; `*.` stands for any label. Others get the error. */
function resolver(names: Readonly<Record<string, readonly string[]>>, code = "ENOTFOUND"): LookupFunction {
  return (hostname, options, callback) => {
    const found = names[hostname] ?? names[hostname.replace(/^[^.]+/, "*")];
    const error = Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code });
    if (found === undefined) callback(error, "");
    else if (options.all === true) {
      callback(
        null,
        found.map((address) => ({ address, family: 4 })),
      );
    } else callback(null, found[0] ?? "", 4);
  };
}

const allNames = {
  [domain]: ["127.0.0.1"],
  [`*.${domain}`]: ["127.0.0.1"],
  "127.0.0.1": ["127.0.0.1"],
  localhost: ["127.0.0.1"],
};

async function examine(args: readonly string[], given: Partial<Surroundings> = {}): Promise<DoctorReport> {
  const command = addRelayOptions(new Command().exitOverride()).parse(args, { from: "user" });
  return examineAll(
    await examinationsOf(command, {
      lookup: resolver(allNames),
      ownAddresses: ["127.0.0.1"],
      roots: [authority.cert],
      now: Date.now,
      openFiles: 65_536,
      userId: 1_000,
      ...given,
    }),
  );
}

/** The steps that are not well. */
const complaints = ({ steps }: DoctorReport): Step[] =>
  steps.filter(({ verdict }) => verdict === "failed" || verdict === "warning");

/** The only complaint. */
function complaint(report: DoctorReport): Step {
  const [first, ...others] = complaints(report);
  expect(others.map(({ id, reason }) => `${id}: ${reason}`)).toEqual([]);
  if (first === undefined) throw new Error("the doctor has nothing to complain about");
  return first;
}

function folder(): Folder {
  return closing(createFolder());
}

/** The files of a certificate, and the options that name them. */
function tlsArgs({ cert, key }: Pair, at = folder()): [string, string, string, string] {
  const keyFile = at.write("key.pem", key);
  chmodSync(keyFile, 0o600);
  return ["--tls-cert", at.write("cert.pem", cert), "--tls-key", keyFile];
}

async function startRelay(options: Partial<RelayOptions> = {}): Promise<{ relay: Relay; port: number }> {
  const relay = createRelay({ domain, host: "127.0.0.1", port: 0, ...options });
  const { port } = await relay.listen();
  closing({ close: () => relay.close(0) });
  return { relay, port };
}

async function listening(server: Server | ReturnType<typeof createNetServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    close: () => {
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
    },
  });
  return (server.address() as AddressInfo).port;
}

const base = ["--domain", domain, "--host", "127.0.0.1", "--port", "0"];
const on = (port: number, publicPort = port, scheme = "http"): string[] => [
  ...["--domain", domain, "--host", "127.0.0.1", "--port", String(port)],
  ...["--public-url", `${scheme}://{subdomain}.{domain}:${publicPort}`],
];

/** A proxy in front of the relay, right but for what is said here. */
interface ProxyFaults {
  dropsUpgrade?: boolean;
  gathers?: boolean;
  compresses?: boolean;
  writesHost?: string;
  says?: Record<string, string>;
}

function startProxy(port: number, faults: ProxyFaults): Promise<number> {
  const { dropsUpgrade = false, gathers = false, compresses = false, writesHost, says = {} } = faults;
  const pass = (req: IncomingMessage) => {
    const host = writesHost ?? req.headers.host ?? "";
    const headers = { ...req.headers, host };
    return request({ host: "127.0.0.1", port, path: req.url, method: req.method, headers, agent: false });
  };
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const out = pass(req);
    out.on("response", (answer) => {
      const isCompressed = compresses && req.headers["accept-encoding"] === "gzip";
      const encoding = isCompressed ? { "content-encoding": "gzip" } : {};
      res.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...says, ...encoding });
      if (isCompressed) {
        answer.pipe(createGzip()).pipe(res);
        return;
      }
      if (!gathers) {
        answer.pipe(res);
        return;
      }
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => res.end(Buffer.concat(chunks)));
    });
    out.end();
  };
  const server = createServer(serve);
  // Without a listener Node takes a request for an upgrade for an ordinary one.
  if (!dropsUpgrade) {
    server.on("upgrade", (req, socket, head) => {
      const raw = connect(port, "127.0.0.1");
      const lines = [`${req.method} ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2)
        lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      raw.write(`${lines.join("\r\n")}\r\n\r\n`);
      raw.write(head);
      raw.pipe(socket).pipe(raw);
      raw.on("error", () => socket.destroy());
      socket.on("error", () => raw.destroy());
    });
  } else {
    server.prependListener("request", (req) => {
      delete req.headers.upgrade;
      delete req.headers.connection;
    });
  }
  return listening(server);
}

describe("a good set-up", () => {
  it("with TLS, a provider, an admin port and a local port, that runs: all well", async () => {
    const provider = await listening(createServer((_req, res) => res.writeHead(405).end()));
    const at = folder();
    const tls = tlsArgs(pair, at);
    const { relay, port } = await startRelay({
      tls: { files: [{ cert: tls[1], key: tls[3] }] },
      localPorts: { app: 0 },
    });
    const admin = createAdminServer(relay, {
      ...{ host: "127.0.0.1", port: 0, secret: "s3cret", version: "1" },
      metrics: createMetrics("1"),
    });
    const { port: adminPort } = await admin.listen();
    closing(admin);
    const secretFile = at.write("secret", "s3cret");
    chmodSync(secretFile, 0o640);
    const report = await examine([
      ...on(port, port, "https"),
      ...tls,
      ...["--local-port", `app=${relay.localPorts.get("app")}`],
      ...["--admin-listen", `127.0.0.1:${adminPort}`, "--admin-secret-file", secretFile],
      ...["--auth-url", `http://127.0.0.1:${provider}`, "--auth-secret", "x"],
    ]);
    expect(report.steps.filter(({ verdict }) => verdict !== "ok")).toEqual([]);
    expect(report.verdict).toBe("ok");
    expect(report.steps.map(({ id }) => id)).toEqual([
      ...["options", "file-admin-secret-file", "file-tls-cert", "file-tls-key", "together"],
      ...["certificate-key", "certificate-names", "certificate-chain", "certificate-expiry"],
      ...["dns-domain", "dns-wildcard", "port", "local-port-app", "admin-port"],
      ...["public-connection", "public-certificate", "public-relay", "public-upgrade", "public-stream"],
      ...["auth-provider", "clock", "open-files"],
    ]);
    // Nothing that the doctor did was a registration.
    expect(relay.tunnels()).toEqual([]);
  });

  it("behind a proxy that is declared: nothing to complain about", async () => {
    const { port } = await startRelay({ trustedProxies: ["127.0.0.1"] });
    const proxy = await startProxy(port, { says: { server: "nginx" } });
    const report = await examine([...on(port, proxy), "--trusted-proxy", "127.0.0.1"]);
    expect(complaints(report)).toEqual([]);
    expect(report.steps.find(({ id }) => id === "public-stream")?.verdict).toBe("ok");
  });

  it("that does not run yet: its ports are free, and what needs it is skipped", async () => {
    const report = await examine([...base, ...tlsArgs(pair)]);
    expect(report.verdict).toBe("ok");
    const connection = report.steps.find(({ id }) => id === "public-connection");
    expect(connection?.reason).toBe("no relay runs here: start it, and examine it again");
  });

  it("on one machine", async () => {
    const { port } = await startRelay({ domain: "localhost" });
    const lookup = resolver({ localhost: ["127.0.0.1"] });
    const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", String(port)];
    const report = await examine(args, { lookup });
    expect(complaints(report)).toEqual([]);
    expect(report.steps.find(({ id }) => id === "public-upgrade")?.verdict).toBe("ok");
  });
});

describe("what is wrong is named: in files,", () => {
  it("a config file with a mistake", async () => {
    const config = folder().write("relay.yaml", "domain: tunnel.test\nprot: 1\n");
    const report = await examine(["--config", config]);
    expect(complaint(report)).toMatchObject({
      id: "options",
      verdict: "failed",
      reason: expect.stringContaining(`${config}:2: unknown key 'prot'`),
    });
  });

  it.each(["nope", "http://{subdomain}.{domain}:99999"])("a public URL that is none: %s", async (url) => {
    expect(complaint(await examine([...base, "--public-url", url]))).toMatchObject({
      id: "options",
      verdict: "failed",
      reason: expect.stringContaining(`the public URL '${url}' is not an http(s) URL`),
    });
  });

  it("options that are wrong together", async () => {
    const report = await examine([...base, "--static-token", "t:a", "--auth-url", "http://127.0.0.1:1"]);
    expect(report.steps.find(({ id }) => id === "together")).toMatchObject({
      verdict: "failed",
      reason: expect.stringContaining("exclude each other"),
    });
  });

  it("a token file that is not there", async () => {
    const report = await examine([...base, "--token-file", "/no/such/file"]);
    expect(complaint(report)).toMatchObject({
      id: "file-token-file",
      verdict: "failed",
      reason: "/no/such/file is not there",
    });
  });

  it.skipIf(process.platform === "win32")("a key that everybody may read", async () => {
    const args = tlsArgs(pair);
    chmodSync(args[3], 0o644);
    // Nobody else gets into the folder.
    expect(complaints(await examine([...base, ...args]))).toEqual([]);
    chmodSync(dirname(args[3]), 0o711);
    expect(complaint(await examine([...base, ...args]))).toMatchObject({
      id: "file-tls-key",
      verdict: "warning",
      reason: expect.stringContaining("every user of this machine may use it (mode 644)"),
      advice: `Take it away from the others: chmod o-rwx ${args[3]}`,
    });
  });

  it.skipIf(process.platform === "win32")("a config file with a secret that everybody may read", async () => {
    const config = folder().write("relay.yaml", "domain: tunnel.test\nport: 0\nstatic-token: s3cret:app\n");
    chmodSync(config, 0o644);
    chmodSync(dirname(config), 0o711);
    const step = complaint(await examine(["--config", config]));
    expect(step).toMatchObject({ id: "file-config", verdict: "warning" });
    expect(JSON.stringify(step)).not.toContain("s3cret");
  });

  it("an ACME hook that is no program", async () => {
    const at = folder();
    const hook = at.write("hook.sh", "#!/bin/sh\n");
    chmodSync(hook, 0o644);
    const acme = ["--acme-email", "a@example.com", "--acme-hook", hook, "--acme-storage", `${at.path}/acme`];
    const report = await examine([...base, ...acme, "--acme-dir", "https://127.0.0.1:1/directory"]);
    expect(report.steps.find(({ id }) => id === "file-acme-hook")).toMatchObject({ verdict: "failed" });
    expect(report.steps.find(({ id }) => id === "certificate-key")).toMatchObject({
      verdict: "warning",
      reason: "ACME has not brought a certificate yet",
    });
    expect(report.steps.find(({ id }) => id === "acme-directory")).toMatchObject({ verdict: "failed" });
  });
});

describe("what is wrong is named: in the DNS,", () => {
  it("no address of the domain", async () => {
    const report = await examine(base, { lookup: resolver({}) });
    expect(complaint(report)).toMatchObject({
      id: "dns-domain",
      verdict: "failed",
      reason: "tunnel.test has no address: the resolver does not know it (ENOTFOUND, NXDOMAIN in the DNS)",
    });
  });

  it("no wildcard", async () => {
    const report = await examine(base, { lookup: resolver({ [domain]: ["192.0.2.1"] }) });
    expect(complaint(report)).toMatchObject({
      id: "dns-wildcard",
      verdict: "failed",
      reason: expect.stringMatching(/^doctor-[0-9a-f]{12}\.tunnel\.test has no address: .*NXDOMAIN/),
      advice: "Add the wildcard record *.tunnel.test with the addresses of tunnel.test (192.0.2.1).",
    });
  });

  it("a wildcard that leads elsewhere", async () => {
    const lookup = resolver({ [domain]: ["192.0.2.1"], [`*.${domain}`]: ["198.51.100.7"] });
    expect(complaint(await examine(base, { lookup }))).toMatchObject({
      id: "dns-wildcard",
      verdict: "warning",
      reason: expect.stringContaining("*.tunnel.test leads to 198.51.100.7"),
    });
  });

  it("a resolver that does not answer", async () => {
    expect(complaint(await examine(base, { lookup: resolver({}, "EAI_AGAIN") }))).toMatchObject({
      id: "dns-domain",
      verdict: "failed",
      reason: "the resolver of this machine gives no answer about tunnel.test (EAI_AGAIN)",
    });
  });
});

describe("what is wrong is named: in the certificate,", () => {
  it.each<[string, string[], string]>([
    ["no wildcard", [domain], "no certificate is for *.tunnel.test; there is: DNS:tunnel.test"],
    [
      "nothing but the wildcard",
      [`*.${domain}`],
      "no certificate is for tunnel.test; there is: DNS:*.tunnel.test",
    ],
  ])("%s", async (_what, names, reason) => {
    const report = await examine([...base, ...tlsArgs(await authority.issue(names))]);
    expect(complaint(report)).toMatchObject({ id: "certificate-names", verdict: "failed", reason });
  });

  it("a wildcard that no program takes", async () => {
    const pairs = tlsArgs(await authority.issue(["tunnels", "*.tunnels"]));
    const report = await examine(["--domain", "tunnels", ...base.slice(2), ...pairs]);
    expect(report.steps.find(({ id }) => id === "certificate-names")).toMatchObject({
      verdict: "failed",
      reason: "no program takes *.tunnels for a wildcard, because tunnels has no dot",
    });
  });

  it.each<[string, number, "failed" | "warning", string]>([
    ["it has expired", 30, "failed", "it expired on "],
    ["it expires soon", 27, "warning", "it expires in 1 days, on "],
    ["it is of the future", -2, "failed", "it holds only from "],
  ])("%s", async (_what, days, verdict, reason) => {
    const now = (): number => Date.now() + days * dayMs;
    expect(complaint(await examine([...base, ...tlsArgs(pair)], { now }))).toMatchObject({
      id: "certificate-expiry",
      verdict,
      reason: expect.stringContaining(reason),
    });
  });

  it("a chain that ends early", async () => {
    expect(complaint(await examine([...base, ...tlsArgs(pair)], { roots: [] }))).toMatchObject({
      id: "certificate-chain",
      verdict: "failed",
      reason: expect.stringContaining("the certificate of 'CN=Test authority' is missing behind it"),
    });
  });

  it("an authority of one's own", async () => {
    const own = { cert: pair.cert + authority.cert, key: pair.key };
    expect(complaint(await examine([...base, ...tlsArgs(own)], { roots: [] }))).toMatchObject({
      id: "certificate-chain",
      verdict: "warning",
      reason: expect.stringContaining("'CN=Test authority', which is signed by itself"),
    });
  });

  it("another key", async () => {
    const other = await authority.issue([domain]);
    const report = await examine([...base, ...tlsArgs({ cert: pair.cert, key: other.key })]);
    expect(report.steps.find(({ id }) => id === "certificate-key")).toMatchObject({
      verdict: "failed",
      reason: expect.stringContaining("the key is not the key of this certificate"),
    });
  });

  it("one that clients do not trust", async () => {
    const [, cert, , key] = tlsArgs(pair);
    const { port } = await startRelay({ tls: { files: [{ cert, key }] } });
    // The relay's own files are not looked at: a proxy could have shown the certificate.
    const report = await examine(on(port, port, "https"), { roots: [] });
    // A relay that speaks plain HTTP is not what answers at the port.
    expect(report.steps.find(({ id }) => id === "port")?.verdict).toBe("failed");
    const withFiles = await examine([...on(port, port, "https"), "--tls-cert", cert, "--tls-key", key], {
      roots: [],
    });
    expect(withFiles.steps.find(({ id }) => id === "public-certificate")).toMatchObject({
      verdict: "failed",
      reason: expect.stringContaining("not trusted: UNABLE_TO_"),
    });
  });
});

describe("what is wrong is named: at the ports,", () => {
  it("another program", async () => {
    const port = await listening(createServer((_req, res) => res.end("hello")));
    expect(complaint(await examine(on(port)))).toMatchObject({
      id: "port",
      verdict: "failed",
      reason: `another program has 127.0.0.1:${port}, or a relay with other options`,
    });
  });

  it("another program that says nothing, at a local port", async () => {
    const silent = createNetServer((socket) => socket.destroy());
    const port = await listening(silent);
    expect(complaint(await examine([...base, "--local-port", `app=${port}`]))).toMatchObject({
      id: "local-port-app",
      verdict: "failed",
    });
  });

  it("an address that this machine does not have", async () => {
    const report = await examine(["--domain", domain, "--host", "192.0.2.1", "--port", "8080"]);
    expect(complaint(report)).toMatchObject({
      id: "port",
      verdict: "failed",
      reason: expect.stringContaining("this machine has no such address"),
    });
  });

  it("an admin API with another secret", async () => {
    const { relay } = await startRelay();
    const metrics = createMetrics("1");
    const admin = createAdminServer(relay, {
      host: "127.0.0.1",
      port: 0,
      secret: "right",
      version: "1",
      metrics,
    });
    const { port } = await admin.listen();
    closing(admin);
    const args = ["--admin-listen", `127.0.0.1:${port}`, "--admin-secret", "wrong"];
    expect(complaint(await examine([...base, ...args]))).toMatchObject({
      id: "admin-port",
      verdict: "failed",
      reason: expect.stringContaining("refused"),
    });
  });
});

describe("what is wrong is named: on the way from outside,", () => {
  it.each<[string, ProxyFaults, string, "failed" | "warning", string]>([
    [
      "a proxy that drops Upgrade",
      { dropsUpgrade: true },
      "public-upgrade",
      "failed",
      "came to the relay as an ordinary one",
    ],
    [
      "a proxy that gathers answers",
      { gathers: true },
      "public-stream",
      "failed",
      "5 events that the relay sent within 0.8 s came at once",
    ],
    [
      "a proxy that compresses event streams",
      { compresses: true },
      "public-stream",
      "failed",
      "came at once",
    ],
    [
      "a proxy that writes its own Host",
      { writesHost: "127.0.0.1" },
      "public-relay",
      "failed",
      "but for another Host than tunnel.test",
    ],
    [
      "a proxy that nobody has declared",
      { says: { server: "nginx" } },
      "public-relay",
      "warning",
      "a proxy (nginx) is in front of the relay, but --trusted-proxy names none",
    ],
  ])("%s", async (_what, faults, id, verdict, reason) => {
    const { port } = await startRelay();
    const proxy = await startProxy(port, faults);
    expect(complaint(await examine(on(port, proxy)))).toMatchObject({
      id,
      verdict,
      reason: expect.stringContaining(reason),
    });
  });

  it("another web server", async () => {
    const { port } = await startRelay();
    const other = await listening(
      createServer((_req, res) => res.writeHead(404, { Server: "Apache" }).end()),
    );
    expect(complaint(await examine(on(port, other)))).toMatchObject({
      id: "public-relay",
      verdict: "failed",
      reason: expect.stringContaining("answers 404, but that is not the relay (Apache)"),
    });
  });

  it("a redirect that does not begin at port 80", async () => {
    const tls = tlsArgs(pair);
    const log = new LogWatch();
    const { port } = await startRelay({
      tls: { files: [{ cert: tls[1], key: tls[3] }], redirectPort: 0 },
      logger: log.logger,
    });
    const { port: redirectPort } = await log.waitForJson({ msg: "redirecting to HTTPS" });
    const args = [...on(port, port, "https"), ...tls, "--http-redirect", String(redirectPort)];
    const report = await examine(args);
    expect(report.steps.find(({ id }) => id === "redirect-port")?.verdict).toBe("ok");
    expect(complaint(report)).toMatchObject({
      id: "public-redirect",
      verdict: "warning",
      reason: expect.stringContaining("http://tunnel.test/"),
    });
  });

  it("nothing, which may be the router's doing", async () => {
    const { port } = await startRelay();
    const closed = createNetServer();
    const nobody = await listening(closed);
    closed.close();
    const report = await examine(on(port, nobody));
    expect(complaint(report)).toMatchObject({
      id: "public-connection",
      verdict: "warning",
      advice: expect.stringContaining("hairpin NAT"),
    });
    expect(report.steps.find(({ id }) => id === "public-upgrade")?.verdict).toBe("skipped");
  });
});

describe("what is wrong is named: about the machine,", () => {
  it("a provider that does not answer", async () => {
    const args = [...base, "--auth-url", "http://127.0.0.1:1", "--auth-secret", "x"];
    expect(complaint(await examine(args))).toMatchObject({ id: "auth-provider", verdict: "failed" });
  });

  it.each<[number, "failed" | "warning", string]>([
    [300_000, "warning", "it is 300 s ahead of that of 127.0.0.1"],
    [-7_200_000, "failed", "it is 7200 s behind that of 127.0.0.1"],
  ])("a clock that is off by %i ms", async (offMs, verdict, reason) => {
    // An answer's Date has whole seconds. Both clocks stand still here.
    const at = Date.parse("2026-01-01T00:00:00Z");
    const provider = await listening(
      createServer((_req, res) => res.writeHead(404, { Date: new Date(at).toUTCString() }).end()),
    );
    const args = [...base, "--auth-url", `http://127.0.0.1:${provider}`, "--auth-secret", "x"];
    expect(complaint(await examine(args, { now: () => at + offMs }))).toMatchObject({
      id: "clock",
      verdict,
      reason: expect.stringContaining(reason),
    });
  });

  it("fewer files than connections", async () => {
    expect(complaint(await examine(base, { openFiles: 1_024 }))).toMatchObject({
      id: "open-files",
      verdict: "warning",
      reason: expect.stringContaining("may open 1024, but 10000 connections"),
    });
  });
});
