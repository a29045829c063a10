import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { visit } from "./support/visitors.js";

// Runs the example of packages/relay/README.md about a relay of a cluster, beside a relay of the command.

const closing = closingAfterEach();
const page = readFileSync(new URL("../../packages/relay/README.md", import.meta.url), "utf8");
const example = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code).find(isOfCluster) ?? "";
// The folder in which the packages that the example imports are found.
const cwd = fileURLToPath(new URL("..", import.meta.url));

function isOfCluster(code: string): boolean {
  return code.includes("createMember");
}

describe.skipIf(noRedis)("a program that makes a relay of a cluster", () => {
  it("serves the tunnels of the others, and leaves when it is told to", async () => {
    const redis = closing(await RedisServer.start());
    const secret = join(closing(createFolder()).path, "cluster-secret");
    writeFileSync(secret, "a secret of the cluster, long enough\n");
    const code = example
      .replace("redis://10.0.0.11:6379", redis.url)
      .replace('"cluster-secret"', JSON.stringify(secret))
      .replace('domain: "tunnel.example.com"', 'domain: "localhost", host: "127.0.0.1", port: 0')
      .replace('host: "10.0.0.11", port: 7000', 'host: "127.0.0.1", port: 0');
    const program = closing(
      new RunningCommand(process.execPath, ["--input-type=module", "--eval", code], { cwd }),
    );
    const port = await program.waitFor(
      "its port",
      () => Number(/port (\d+)$/.exec(program.stdout[0] ?? "")?.[1]) || undefined,
    );
    const upstream = closing(await startUpstream());
    const args = ["--cluster", redis.url, "--cluster-secret-file", secret, "--peer-listen", "127.0.0.1:0"];
    const relay = closing(await startRelayCommand(args));
    closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "demo"]));
    expect((await visit(port, "demo", "/status/202")).status).toBe(202);
    program.child.kill("SIGTERM");
    expect(await program.exited).toMatchObject({ code: 0 });
    expect(program.output).not.toContain("Error");
  });
});
