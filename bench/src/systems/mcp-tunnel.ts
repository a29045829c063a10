import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type CertificateFiles, createCertificate } from "../certificate.js";
import { freePort, startChild, type Child } from "../child.js";
import { type Endpoint, untilServing } from "../endpoint.js";
import { tunnelsMain } from "../load/tunnels.js";
import { startNginxTls } from "../nginx.js";
import { sharesOf } from "./shares.js";
import { tunnelHosts, type System } from "./system.js";

/** A checkout of this repository with its commands built. */
export interface Checkout {
  readonly relay: string;
  readonly client: string;
  /** The client library, as the URL of a module. */
  readonly library: string;
}

/** The checkout that this bench belongs to. */
export const here: Checkout = checkoutAt(
  fileURLToPath(new URL("../../..", import.meta.resolve("mcp-tunnel"))),
);

/** The checkout in a folder. @throws Error if there is none. */
export function checkoutAt(folder: string): Checkout {
  const packages = join(folder, "packages");
  // In older checkouts the client's command is in the client's package.
  const client = ["cli", "client"]
    .map((name) => join(packages, name, "bin", "mcp-tunnel-client.js"))
    .find((file) => existsSync(file));
  if (client === undefined) throw new Error(`there is no client in ${folder}`);
  return {
    relay: join(packages, "relay", "bin", "mcp-tunnel.js"),
    client,
    library: pathToFileURL(join(packages, "client", "dist", "index.js")).href,
  };
}

/** How a relay is started, where it is not as usual. */
export interface RelayStart {
  readonly checkout?: Checkout;
  readonly certificate?: CertificateFiles;
  /** The name in the table. Default `relay`. */
  readonly name?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** More options of the command. */
  readonly args?: readonly (string | number)[];
}

/** A relay that listens: for visitors and clients at `port`, and for its operator at `admin`. */
export interface RunningRelay {
  readonly port: number;
  readonly admin: number;
  readonly child: Child;
}

/** A relay as a user would start it: everything as shipped, open to all. */
export async function startRelay(
  folder: string,
  { checkout = here, certificate, name = "relay", port: wanted, args = [] }: RelayStart = {},
): Promise<RunningRelay> {
  const port = wanted ?? (await freePort());
  const admin = await freePort();
  const tls = certificate === undefined ? [] : ["--tls-cert", certificate.cert, "--tls-key", certificate.key];
  const all = [
    ...["--domain", "localhost", "--host", "127.0.0.1", "--port", port],
    // Defaults, except for the limits on bodies: some workloads send larger ones.
    ...["--max-request-body", "128MiB", "--max-response-body", "4GiB"],
    // The relay counts metrics only if an operator can ask for them.
    ...["--admin-listen", `127.0.0.1:${admin}`, ...tls, ...args],
  ];
  const child = startChild(name, process.execPath, [checkout.relay, ...all], folder);
  // This Host is no tunnel. Any answer shows that the relay listens.
  await untilServing(
    { port, host: "localhost", ca: authorityOf(certificate), processes: [child] },
    undefined,
  );
  return { port, admin, child };
}

function authorityOf(certificate: CertificateFiles | undefined): string | undefined {
  return certificate === undefined ? undefined : readFileSync(certificate.cert, "latin1");
}

/** A client that registers the name `subdomain`. */
export function startClient(
  relayPort: number,
  upstreamPort: number,
  folder: string,
  { checkout = here, subdomain = "bench" }: { checkout?: Checkout; subdomain?: string } = {},
): Child {
  return startClientFor([upstreamPort], relayPort, folder, { checkout, subdomain });
}

/** `service`: the arguments that say what is served. They come last, because they may name a command. */
function startClientFor(
  service: readonly (string | number)[],
  relayPort: number,
  folder: string,
  {
    checkout = here,
    subdomain = "bench",
    certificate,
  }: { checkout?: Checkout; subdomain?: string; certificate?: CertificateFiles } = {},
): Child {
  const relay = `${certificate === undefined ? "http" : "https"}://127.0.0.1:${relayPort}`;
  const args = ["--relay", relay, "--subdomain", subdomain, ...service];
  const env = certificate === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificate.cert };
  return startChild("client", process.execPath, [checkout.client, ...args], folder, env);
}

/** Processes that register the names of `tunnelNames(count)`. */
export function startClients(
  relayPort: number,
  upstreamPort: number,
  folder: string,
  count: number,
  checkout = here,
): Child[] {
  return sharesOf(count).map(({ first, count: held }) => {
    const args = [tunnelsMain, checkout.library, relayPort, upstreamPort, first, held];
    return startChild("clients", process.execPath, args, folder);
  });
}

