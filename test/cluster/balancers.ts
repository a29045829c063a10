import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { caddy, listening, nginx, type Proxy } from "../proxy/proxies.js";
import type { Folder, Pair } from "../support/certificates.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";

/** Where one of three relays listens on this machine. */
export interface RelayPlace {
  readonly port: number;
  readonly adminPort: number;
}

/** A balancer in front of three relays, which runs our example for users. */
export interface Balancer {
  readonly name: "haproxy" | "nginx" | "caddy";
  /** Whether it asks another relay when one refuses the connection, although the request has a body. */
  readonly repeatsBodies: boolean;
  start(folder: Folder, certificate: Pair, relays: readonly RelayPlace[]): Promise<Proxy>;
}

const example = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../examples/${file}`, import.meta.url)), "utf8");

/** The part of an example that goes in the place of a part of another; comments before it stay behind. */
function part(file: string, relays: readonly RelayPlace[]): string {
  const text = example(`cluster/${file}`).replace(/^(#.*\n)+/, "");
  // The first relay has the address of the other example, which is replaced by its port.
  const addresses = ["127.0.0.1:8080", ...relays.slice(1).map(({ port }) => `127.0.0.1:${port}`)];
  return replaced(text, Object.fromEntries(addresses.map((to, i) => [`10.0.0.1${i + 1}:8080`, to])));
}

function replaced(text: string, replacements: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [from, to] of Object.entries(replacements)) {
    if (!result.includes(from)) throw new Error(`the example has no '${from}'`);
    result = result.replaceAll(from, to);
  }
  return result;
}

export const balancers: readonly Balancer[] = [
  {
    name: "haproxy",
    repeatsBodies: true,
    async start(folder, certificate, relays) {
      const [httpPort, httpsPort] = [await freePort(), await freePort()];
      const config = replaced(example("cluster/haproxy.cfg"), {
        // As many connections as this process may have files.
        "maxconn 20000": "maxconn 1000",
        "bind :80\n": `bind 127.0.0.1:${httpPort}\n`,
        "bind :443": `bind 127.0.0.1:${httpsPort}`,
        "/etc/haproxy/tunnel.example.com.pem": folder.write("both.pem", certificate.cert + certificate.key),
        ...Object.fromEntries(
          relays.flatMap(({ port, adminPort }, i) => [
            [`10.0.0.1${i + 1}:8080 check port 9090`, `127.0.0.1:${port} check port ${adminPort}`],
            [`10.0.0.1${i + 1}:8080 backup`, `127.0.0.1:${port} backup`],
          ]),
        ),
      });
      const command = new RunningCommand("haproxy", ["-db", "-f", folder.write("haproxy.cfg", config)], {
        env: { PATH: `${process.env["PATH"]}:/usr/sbin` },
      });
      await listening(command, httpsPort);
      return { httpPort, httpsPort, close: () => command.close() };
    },
  },
  {
    name: "nginx",
    repeatsBodies: true,
    start(folder, certificate, relays) {
      const [upstream = ""] = /^upstream mcp_tunnel \{[^}]*\}\n/m.exec(example("proxy/nginx.conf")) ?? [];
      return nginx.start(folder, certificate, relays[0]?.port ?? 0, {
        [upstream]: part("nginx-relays.conf", relays),
        "proxy_next_upstream off;": "proxy_next_upstream error;",
      });
    },
  },
  {
    name: "caddy",
    // Caddy 2.6 closes the body with the connection that it did not get.
    repeatsBodies: false,
    start(folder, certificate, relays) {
      return caddy.start(folder, certificate, relays[0]?.port ?? 0, {
        "reverse_proxy 127.0.0.1:8080 {\n": part("caddy-relays.conf", relays),
      });
    },
  },
];
