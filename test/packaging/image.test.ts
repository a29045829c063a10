import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { builtClientPackage, type ClientPackage } from "mcp-tunnel";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";

const closing = closingAfterEach();
const repository = fileURLToPath(new URL("../..", import.meta.url));

interface Image {
  entrypoint: string[];
  healthcheck: string[];
  env: Record<string, string>;
  /** The folder with the image's commands, for PATH. */
  path: string;
}

describe("the image", () => {
  it("is built by the steps of the Dockerfile, serves, and knows when it is healthy", async () => {
    const folder = closing(createFolder());
    const proof = closing(
      new RunningCommand(process.execPath, [join(repository, "scripts/prove-dockerfile.mjs"), folder.path], {
        // npm may use packages that it has fetched before.
        env: { npm_config_prefer_offline: "true" },
      }),
    );
    expect((await proof.exited).code, proof.output).toBe(0);
    // Thousands of files: too many for the hook that removes the other files.
    await rm(join(folder.path, "build"), { recursive: true });
    const image = JSON.parse(readFileSync(join(folder.path, "image.json"), "utf8")) as Image;

    // The init comes from Debian; the command that it starts is ours.
    const [init, separator, command = "", ...args] = image.entrypoint;
    expect([init, separator]).toEqual(["tini", "--"]);
    expect(image.env["MCP_TUNNEL_ADMIN_LISTEN"]).toBe("127.0.0.1:9090");
    const PATH = [image.path, process.env["PATH"]].join(delimiter);
    const env = { ...image.env, PATH, MCP_TUNNEL_ADMIN_LISTEN: "127.0.0.1:0" };
    const options = [
      "--domain",
      "localhost",
      "--port",
      "0",
      "--host",
      "127.0.0.1",
      "--trusted-proxy",
      "127.0.0.1",
    ];
    const relay = closing(
      new RunningCommand(join(image.path, command), [...args, ...options], { env, cwd: "/" }),
    );
    const { port } = await relay.waitForJson({ msg: "listening" });
    // The client that it hands out has the same name as the one that was built here, so it is the same. This
    // test has set NODE_ENV, which must not matter.
    const { command: line } = await relay.waitForJson({ msg: "the client is handed out" });
    const { file } = (await builtClientPackage()) as ClientPackage;
    expect(line).toContain(createHash("sha256").update(file).digest("hex").slice(0, 12));
    const admin = await relay.waitForJson({ msg: "admin API listening" });
    const visitor = closing(createVisitor(port as number));
    expect((await visitor.text("nobody", "/")).text).toBe("tunnel not found");

    const [check = "", ...checkArgs] = image.healthcheck;
    const health = async (adminPort: number): Promise<number | null> => {
      const run = closing(
        new RunningCommand(join(image.path, check), checkArgs, {
          env: { ...env, MCP_TUNNEL_ADMIN_LISTEN: `127.0.0.1:${adminPort}` },
        }),
      );
      return (await run.exited).code;
    };
    expect(await health(admin["port"] as number)).toBe(0);
    expect((await relay.close()).code).toBe(0);
    expect(await health(admin["port"] as number)).toBe(1);
    // The image holds no tests, tools or sources.
    const files = execFileSync(
      "find",
      [join(folder.path, "image/app"), "-not", "-path", "*/node_modules/*"],
      {
        encoding: "utf8",
      },
    );
    expect(files).not.toMatch(/(?<!\.d)\.ts$|\/test\/|typescript/m);
  }, 300_000);
});
