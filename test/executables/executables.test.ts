import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { arch, platform } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandsContract, type StartCommand } from "../packaging/commands-contract.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { missing } from "../support/requires.js";

/** The single executables (scripts/executables.mjs), built here and run where there is no Node. */

const repository = fileURLToPath(new URL("../..", import.meta.url));
const target = `${platform()}-${arch()}`;
const { version } = JSON.parse(readFileSync(join(repository, "packages/cli/package.json"), "utf8")) as {
  version: string;
};
const hasTarget = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"].includes(target);

describe.skipIf(!hasTarget && missing(`there is no executable for ${target}`))("single executables", () => {
  const closing = closingAfterEach();
  const folder = createFolder();
  beforeAll(() => {
    const script = join(repository, "scripts", "executables.mjs");
    execFileSync(process.execPath, [script, folder.path, target], { stdio: ["ignore", "ignore", "pipe"] });
    // Elsewhere npm's packages of Node are as they were signed.
    if (platform() !== "darwin") return;
    for (const name of commandsIn(folder.path))
      execFileSync("codesign", ["--sign", "-", join(folder.path, name)]);
  }, 300_000);
  afterAll(() => folder.close());

  const start =
    (name: string): StartCommand =>
    (args, options) => {
      // Nothing is found there, Node least of all.
      const env = { ...options?.env, PATH: folder.path };
      return closing(new RunningCommand(join(folder.path, `${name}-${target}`), args, { ...options, env }));
    };
  commandsContract({ relay: start("mcp-tunnel"), client: start("mcp-tunnel-client") }, version);

  it("come with checksums, licences and a list of what is inside", () => {
    const sums = readFileSync(join(folder.path, "SHA256SUMS"), "utf8").trim().split("\n");
    const names = sums.map((line) => line.split("  ")[1]);
    expect(names).toEqual(readdirSync(folder.path).filter((name) => name !== "SHA256SUMS"));
    for (const line of sums) {
      const [sum, name = ""] = line.split("  ");
      const digest = createHash("sha256").update(readFileSync(join(folder.path, name)));
      expect(digest.digest("hex")).toBe(sum);
    }
    const licences = readFileSync(join(folder.path, "THIRD-PARTY-LICENSES.txt"), "utf8");
    for (const inside of ["undici", "oidc-provider", "Node.js", "OpenSSL"])
      expect(licences).toContain(inside);
    const inventory = JSON.parse(readFileSync(join(folder.path, "mcp-tunnel-client.cdx.json"), "utf8")) as {
      components: { name: string; version: string; purl: string }[];
    };
    const undici = inventory.components.find(({ name }) => name === "undici");
    expect(undici?.purl).toBe(`pkg:npm/undici@${undici?.version}`);
    expect(inventory.components[0]).toMatchObject({ name: "Node.js" });
  });

  it("are not larger than Node and the commands", () => {
    for (const name of commandsIn(folder.path)) {
      expect(statSync(join(folder.path, name)).size).toBeLessThan(175_000_000);
    }
  });
});

function commandsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(`-${target}`));
}
