import { afterEach, describe, expect, it, vi } from "vitest";
import { createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { findConfigFile } from "../src/config/find.js";
import { readTunnelsFile } from "../src/config/tunnels-file.js";
import { parseCommandLine } from "../src/options/command-line.js";
import { claimOf } from "../src/tunnel/takeover.js";

const closing = closingAfterEach();
const args = ["3000", "--relay", "wss://127.0.0.1:9", "--token", "t"];

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("the option for a pool", () => {
  const pool = (...more: string[]) => parseCommandLine([...args, ...more]).tunnel.client.pool;

  it("is a switch, which also comes from the environment", () => {
    expect(pool()).toBeUndefined();
    expect(pool("--pool")).toBe(true);
    vi.stubEnv("MCP_TUNNEL_POOL", "yes");
    expect(pool()).toBe(true);
    vi.stubEnv("MCP_TUNNEL_POOL", "perhaps");
    expect(() => pool()).toThrow(/MCP_TUNNEL_POOL must be true or false/);
  });

  it("is a key of the config file, of one tunnel or of all", () => {
    const folder = closing(createFolder());
    const text = `
defaults: {relay: tunnel.example.com, token: t, pool: true}
tunnels:
  web: {local: 3000}
  alone: {local: 3001, pool: false}
`;
    const { tunnels, problems } = readTunnelsFile(findConfigFile(folder.write("tunnels.yaml", text)));
    expect(problems).toEqual([]);
    expect(tunnels.get("web")?.settings.client).toMatchObject({ pool: true, subdomain: "web" });
    expect(tunnels.get("alone")?.settings.client).not.toHaveProperty("pool");
  });

  it("goes with gates that hold no list of their own", () => {
    const key = ["--visitor-key", "abcdefghijklmnop"];
    expect(pool("--pool", "--visitor-auth", "bearer", ...key)).toBe(true);
    expect(() => pool("--pool", "--visitor-auth", "bearer,oauth", ...key)).toThrow(/--pool cannot be used/);
  });

  it("asks nobody about a name that may be the pool's own", async () => {
    const { tunnel } = parseCommandLine([...args, "--pool", "--takeover", "ask"]);
    const ask = vi.fn();
    const context = { pick: () => "app", ask, warn: ask, signal: new AbortController().signal };
    expect(await claimOf(tunnel, context)).toBe("if_free");
    expect(ask).not.toHaveBeenCalled();
    const always = parseCommandLine([...args, "--pool", "--takeover", "always"]).tunnel;
    expect(await claimOf(always, context)).toBe("take");
  });
});
