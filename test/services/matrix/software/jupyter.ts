import assert from "node:assert/strict";
import { once } from "node:events";
import { createFolder } from "../../../support/certificates.js";
import type { Software } from "../matrix.js";
import { Refused, type UserAgent } from "../user-agent.js";
import { missingPython, startPython } from "./python.js";

const token = "0123456789abcdef";

async function logIn(visitor: UserAgent): Promise<string> {
  const form = await visitor.open("/login?next=%2Fapi%2Fstatus");
  const xsrf = /name="_xsrf" value="([^"]+)"/.exec(form.text)?.[1] ?? "none";
  const status = await visitor.open("/login?next=%2Fapi%2Fstatus", {
    method: "POST",
    body: new URLSearchParams({ _xsrf: xsrf, password: token }),
    from: "/login?next=%2Fapi%2Fstatus",
  });
  assert.equal(status.status, 200);
  assert.ok("kernels" in (JSON.parse(status.text) as object));
  return xsrf;
}

/** The page of a notebook: a kernel, and the socket to it. */
async function kernel(visitor: UserAgent, foreign?: string): Promise<void> {
  const xsrf = await logIn(visitor);
  const created = await visitor.open("/api/kernels", {
    method: "POST",
    headers: { "content-type": "application/json", "x-xsrftoken": xsrf },
    body: "{}",
  });
  assert.equal(created.status, 201);
  const { id } = JSON.parse(created.text) as { id: string };
  try {
    const path = `/api/kernels/${id}/channels?session_id=one`;
    const { socket, messages } = await visitor.webSocket(path, foreign === undefined ? {} : { foreign });
    socket.send(
      JSON.stringify({
        channel: "shell",
        header: {
          msg_id: "1",
          msg_type: "kernel_info_request",
          session: "one",
          username: "",
          version: "5.3",
          date: "",
        },
        parent_header: {},
        metadata: {},
        content: {},
        buffers: [],
      }),
    );
    for await (const message of messages()) {
      const { msg_type: type } = JSON.parse(message.toString()) as { msg_type: string };
      if (type === "kernel_info_reply") break;
    }
    socket.close();
    await once(socket, "close");
  } finally {
    await visitor.open(`/api/kernels/${id}`, { method: "DELETE", headers: { "x-xsrftoken": xsrf } });
  }
}

export const jupyter: Software = {
  name: "Jupyter Server",
  missing: missingPython,
  async start() {
    const folder = createFolder();
    const environment = Object.fromEntries(
      ["HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"].map((name) => [
        name,
        folder.path,
      ]),
    );
    const server = await startPython(
      "jupyter_server",
      (port) => [
        `--port=${port}`,
        "--allow-root",
        "--no-browser",
        `--IdentityProvider.token=${token}`,
        `--ServerApp.root_dir=${folder.path}`,
      ],
      { env: environment },
    );
    return {
      port: server.port,
      async close() {
        await server.close();
        folder.close();
      },
    };
  },
  scenarios: {
    "logs in with the token": async (visitor) => void (await logIn(visitor)),
    "runs a kernel over a WebSocket": (visitor) => kernel(visitor),
    async "refuses the WebSocket of another site"(visitor) {
      await assert.rejects(kernel(visitor, "https://attacker.example"), Refused);
    },
    async "refuses a request of another site"(visitor) {
      const xsrf = await logIn(visitor);
      const answer = await visitor.open("/api/kernels", {
        method: "POST",
        headers: { "content-type": "application/json", "x-xsrftoken": xsrf },
        body: "{}",
        foreign: "https://attacker.example",
      });
      assert.notEqual(answer.status, 201);
    },
  },
  expected: {
    "logs in with the token": "works",
    "runs a kernel over a WebSocket": "works",
    "refuses the WebSocket of another site": "works",
    "refuses a request of another site": "works",
  },
};
