import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createFolder } from "../../../support/certificates.js";
import { missing, missingProgram } from "../../../support/requires.js";
import type { Expectation, Scenario, Service, Software } from "../matrix.js";
import { startServer } from "../run.js";
import type { UserAgent } from "../user-agent.js";

const path = `${process.env["PATH"]}:/usr/sbin`;

/** Starts a server on a folder of its own. Everybody may write there. */
async function serve(
  program: string,
  config: (folder: string, port: number) => string,
  args: (file: string, folder: string) => readonly string[],
): Promise<Service> {
  const folder = createFolder();
  mkdirSync(join(folder.path, "files"));
  const server = await startServer(
    program,
    (port) => args(folder.write("server.conf", config(folder.path, port)), folder.path),
    { env: { PATH: path } },
  );
  return {
    port: server.port,
    async close() {
      await server.close();
      folder.close();
    },
  };
}

/** A folder of this visitor's own on the server. */
async function ownFolder(visitor: UserAgent): Promise<string> {
  const folder = `/${visitor.id}/`;
  assert.equal((await visitor.open(folder, { method: "MKCOL" })).status, 201);
  assert.equal((await visitor.open(`${folder}a`, { method: "PUT", body: "one" })).status, 201);
  return folder;
}

function destination(visitor: UserAgent, target: string): Record<string, string> {
  return { destination: `${visitor.origin}${target}` };
}

const scenarios: Record<string, Scenario> = {
  async "copies and moves to a destination, which is an absolute URL"(visitor) {
    const folder = await ownFolder(visitor);
    const copied = await visitor.open(`${folder}a`, {
      method: "COPY",
      headers: destination(visitor, `${folder}b`),
    });
    assert.ok(copied.status < 300);
    const moved = await visitor.open(`${folder}a`, {
      method: "MOVE",
      headers: destination(visitor, `${folder}c`),
    });
    assert.ok(moved.status < 300);
    assert.equal((await visitor.open(`${folder}a`)).status, 404);
    assert.equal((await visitor.open(`${folder}b`)).text, "one");
    assert.equal((await visitor.open(`${folder}c`)).text, "one");
  },
  async "refuses a destination on another server"(visitor) {
    const folder = await ownFolder(visitor);
    const headers = { destination: `https://attacker.example${folder}b` };
    assert.ok((await visitor.open(`${folder}a`, { method: "MOVE", headers })).status >= 400);
  },
  async "lists a folder"(visitor) {
    const folder = await ownFolder(visitor);
    const listed = await visitor.open(folder, { method: "PROPFIND", headers: { depth: "1" } });
    assert.equal(listed.status, 207);
    const found = [...listed.text.matchAll(/<\w+:href>([^<]*)</g)].map(([, href]) => href);
    assert.deepEqual(new Set(found), new Set([folder, `${folder}a`]));
  },
  async "locks a file, and writes to it with the lock, which If names by an absolute URL"(visitor) {
    const folder = await ownFolder(visitor);
    const locked = await visitor.open(`${folder}a`, {
      method: "LOCK",
      headers: { timeout: "Second-60", depth: "0", "content-type": "application/xml" },
      body:
        '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' +
        "<D:locktype><D:write/></D:locktype></D:lockinfo>",
    });
    assert.equal(locked.status, 200);
    const token = String(locked.headers["lock-token"]);
    assert.equal((await visitor.open(`${folder}a`, { method: "PUT", body: "two" })).status, 423);
    const headers = { if: `<${visitor.origin}${folder}a> (${token})` };
    assert.equal((await visitor.open(`${folder}a`, { method: "PUT", headers, body: "three" })).status, 204);
    assert.equal(
      (await visitor.open(`${folder}a`, { method: "UNLOCK", headers: { "lock-token": token } })).status,
      204,
    );
    assert.equal((await visitor.open(`${folder}a`)).text, "three");
  },
  async "redirects to the trailing slash"(visitor) {
    const folder = await ownFolder(visitor);
    await visitor.open(`${folder}d/`, { method: "MKCOL" });
    const listing = await visitor.open(`${folder}d`);
    assert.equal(listing.url, `${visitor.origin}${folder}d/`);
  },
};

const expected: Record<string, Expectation> = Object.fromEntries(
  Object.keys(scenarios).map((name) => [name, "works"]),
);

const nginxModule = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

export const nginxWebdav: Software = {
  name: "nginx with its WebDAV modules",
  missing: () =>
    missingProgram("nginx") ||
    (!existsSync(nginxModule) &&
      missing("Debian's libnginx-mod-http-dav-ext is not installed; it belongs in .ci/run")),
  start: () =>
    serve(
      "nginx",
      (folder, port) => `daemon off; pid ${folder}/nginx.pid; error_log stderr warn; worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
load_module ${nginxModule};
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  dav_ext_lock_zone zone=locks:1m;
  server {
    listen 127.0.0.1:${port};
    server_name localhost;
    location / {
      root ${folder}/files;
      autoindex on;
      dav_methods PUT DELETE MKCOL COPY MOVE;
      dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
      dav_ext_lock zone=locks;
    }
  }
}
`,
      (file, folder) => ["-c", file, "-p", folder, "-e", "stderr"],
    ),
  scenarios,
  expected,
};

const apacheModules = ["mpm_event", "authz_core", "dir", "autoindex", "dav", "dav_fs"];

export const apacheWebdav: Software = {
  name: "Apache with mod_dav",
  missing: () => missingProgram("apache2"),
  start: () =>
    serve(
      "apache2",
      (folder, port) => `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
${apacheModules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
DavLockDB ${folder}/locks
DocumentRoot ${folder}/files
<Directory ${folder}/files>
  Options +Indexes
  Require all granted
  Dav On
</Directory>
`,
      (file) => ["-f", file, "-DFOREGROUND"],
    ),
  scenarios,
  expected,
};
