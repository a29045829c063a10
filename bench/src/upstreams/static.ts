import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Child } from "../child.js";
import { startNginx } from "../nginx.js";

/** Bodies under `/file/<name>`; sparse, so they come from memory and cost no disk. */
export const fileSizes = {
  "1k": 1_024,
  "16k": 16_384,
  "256k": 262_144,
  "1m": 1_048_576,
  "10m": 10_485_760,
  "100m": 104_857_600,
  "1g": 1_073_741_824,
} as const;

/** The path of a small answer, 1 KiB. */
export const smallPath = "/small";
/** The path that reads a whole body and then answers with a few bytes. */
export const sinkPath = "/sink";

/**
 * nginx with static answers. It is so much faster than any of the proxies that it hardly affects the
 * measurements.
 */
export async function startStaticUpstream(folder: string): Promise<{ port: number; child: Child }> {
  const files = join(folder, "file");
  mkdirSync(files, { recursive: true });
  for (const [name, bytes] of Object.entries(fileSizes)) {
    const file = openSync(join(files, name), "w");
    ftruncateSync(file, bytes);
    closeSync(file);
  }
  const port = await freePort();
  const socket = join(folder, "sunk.sock");
  const child = startNginx(
    "upstream",
    "upstream",
    folder,
    `  upstream sunk { server unix:${socket}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    sendfile on;
    tcp_nopush on;
    location = ${smallPath} { return 200 "${"x".repeat(1_024)}"; }
    location /file/ { root ${folder}; }
    # nginx answers a static "return" before it has read the body; a proxy reads it first.
    location = ${sinkPath} {
      client_body_buffer_size 16m;
      proxy_pass http://sunk;
      proxy_pass_request_body off;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
    }
  }
  server {
    listen unix:${socket};
    location / { return 200 "sunk"; }
  }`,
  );
  return { port, child };
}
