import { describe, expect, it } from "vitest";
import { columnsOf } from "mcp-tunnel-shared/command";
import { type RelayStatus, statusTable } from "../src/cli/output/status-table.js";

// What an operator sees on a terminal, however long the texts are that others have chosen.

const now = 1e12;
type Tunnel = RelayStatus["tunnels"][number];

function tunnel(name: string, more: Partial<Tunnel> = {}): Tunnel {
  return {
    ...{ name, url: `https://${name}.test`, state: "online", since: now - 93_784_000, wire: "v1" },
    ...{ address: "203.0.113.207", client: { name: "mcp-tunnel-client", version: "0.1.0" } },
    ...{ token: undefined, note: undefined, gate: null, pool: false, rttMs: 12.3 },
    ...{ requests: 123_456, requestBytes: 5_242_880, responseBytes: 1.2e9, streams: 1_024, queuedBytes: 0 },
    ...more,
  };
}

const longName = `preview-${"of-the-branch-".repeat(3)}of-somebody-x`;
const longNote = "The continuous integration of the payments team; ask Bob before you revoke it";
const address = "2001:db8:85a3:8d3:1319:8a2e:370:7348";
const alone = { version: "0.1.0", startedAt: now - 3e8, draining: false };
const addresses = {
  n29442fdee2e75895: "relay-1.relays.example.com:7000",
  n19442fdee2e75895: "relay-2.relays.example.com:7000",
};
const ofCluster = { ...alone, node: "n29442fdee2e75895", addresses };
const worst = [
  tunnel("ann-demo", { token: "3f2a91c04b7d", note: "Ann's laptop", relay: "n19442fdee2e75895" }),
  tunnel(longName, {
    ...{ token: "aa2a91c04b7e", note: longNote, address, gate: ["oauth", "bearer"], state: "leaving" },
    ...{ relay: "n29442fdee2e75895" },
  }),
  tunnel("east", {
    token: "bb2a91c04b7f",
    note: "日本語のノート 💻 開発チームの全員",
    relay: "n00000000gone",
  }),
];

const widest = (lines: readonly string[]): number => Math.max(...lines.map(columnsOf));

/** The cells of each row below its title, by where the titles begin. */
function cellsOf(lines: readonly string[], title: string): string[] {
  const at = lines.findIndex((line) => line.startsWith("NAME "));
  const start = (lines[at] ?? "").indexOf(title);
  expect(start, title).toBeGreaterThan(-1);
  return lines.slice(at + 1, at + 4).map((line) => line.slice(start).split(/ {2,}/, 1)[0] ?? "");
}

