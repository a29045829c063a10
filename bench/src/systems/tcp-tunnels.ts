import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, requireProgram, startChild } from "../child.js";
import { untilListening, untilServing } from "../endpoint.js";
import { plainEndpoint, type System } from "./system.js";

/**
 * https://github.com/jpillora/chisel, as a reverse TCP forward over a WebSocket (and SSH, which cannot be
 * turned off).
 */
export const chisel: System = {
  name: "chisel",
  programs: ["chisel"],
  async start(upstreamPort, folder) {
    const [control, port] = [await freePort(), await freePort()];
    const bin = requireProgram("chisel");
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

/** bore's control port, which cannot be chosen. */
const borePort = 7_835;

/**
 * https://github.com/ekzhang/bore, as a TCP forward: each visitor's connection makes a new one to the server.
 */
export const bore: System = {
  name: "bore",
  programs: ["bore"],
  // There can be one server at a time, so it serves one kind of upstream.
  upstream: "static",
  async start(upstreamPort, folder) {
    const bin = requireProgram("bore");
    const port = await freePort();
    const server = startChild("bore-server", bin, ["server", "--bind-addr", "127.0.0.1"], folder);
    // A client that comes too early ends.
    await untilListening(borePort, server);
    const client = startChild(
      "bore-client",
      bin,
      ["local", upstreamPort, "--to", "127.0.0.1", "--port", port],
      folder,
    );
    return plainEndpoint(port, [server, client]);
  },
};

/** https://github.com/rathole-org/rathole, as a TCP forward. */
export const rathole: System = {
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
    const bin = requireProgram("rathole");
    const server = startChild("rathole-server", bin, ["--server", serverFile], folder);
    const client = startChild("rathole-client", bin, ["--client", clientFile], folder);
    return plainEndpoint(port, [server, client]);
  },
};

/** https://github.com/erebe/wstunnel, as a reverse TCP forward: a WebSocket for each visitor's connection. */
export const wstunnel: System = {
  name: "wstunnel",
  programs: ["wstunnel"],
  async start(upstreamPort, folder) {
    const [control, port] = [await freePort(), await freePort()];
    const bin = requireProgram("wstunnel");
    const url = `ws://127.0.0.1:${control}`;
    const server = startChild("wstunnel-server", bin, ["server", url], folder);
    await untilListening(control, server);
    const client = startChild(
      "wstunnel-client",
      bin,
      ["client", "-R", `tcp://127.0.0.1:${port}:127.0.0.1:${upstreamPort}`, url],
      folder,
    );
    return plainEndpoint(port, [server, client]);
  },
};
