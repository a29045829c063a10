import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateFiles } from "./certificate.js";
import { findProgram, freePort, startChild, type Child } from "./child.js";

/** Starts nginx as one process with the given `http` section. `file` names its files. */
export function startNginx(name: string, file: string, folder: string, http: string): Child {
  const program = findProgram("nginx");
  if (program === undefined) throw new Error("nginx is not installed: apt-get install nginx");
  const config = join(folder, `${file}.conf`);
  // One process, as with Node: for a master with workers, the measurements would have to be added up.
  writeFileSync(
    config,
    `daemon off;
master_process off;
pid ${folder}/${file}.pid;
error_log stderr crit;
worker_rlimit_nofile 65536;
events { worker_connections 30000; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  client_body_temp_path ${folder}/${file}-body;
  proxy_temp_path ${folder}/${file}-proxy;
  fastcgi_temp_path ${folder}/${file}-fastcgi;
  uwsgi_temp_path ${folder}/${file}-uwsgi;
  scgi_temp_path ${folder}/${file}-scgi;
${http}
}
`,
  );
  return startChild(name, program, ["-p", folder, "-e", "stderr", "-c", config], folder);
}

/** nginx as a reverse proxy that passes everything on as it comes, like the other systems. */
export async function startNginxProxy(
  upstreamPort: number,
  folder: string,
): Promise<{ port: number; child: Child }> {
  return startProxy(upstreamPort, folder, "", "");
}

/**
 * The same with TLS and HTTP/2 in front. Its buffers are of the size with which downloads are fastest:
 * examples/proxy/nginx.conf.
 */
export async function startNginxTls(
  upstreamPort: number,
  folder: string,
  { cert, key }: CertificateFiles,
): Promise<{ port: number; child: Child }> {
  // From nginx 1.25.1 on, `listen ... http2` works with a warning.
  return startProxy(
    upstreamPort,
    folder,
    "ssl http2",
    `    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
`,
  );
}

/** `listen`: more words of that directive. `lines`: more directives of the server. */
async function startProxy(
  upstreamPort: number,
  folder: string,
  listen: string,
  lines: string,
): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  const child = startNginx(
    "nginx",
    `nginx-${port}`,
    folder,
    `  map $http_upgrade $connection_field { default upgrade; '' ''; }
  upstream service { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} ${listen} backlog=4096;
${lines}    location / {
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_field;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
    }
  }`,
  );
  return { port, child };
}
