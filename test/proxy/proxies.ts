import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Folder, Pair } from "../support/certificates.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";

/** A proxy in front of the relay, which runs our example for users. */
export interface Proxy {
  readonly httpPort: number;
  readonly httpsPort: number;
  close(): Promise<unknown>;
}

export interface ProxyProgram {
  readonly name: "nginx" | "caddy";
  /** `changes`: further texts of the example, and their replacements. */
  start(
    folder: Folder,
    certificate: Pair,
    relayPort: number,
    changes?: Readonly<Record<string, string>>,
  ): Promise<Proxy>;
}

/** The example's text, in which the names and ports of the test replace those of the example. */
function adapt(file: string, replacements: Readonly<Record<string, string>>): string {
  let text = readFileSync(fileURLToPath(new URL(`../../examples/proxy/${file}`, import.meta.url)), "utf8");
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${file} has no '${from}'`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function files(folder: Folder, certificate: Pair, relayPort: number): Record<string, string> {
  return {
    "/etc/letsencrypt/live/tunnel.example.com/fullchain.pem": folder.write("fullchain.pem", certificate.cert),
    "/etc/letsencrypt/live/tunnel.example.com/privkey.pem": folder.write("privkey.pem", certificate.key),
    "127.0.0.1:8080": `127.0.0.1:${relayPort}`,
    // These come after the paths, which contain this name.
    "tunnel.example.com": "tunnel.test",
  };
}

/** Waits until the port answers: neither program says when it listens. */
export async function listening(command: RunningCommand, port: number): Promise<void> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("connect", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (connected) return;
    if (performance.now() > deadline || command.child.exitCode !== null) {
      throw new Error(`it does not listen; it said:\n${command.output}`);
    }
    await delay(50);
  }
}

export const nginx: ProxyProgram = {
  name: "nginx",
  async start(folder, certificate, relayPort, changes = {}) {
    const [httpPort, httpsPort] = [await freePort(), await freePort()];
    const site = adapt("nginx.conf", {
      ...changes,
      "    listen [::]:80;\n": "",
      "    listen [::]:443 ssl http2;\n": "",
      "listen 80;": `listen 127.0.0.1:${httpPort};`,
      "listen 443 ssl http2;": `listen 127.0.0.1:${httpsPort} ssl http2;`,
      ...files(folder, certificate, relayPort),
    });
    const path = folder.path;
    const main = folder.write(
      "nginx.conf",
      `daemon off; pid ${path}/nginx.pid; error_log stderr warn; worker_processes 2;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${path}/${name};`).join(" ")}
  include ${folder.write("site.conf", site)};
}
`,
    );
    const command = new RunningCommand("nginx", ["-c", main, "-p", path, "-e", "stderr"], {
      env: { PATH: `${process.env["PATH"]}:/usr/sbin` },
    });
    await listening(command, httpsPort);
    return { httpPort, httpsPort, close: () => command.close() };
  },
};

export const caddy: ProxyProgram = {
  name: "caddy",
  async start(folder, certificate, relayPort, changes = {}) {
    const [httpPort, httpsPort] = [await freePort(), await freePort()];
    const site = adapt("Caddyfile", {
      ...changes,
      // Nothing resolves the relay's name here, so the client asks for 127.0.0.1.
      "tunnel.example.com, *.": "127.0.0.1, tunnel.example.com, *.",
      ...files(folder, certificate, relayPort),
    });
    const config = folder.write(
      "Caddyfile",
      `{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port ${httpPort}\n\thttps_port ${httpsPort}\n}\n${site}`,
    );
    const command = new RunningCommand("caddy", ["run", "--config", config, "--adapter", "caddyfile"], {
      env: { HOME: folder.path, XDG_CONFIG_HOME: folder.path, XDG_DATA_HOME: folder.path },
    });
    await listening(command, httpsPort);
    return { httpPort, httpsPort, close: () => command.close() };
  },
};
