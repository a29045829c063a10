import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type LocalMcpServer, startV2Server } from "../mcp/servers.js";
import { createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { type RelayCommand, startRelayCommand } from "../support/commands.js";

/** The token that may have any name. The one of the pages, `a-long-secret`, has `myapp` alone. */
export const anyName = "a-secret-for-any-name";

/** The token that has `demo` alone. */
export const demoAlone = "a-secret-for-demo-alone";

/** What the pages speak of as being there: the relay `tunnel.example.com`, and a service at port 3000. */
export class Stage {
  readonly folder: Folder;
  readonly relay: RelayCommand;
  readonly service: LocalMcpServer;
  /** The file name of the client that the relay hands out. */
  readonly client: string;
  /** The file with the authority of the relay's certificate. */
  readonly ca: string;
  /** A company's proxy. */
  readonly proxy: Proxy;

  private constructor(parts: Pick<Stage, "folder" | "relay" | "service" | "client" | "ca" | "proxy">) {
    this.folder = parts.folder;
    this.relay = parts.relay;
    this.service = parts.service;
    this.client = parts.client;
    this.ca = parts.ca;
    this.proxy = parts.proxy;
  }

  static async open(): Promise<Stage> {
    const folder = createFolder();
    const authority = await createAuthority();
    // No program takes a wildcard directly below a top-level domain.
    const names = ["myapp", "demo", "notes", "web", "tools", "ann-desktop"].map(
      (name) => `${name}.localhost`,
    );
    const { cert, key } = await authority.issue(["localhost", ...names]);
    const relay = await startRelayCommand([
      ...["--tls-cert", folder.write("fullchain.pem", cert), "--tls-key", folder.write("privkey.pem", key)],
      ...["--public-url", "https://{subdomain}.{domain}:{port}"],
      ...["--static-token", "a-long-secret:myapp", "--static-token", `${anyName}:*`],
      ...["--static-token", `${demoAlone}:demo`],
    ]);
    const { command } = await relay.waitForJson({ msg: "the client is handed out" });
    const [client = ""] = /client-[\w.-]+\.tgz/.exec(String(command)) ?? [];
    const service = await startV2Server();
    const ca = folder.write("ca.pem", authority.cert);
    return new Stage({ folder, relay, service, client, ca, proxy: await openProxy() });
  }

  async close(): Promise<void> {
    this.proxy.close();
    await this.relay.close();
    await this.service.close();
    this.folder.close();
  }
}

interface Proxy {
  readonly port: number;
  close(): void;
}

/** A proxy that connects to whatever is asked for. */
async function openProxy(): Promise<Proxy> {
  const server = createServer();
  server.on("connect", ({ url = "" }, socket) => {
    const { hostname, port } = new URL(`http://${url}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
