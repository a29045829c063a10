import { join } from "node:path";
import { readFences } from "./blocks.js";
import { read, root } from "./pages.js";
import { anyName, demoAlone } from "./stage.js";
import type { Scene } from "./transcript.js";

const stdioServer = join(root, "examples/basic/stdio-server.mjs");
const servers = JSON.stringify({
  mcpServers: {
    github: { command: "node", args: [stdioServer] },
    files: { command: "node", args: [stdioServer] },
  },
});

/** The token of somebody who has logged in before. */
const loggedIn = (): NodeJS.ProcessEnv => ({ MCP_TUNNEL_TOKEN: anyName });

/** The scenes, by their pages. Other pages need nothing. */
export const scenes: Readonly<Record<string, Scene>> = {
  "docs/config.md": {
    prepare(transcript) {
      const file = readFences(read("docs/config.md")).find(({ info }) => info[0] === "yaml")?.text ?? "";
      const server = '[npx, -y, "@modelcontextprotocol/server-everything", stdio]';
      const here = transcript.here(file).replace(server, `[node, "${stdioServer}"]`);
      transcript.write("mcp-tunnel-client.yaml", here);
      transcript.write(".config/mcp-tunnel/token", anyName);
      transcript.write("Library/Application Support/Claude/claude_desktop_config.json", servers);
      transcript.write("keys.txt", "ann:a-key-that-is-long-enough-for-a-visitor\n");
    },
    // The doctor watches silent connections for a minute otherwise.
    env: () => ({ MCP_TUNNEL_CLIENT_IDLE: "0" }),
  },
  "docs/inspector.md": { env: loggedIn },
  "docs/metrics.md": {
    env: (transcript) => ({ MCP_TUNNEL_ADMIN_LISTEN: `127.0.0.1:${transcript.port("9090")}` }),
  },
  "docs/pools.md": { prepare: (transcript) => transcript.write("token", anyName) },
  "docs/provider.md": {
    env: (transcript) => ({
      PORT: String(transcript.port("8090")),
      MCP_TUNNEL_ADMIN_LISTEN: `127.0.0.1:${transcript.port("9090")}`,
    }),
  },
  "docs/recipes.md": {
    prepare: (transcript) => transcript.write("token", anyName),
    env: () => ({ SECRET: "a-secret-of-the-provider" }),
    input: "a-long-secret\n",
  },
  // The clone is this one, which is built, and its packages are in use.
  "docs/security.md": {
    replace: [
      ["npm ci", "true"],
      ["npm run build", "true"],
      ["node scripts/", `node ${join(root, "scripts")}/`],
      ["/tmp/own", "own"],
    ],
  },
  "docs/stdio.md": { prepare: (transcript) => transcript.write(".mcp.json", servers) },
  "docs/tls.md": { replace: [["/etc/letsencrypt/live/localhost/", ""]] },
  "docs/troubleshooting.md": {
    prepare: (transcript) => transcript.write("token.txt", demoAlone),
    env: () => ({ MCP_TUNNEL_CLIENT_IDLE: "0" }),
    // It finds what the page shows.
    failing: "mcp-tunnel-client doctor",
  },
  // The id of a grant, of which there are none here.
  "docs/visitor-auth.md": { replace: [["revoke myapp ID #", "revoke myapp --all #"]] },
  "packages/cli/README.md": { replace: [["s3cret", anyName]] },
};
