import { describe, expect, it } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import type { InspectorPage, ListenOptions } from "mcp-tunnel-inspector";
import { addInspectOptions, readInspectOptions } from "../src/options/inspect-options.js";
import type { InspectFlags, InspectOptions } from "../src/options/inspect-options.js";
import { listenBeside } from "../src/tunnel/inspect.js";
import { Command } from "commander";

/** What a command line asks for. */
function read(args: readonly string[], isTerminal = false): InspectOptions | undefined {
  const command = addInspectOptions(new Command().argument("[local]")).exitOverride();
  command.configureOutput({ writeErr() {} }).parse(args, { from: "user" });
  return readInspectOptions(command.opts<InspectFlags>(), command, isTerminal);
}

/** A machine on which these ports are taken. Any port will be one of `free`, in order. */
class Machine {
  readonly asked: ListenOptions[] = [];
  readonly closed: number[] = [];
  readonly #taken: ReadonlySet<number>;
  readonly #free: number[];

  constructor(taken: readonly number[], free: readonly number[] = []) {
    this.#taken = new Set(taken);
    this.#free = [...free];
  }

  async listen(options: ListenOptions = {}): Promise<InspectorPage> {
    this.asked.push(options);
    const { host = "", port: wanted = 0 } = options;
    if (this.#taken.has(wanted)) throw new TunnelError("unavailable", `port ${wanted} is taken`);
    const port = wanted === 0 ? (this.#free.shift() ?? 1) : wanted;
    const close = async (): Promise<void> => {
      this.closed.push(port);
    };
    return { url: `http://${host}:${port}/`, host, port, secret: "", close };
  }
}

const usual = { host: "127.0.0.1", port: undefined, isWanted: false };

describe("the options", () => {
  it("are on at a terminal alone, unless somebody says otherwise", () => {
    expect(read(["3000"])).toBeUndefined();
    expect(read(["3000"], true)).toEqual({ page: usual, file: undefined });
    expect(read(["3000", "--inspect"])).toEqual({ page: { ...usual, isWanted: true }, file: undefined });
    expect(read(["3000", "--no-inspect"], true)).toBeUndefined();
    expect(read(["3000", "--record", "x.har"])).toEqual({ page: undefined, file: "x.har" });
    expect(read(["3000", "--record", "x.har", "--no-inspect"], true)).toEqual({
      page: undefined,
      file: "x.har",
    });
  });

  it.each([
    ["127.0.0.1:4040", "127.0.0.1", 4_040],
    ["127.8.0.1:80", "127.8.0.1", 80],
    ["[::1]:0", "::1", 0],
    ["LocalHost:4041", "127.0.0.1", 4_041],
  ])("take %s", (text, host, port) => {
    expect(read(["3000", `--inspect=${text}`])?.page).toEqual({ host, port, isWanted: true });
  });

  it.each([
    ":4040",
    "192.168.0.1:4040",
    "[::]:4040",
    "0.0.0.0:1",
    "::1:4040",
    "localhost.evil.test:1",
    "[::1]",
    "127.0.0.1:x",
    "http://127.0.0.1:1",
  ])("do not take %s", (text) => {
    expect(() => read(["3000", `--inspect=${text}`])).toThrow(/an address of this machine alone and a port/);
  });

  it("say what to do when they have swallowed the service", () => {
    expect(() => read(["--inspect", "3000"])).toThrow(/127\.0\.0\.1:3000.*mcp-tunnel-client 3000 --inspect/);
    expect(() => read(["--inspect", "myapp"])).toThrow(
      /127\.0\.0\.1:4040.*mcp-tunnel-client myapp --inspect/,
    );
  });

  it.each<[string, InspectOptions["page"]]>([
    ["true", { ...usual, isWanted: true }],
    ["127.0.0.1:5000", { host: "127.0.0.1", port: 5_000, isWanted: true }],
    ["false", undefined],
    ["", undefined],
  ])("may come from the environment: %j", (value, page) => {
    process.env["MCP_TUNNEL_INSPECT"] = value;
    try {
      expect(read(["3000"], true)?.page).toEqual(page);
      expect(read(["3000", "--no-inspect"], true)).toBeUndefined();
      expect(read(["3000", "--inspect"])?.page).toEqual({ ...usual, isWanted: true });
    } finally {
      delete process.env["MCP_TUNNEL_INSPECT"];
    }
  });
});

describe("the page", () => {
  const listen = (machine: Machine, port: number | undefined, local: readonly number[] = []) =>
    listenBeside(machine, { ...usual, port }, new Set(local)).then((page) => page.port);

  it("is at 4040, at the next free port, or at any", async () => {
    expect(await listen(new Machine([]), undefined)).toBe(4_040);
    expect(await listen(new Machine([4_040, 4_041]), undefined)).toBe(4_042);
    const all = Array.from({ length: 20 }, (_, i) => 4_040 + i);
    expect(await listen(new Machine(all, [50_000]), undefined)).toBe(50_000);
  });

  it("is not at 4045, where no browser opens a page", async () => {
    const taken = [4_040, 4_041, 4_042, 4_043, 4_044];
    expect(await listen(new Machine(taken), undefined)).toBe(4_046);
  });

  it("is exactly where it is wanted", async () => {
    expect(await listen(new Machine([]), 5_000)).toBe(5_000);
    await expect(listen(new Machine([5_000]), 5_000)).rejects.toMatchObject({ code: "unavailable" });
    expect(await listen(new Machine([], [50_000]), 0)).toBe(50_000);
  });

  // The attack: the local service is down, and the page has its port. Visitors would get the page through the
  // tunnel, from a forwarder that writes the Host by which the page knows its user.
  it("never has the port of the local service", async () => {
    expect(await listen(new Machine([]), undefined, [4_040])).toBe(4_041);
    await expect(listen(new Machine([]), 4_040, [80, 4_040])).rejects.toThrow(/the local service's own/);
    const machine = new Machine([], [40_123, 40_124]);
    expect(await listen(machine, 0, [40_123])).toBe(40_124);
    expect(machine.closed).toEqual([40_123]);
  });

  it("is none if no port can be had", async () => {
    const failed = new TunnelError("invalid_option", "no such address");
    const machine = { listen: () => Promise.reject(failed) };
    await expect(listenBeside(machine, usual, new Set())).rejects.toBe(failed);
  });
});
