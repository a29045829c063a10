// `npm start`: a relay, two real MCP servers, one over HTTP and one over stdin and stdout, and the clients
// that connect them, all on this machine. The relay and the clients are the commands that users run; only
// their arguments are written here.
import { createServer } from "node:net";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, files } from "./command.mjs";
import { startMcpServer } from "./mcp-server.mjs";

/** The running parts, in the order in which they were started. They are stopped in the opposite order. */
const running = [];
/** Nobody waits for the open requests of a demo. */
const grace = "--shutdown-grace=2s";
let stopping = false;

// Before anything is started. Otherwise an early Ctrl-C would leave processes behind. SIGHUP: the terminal
// has been closed.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void stop(0));

try {
  const port = await freePort(8080);
  const demoPort = await freePort(4001);
  const stdioPort = await freePort(demoPort + 1);
  const relay = run("mcp-tunnel", [
    "--domain=localhost",
    "--host=127.0.0.1",
    `--port=${port}`,
    `--local-port=demo=${demoPort}`,
    `--local-port=stdio=${stdioPort}`,
    "--log-format=json",
    grace,
  ]);
  await relay.ready((line) => line.msg === "listening");

  const mcpServer = await startMcpServer();
  running.push({ stop: () => mcpServer.close() });

  const to = [`--relay=http://127.0.0.1:${port}`, "--token=demo", "--json", grace];
  const client = run("mcp-tunnel-client", [String(mcpServer.port), "--subdomain=demo", ...to]);
  const stdioServer = [process.execPath, fileURLToPath(new URL("stdio-server.mjs", import.meta.url))];
  const stdioClient = run("mcp-tunnel-client", [
    ...["--stdio", "--visitor-auth=none", "--subdomain=stdio", ...to, "--"],
    ...stdioServer,
  ]);
  await Promise.all([client, stdioClient].map((one) => one.ready((line) => line.event === "connected")));
  explain(port, mcpServer.port, localUrl(demoPort), localUrl(stdioPort));
  for (const one of [client, stdioClient]) one.on("line", showRequest);
} catch (error) {
  fail(`The demo could not start: ${error instanceof Error ? error.message : String(error)}`);
}

function run(name, args) {
  const command = new Command(name, args);
  running.push(command);
  command.on("end", () => fail(command.obituary));
  return command;
}

/** The MCP server's URL at a local port of the relay. */
function localUrl(port) {
  return `http://localhost:${port}/mcp`;
}

/** `mcpUrl` and `stdioUrl` are the servers' URLs at the relay's local ports. */
function explain(port, localPort, mcpUrl, stdioUrl) {
  // npm runs this in the folder of the workspace; the person may be in another folder.
  const here = process.env.INIT_CWD ?? process.cwd();
  const mcpClient = relative(here, fileURLToPath(new URL("mcp-client.mjs", import.meta.url)));
  const clientFile = relative(here, fileURLToPath(files["mcp-tunnel-client"]));
  const listTools = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  console.log(`
  Public URL        http://demo.localhost:${port}
  Local MCP server  http://127.0.0.1:${localPort}/mcp
  The same tools, from a server that the client starts and speaks to over stdio:
  Public URL        http://stdio.localhost:${port}/mcp

  Browsers and curl know names below localhost. From another terminal, with curl:

curl -sS http://demo.localhost:${port}/mcp -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '${listTools}'

  Programs on Node.js, as most MCP hosts, do not resolve such names. For them each
  tunnel has a port of its own on this machine (--local-port). With the official MCP
  client, first to the server over HTTP and then to the one over stdio:

node ${shellWord(mcpClient)} ${mcpUrl}
node ${shellWord(mcpClient)} ${stdioUrl}

  From Claude Code:

claude mcp add --transport http demo ${mcpUrl}
claude mcp add --transport http stdio ${stdioUrl}

  A service of your own, at port 3000, through the same relay:

node ${shellWord(clientFile)} 3000 --relay http://localhost:${port} --subdomain myapp

  Both servers are open to everybody who reaches port ${port}, which only programs of
  this machine do. For others the client has a gate, with a key and a login:

mcp-tunnel-client --stdio --visitor-auth oauth,bearer --relay <url> -- <command>

  Ctrl-C stops all of it. Requests:
`);
}

function showRequest(line) {
  if (line.event === "request")
    console.log(`${line.method} ${line.path} ${line.status ?? "-"} ${line.durationMs} ms`);
}

function fail(message) {
  if (stopping) return;
  console.error(message);
  void stop(1);
}

/**
 * Ends everything once, however often it is called: npm passes on the Ctrl-C that the terminal has sent
 * already.
 */
async function stop(status) {
  if (stopping) return;
  stopping = true;
  // The client first: it says goodbye to a relay that is still there.
  for (const part of running.toReversed()) await part.stop();
  console.log("Stopped.");
  process.exit(status);
}

/** The first port from `port` on that nothing on this machine uses. */
async function freePort(port) {
  const probe = createServer();
  const free = await new Promise((resolve, reject) => {
    probe.once("error", (error) => {
      if ("code" in error && error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
  return free ? port : freePort(port + 1);
}

function shellWord(path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