describe("the status", () => {
  it.each([80, 100, 120, 160])("fits into %i columns, with whatever names, notes and addresses", (width) => {
    for (const relay of [alone, ofCluster]) {
      const lines = statusTable({ relay, tunnels: worst, silent: ["n00000000gone"] }, now, width);
      expect(widest(lines), lines.join("\n")).toBeLessThanOrEqual(width);
    }
  });

  it("shows at 80 columns what a person needs, and says what is left out", () => {
    const lines = statusTable({ relay: ofCluster, tunnels: worst }, now, 80);
    expect(cellsOf(lines, "NAME")).toEqual([
      "ann-demo",
      "east",
      expect.stringMatching(/^preview-…\S+body-x$/),
    ]);
    expect(cellsOf(lines, "RELAY")).toEqual(["relay-2", expect.any(String), "relay-1"]);
    expect(cellsOf(lines, "CLIENT")[2]).toMatch(/^2001:…?\S*…\S*:7348$/);
    expect(cellsOf(lines, "STATE")).toEqual(["online", "online", "leaving"]);
    // The beginning of an id is enough for `mcp-tunnel token revoke`.
    expect(cellsOf(lines, "TOKEN")[0]).toBe("3f2a91c0");
    expect(cellsOf(lines, "NOTE")[0]).toMatch(/^Ann's lap/);
    expect(cellsOf(lines, "NOTE")[2]).toMatch(/^The con\S*…$/);
    expect(lines.slice(-2).join(" ")).toBe(
      "no room for VERSION, IN, OUT, RTT, GATE, OPEN, REQUESTS; long texts are cut (--wide and --json have all)",
    );
  });

  it("cuts nothing and leaves nothing out where there is room, or no terminal", () => {
    const lines = statusTable({ relay: ofCluster, tunnels: worst }, now);
    const text = lines.join("\n");
    for (const whole of [longName, longNote, address, "aa2a91c04b7e", "mcp-tunnel-client 0.1.0"]) {
      expect(text).toContain(whole);
    }
    expect(text).toContain("relay-1.relays.example.com:7000");
    expect(text).not.toMatch(/…|--wide/);
    expect(statusTable({ relay: alone, tunnels: worst }, now, 300).join("\n")).not.toMatch(/…|--wide/);
  });

  it("has columns for tokens and notes where there are some", () => {
    const head = (more: Partial<Tunnel>): string | undefined =>
      statusTable({ relay: alone, tunnels: [tunnel("app", more)] }, now).find((line) =>
        line.startsWith("NAME"),
      );
    expect(head({})).not.toMatch(/TOKEN|NOTE/);
    expect(head({ token: "3f2a91c04b7d" })).toMatch(/STATE +TOKEN$/);
    expect(head({ token: "3f2a91c04b7d", note: "Ann" })).toMatch(/STATE +TOKEN +NOTE$/);
  });

  it("keeps the columns of a table straight, and cuts no character in two", () => {
    const tunnels = ["ann", "bob"].map((name, i) =>
      tunnel(name, { note: ["💻".repeat(60), "plain"][i] ?? "" }),
    );
    const lines = statusTable({ relay: alone, tunnels }, now, 80);
    expect(widest(lines)).toBeLessThanOrEqual(80);
    expect(lines.find((line) => line.startsWith("ann"))).toMatch(/ (?:💻)+…$/u);
  });

  it("breaks long lines above the table between words", () => {
    const problem = "EACCES: permission denied, open '/etc/mcp-tunnel/tokens.yaml'";
    const stale = [
      { kind: "tokens" as const, name: "/etc/mcp-tunnel/tokens.yaml", problem, since: now - 5_000 },
    ];
    const relay = { ...alone, stale, localPorts: { [longName]: 4001 } };
    const lines = statusTable({ relay, tunnels: [] }, now, 80);
    expect(widest(lines)).toBeLessThanOrEqual(80);
    expect(lines.join(" ")).toContain(`stale for 5s: tokens (/etc/mcp-tunnel/tokens.yaml): ${problem}`);
    expect(lines.join(" ")).toContain(`${longName} is at http://localhost:4001, on the relay's machine`);
  });
});

describe("relays", () => {
  const namesIn = (relay: RelayStatus["relay"], ids: string[]): string[] =>
    cellsOf(
      statusTable({ relay, tunnels: ids.map((id, i) => tunnel(`t${i}`, { relay: id })) }, now, 200),
      "RELAY",
    );

  it.each<[string, string[], string[]]>([
    ["hosts of one domain", ["a.x.test:7000", "b.x.test:7000"], ["a", "b"]],
    ["hosts of several domains", ["a.x.test:7000", "a.y.test:7000"], ["a.x", "a.y"]],
    ["addresses", ["10.0.0.5:7000", "10.0.0.6:7000"], ["10.0.0.5", "10.0.0.6"]],
    ["addresses of IPv6", ["[fd00::1]:7000", "[fd00::2]:7000"], ["fd00::1", "fd00::2"]],
    ["ports of one host", ["a.test:7000", "a.test:7001"], ["a:7000", "a:7001"]],
    ["a name and an address", ["a.test:7000", "10.0.0.6:7000"], ["a.test", "10.0.0.6"]],
    ["one alone", ["a.x.test:7000"], ["a.x.test"]],
  ])("have names as short as tells them apart: %s", (_, given, names) => {
    const known = Object.fromEntries(given.map((one, i) => [`n${i}`, one]));
    expect(
      namesIn({ ...alone, node: "n0", addresses: known }, Object.keys(known)).slice(0, given.length),
    ).toEqual(names);
  });

  it("have their ids if they do not tell their addresses, and workers their numbers", () => {
    const workers = [{ worker: 2, pid: 1, node: "n1", ready: true }];
    const relay = { ...alone, node: "n0", workers, addresses: { n1: "unix:/run/x" } };
    expect(namesIn(relay, ["n1", "nnn"]).slice(0, 2)).toEqual(["worker 2", "nnn"]);
    expect(namesIn({ ...alone, node: "n0" }, ["n0"])[0]).toBe("n0");
  });
});
