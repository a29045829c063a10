import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startTunnelClient } from "mcp-tunnel-client";
import { expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { visit } from "./support/visitors.js";

/** Runs the example of packages/cluster/README.md as it is written, but for its addresses. */

const page = readFileSync(new URL("../../packages/cluster/README.md", import.meta.url), "utf8");
const [, example = ""] = /```js\n(.*?)```/s.exec(page) ?? [];
// The folder in which the packages that the example imports are found.
const cwd = fileURLToPath(new URL("..", import.meta.url));

const closing = closingAfterEach();

it.skipIf(noRedis)("programs with relays of their own serve their tunnels together", async () => {
  const redis = closing(await RedisServer.start());
  const env = { CLUSTER_SECRET: "a secret of the test that is long enough" };
  const start = async (count: number): Promise<number> => {
    const port = await freePort();
    const written = example
      .replace("redis://redis.internal:6379", redis.url)
      .replace('host: "10.0.0.5", port: 7000', 'host: "127.0.0.1", port: 0')
      .replace("port: 8080", `host: "127.0.0.1", port: ${port}`)
      .replace("tunnel.example.com", "localhost");
    const args = ["--input-type=module", "--eval", written];
    const program = closing(new RunningCommand(process.execPath, args, { cwd, env }));
    const said = await program.waitFor("the number of relays", () => program.stdout[0]);
    expect(said).toBe(`${count} relays are there`);
    return port;
  };
  const [one, other] = [await start(1), await start(2)];
  const client = await startTunnelClient({
    relayUrl: `http://127.0.0.1:${one}`,
    token: "a-long-secret",
    subdomain: "myapp",
    fetch: () => new Response("from the other relay"),
  });
  closing({ close: () => client.close() });
  expect(await visit(other, "myapp", "/")).toMatchObject({ status: 200, text: "from the other relay" });
});
