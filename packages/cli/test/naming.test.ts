import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { Naming } from "../src/tunnel/naming.js";

const closing = closingAfterEach();
let folder: string;
let warnings: [code: string, message: string][];
beforeEach(() => {
  folder = closing(createFolder()).path;
  warnings = [];
  vi.stubEnv("MCP_TUNNEL_STATE_DIR", join(folder, "state"));
});
afterEach(() => vi.unstubAllEnvs());

type Ask = (patterns: readonly string[], kept: string | undefined) => Promise<string>;

/** A tunnel that is started, with a person (`ask`) or without. */
function started({
  subdomain,
  served = "3000",
  ask,
}: {
  subdomain?: string;
  served?: string;
  ask?: Ask;
} = {}) {
  const client = {
    relayUrl: "https://tunnel.test",
    token: "t",
    ...(subdomain === undefined ? {} : { subdomain }),
  };
  return new Naming({ client, served, ask, warn: (...warning) => warnings.push(warning) });
}

describe("a tunnel that asks for no name", () => {
  it("has the same drawn name at each start, and another one for another service", async () => {
    const name = await started().pick(["dev-*"]);
    expect(name).toMatch(/^dev-[a-z]{5}-[a-z]{5}$/);
    expect(await started().pick(["dev-*"])).toBe(name);
    expect(await started({ served: "4000" }).pick(["dev-*"])).not.toBe(name);
    expect(warnings).toEqual([]);
  });

  it("is given another one once the token may not have the old", async () => {
    const name = await started().pick(["dev-*"]);
    const other = await started().pick(["test-*"]);
    expect(other).toMatch(/^test-/);
    expect(await started().pick(["*"])).toBe(other);
    expect(other).not.toBe(name);
  });

  it("is not asked twice, as when the relay offers again after a loss", async () => {
    const ask = vi.fn<Ask>(async () => "dev-x");
    const naming = started({ ask });
    await naming.pick(["dev-*", "bob"]);
    expect(await naming.pick(["dev-*", "bob"])).toBe("dev-x");
    expect(ask).toHaveBeenCalledOnce();
  });

  it("has without a person the name that a person picked before", async () => {
    await started({ ask: async () => "Dev-X" }).pick(["dev-*", "bob"]);
    // Without it nobody would know which one is meant.
    expect(await started().pick(["dev-*", "bob"])).toBe("dev-x");
    const ask = vi.fn<Ask>(async (_, kept) => kept ?? "");
    expect(await started({ ask }).pick(["*"])).toBe("dev-x");
    expect(ask).toHaveBeenCalledWith(["*"], "dev-x");
  });

  it("has to be told where several patterns leave the choice", async () => {
    await expect(started().pick(["dev-*", "bob"])).rejects.toMatchObject({ code: "invalid_option" });
    await expect(started().pick([])).rejects.toMatchObject({ code: "refused" });
    expect(await started().pick(["bob"])).toBe("bob");
  });

  it("runs under a new name each time if none can be kept, and says so", async () => {
    vi.stubEnv("MCP_TUNNEL_STATE_DIR", join(folder, "file"));
    writeFileSync(join(folder, "file"), "");
    expect(await started().pick(["*"])).toMatch(/^[a-z]{5}-[a-z]{5}$/);
    expect(warnings.map(([code]) => code)).toContain("name_not_kept");
  });

  it.runIf(process.getuid !== undefined)(
    "does not take its name from a folder that others may write to",
    async () => {
      await started().pick(["*"]);
      chmodSync(join(folder, "state"), 0o777);
      await started({ served: "4000" }).pick(["*"]);
      expect(warnings).toEqual([["name_not_kept", expect.stringContaining("is open to others")]]);
    },
  );
});

describe("a tunnel that asks for a name", () => {
  it("is given no other one silently", async () => {
    await started().pick(["*"]);
    await expect(started({ subdomain: "eve" }).pick(["dev-*"])).rejects.toMatchObject({
      code: "invalid_option",
    });
    const naming = started({ subdomain: "eve" });
    for (const name of ["bob", "bob"]) naming.connected(name);
    expect(warnings).toEqual([["name_differs", expect.stringMatching(/'eve'.*'bob'.*--strict-subdomain/)]]);
  });

  it("says nothing of the name that it asked for, or that a person has picked", async () => {
    started({ subdomain: "Eve" }).connected("eve");
    started().connected("bob");
    const naming = started({ subdomain: "eve", ask: async () => "dev-x" });
    await naming.pick(["dev-*"]);
    naming.connected("dev-x");
    expect(warnings).toEqual([]);
  });
});
