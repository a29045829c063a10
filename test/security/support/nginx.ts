import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RunningCommand } from "../../support/commands.js";
import { freePort } from "../../support/free-port.js";

const env = { PATH: `${process.env["PATH"]}:/usr/sbin` };

export interface Nginx {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * nginx as people put it in front of a relay. It keeps its connections to the relay and shares them among all
 * visitors, which smuggling needs. Clients come through it as well. `locations`: further text for the server
 * block.
 */
export async function startNginx(relayPort: number, locations = ""): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-nginx-"));
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream relay { server 127.0.0.1:${relayPort}; keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    underscores_in_headers on;
    ignore_invalid_headers off;
    # For the answer with 400 fields.
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    location = /_tunnel/register {
      proxy_pass http://relay;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
    ${locations}
    location / {
      proxy_pass http://relay;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_request_buffering off;
      proxy_next_upstream off;
    }
  }
}
`,
  );
  const nginx = new RunningCommand("nginx", ["-p", folder, "-e", "stderr", "-c", config], { env });
  await listening(port, nginx);
  return {
    port,
    async close() {
      await nginx.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the port answers: nginx does not say when it listens. */
async function listening(port: number, nginx: RunningCommand): Promise<void> {
  for (;;) {
    const socket = connect({ port, host: "127.0.0.1" });
    const up = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    if (nginx.child.exitCode !== null) throw new Error(`nginx did not start: ${nginx.output}`);
    await delay(20);
  }
}

let version: string | undefined;

/** The installed release. */
export function nginxVersion(): string | undefined {
  // nginx writes it on standard error.
  version ??= /nginx\/([\d.]+)/.exec(
    execFileSync("sh", ["-c", "nginx -v 2>&1"], { env, encoding: "utf8" }),
  )?.[1];
  return version;
}