function tunnelSystem(name: string, checkout: Checkout): System {
  return {
    name,
    programs: [],
    async start(upstreamPort, folder) {
      const relay = await startRelay(folder, { checkout });
      const client = startClient(relay.port, upstreamPort, folder, { checkout });
      return { port: relay.port, host: "bench.localhost", processes: [relay.child, client] };
    },
    async startSecure(upstreamPort, folder) {
      const certificate = await createCertificate(folder, ["bench"]);
      const relay = await startRelay(folder, { checkout, certificate });
      const client = startClientFor([upstreamPort], relay.port, folder, { checkout, certificate });
      const processes = [relay.child, client];
      return { port: relay.port, host: "bench.localhost", ca: authorityOf(certificate), processes };
    },
    async startMany(upstreamPort, folder, count) {
      const relay = await startRelay(folder, { checkout });
      const clients = startClients(relay.port, upstreamPort, folder, count, checkout);
      const hosts = tunnelHosts(count);
      return { port: relay.port, host: "t1.localhost", hosts, processes: [relay.child, ...clients] };
    },
  };
}

/** The relay and the client of this repository, as built commands with their defaults. */
export const mcpTunnel = tunnelSystem("mcp-tunnel", here);

/** The same for visitors who show a key. */
function systemWithKey(name: string, gate: (key: string) => readonly string[]): System {
  return {
    name,
    programs: [],
    upstream: "static",
    async start(upstreamPort, folder) {
      const relay = await startRelay(folder);
      const key = randomBytes(24).toString("base64url");
      const client = startClientFor([upstreamPort, ...gate(key)], relay.port, folder);
      return {
        port: relay.port,
        host: "bench.localhost",
        headers: { Authorization: `Bearer ${key}` },
        processes: [relay.child, client],
      };
    },
  };
}

/** With a gate in the client, which asks every request for the key. */
export const mcpTunnelBearer = systemWithKey("mcp-tunnel-bearer", (key) => [
  ...["--visitor-auth", "bearer", "--visitor-key", `bench:${key}`],
]);

/** Without a gate: the same requests pass to the service. What is more with a gate is the gate's cost. */
export const mcpTunnelKey = systemWithKey("mcp-tunnel-key", () => []);

/** With the inspector, whose page nobody looks at. */
export const mcpTunnelInspect: System = {
  name: "mcp-tunnel-inspect",
  programs: [],
  async start(upstreamPort, folder) {
    const relay = await startRelay(folder);
    const client = startClientFor([upstreamPort, "--inspect", "127.0.0.1:0"], relay.port, folder);
    return { port: relay.port, host: "bench.localhost", processes: [relay.child, client] };
  },
};

/**
 * The same for the MCP server's tools in a process that the client starts and speaks to over stdin and
 * stdout.
 */
export const mcpTunnelStdio: System = {
  name: "mcp-tunnel-stdio",
  programs: [],
  upstream: "mcp",
  async start(_upstreamPort, folder) {
    const relay = await startRelay(folder);
    const server = fileURLToPath(import.meta.resolve("mcp-tunnel-example-basic/stdio-server.mjs"));
    const service = ["--stdio", "--visitor-auth", "none", "--", process.execPath, server];
    const client = startClientFor(service, relay.port, folder);
    // A GET needs a session.
    const ready = { path: "/mcp", status: 400 };
    return { port: relay.port, host: "bench.localhost", processes: [relay.child, client], ready };
  },
};

/**
 * The relay and the client of another checkout, so that a change can be measured against the code before it.
 */
export function tunnelOf(folder: string): System {
  return tunnelSystem("against", checkoutAt(folder));
}

/**
 * The relay without TLS behind an nginx that has it, as examples/proxy shows it. Clients come through nginx
 * too: in both ways each leg is encrypted once.
 */
export const nginxTls: System = {
  name: "nginx-tls",
  programs: ["nginx"],
  async startSecure(upstreamPort, folder): Promise<Endpoint> {
    const certificate = await createCertificate(folder, ["bench"]);
    const relay = await startRelay(folder);
    const nginx = await startNginxTls(relay.port, folder, certificate);
    const client = startClientFor([upstreamPort], nginx.port, folder, { certificate });
    return {
      port: nginx.port,
      host: "bench.localhost",
      ca: authorityOf(certificate),
      processes: [nginx.child, relay.child, client],
      servers: 2,
    };
  },
};
