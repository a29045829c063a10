import { EventEmitter } from "node:events";
import decodeQR from "qr/decode.js";
import { describe, expect, it } from "vitest";
import type { RequestLine } from "mcp-tunnel-inspector/lines";
import type { TunnelClient } from "../../client/src/client.js";
import { HumanRenderer } from "../src/render/human.js";
import type { Sharing } from "../src/render/human.js";
import type { FoundMcp } from "../src/render/mcp-addresses.js";
import { isNewer } from "../src/render/newer-client.js";
import { qrLines } from "../src/render/qr.js";
import type { VisitorAuth } from "../src/render/visitor-lines.js";
import { watchForMcp } from "../src/tunnel/mcp-watch.js";
import { onWindows } from "../../../test/support/systems.js";

/** A request that is over, as far as the watch looks at it. */
function lineOf(about: Partial<RequestLine>): RequestLine {
  const mcp = { method: "initialize" };
  return { path: "/mcp?x=1", status: 200, headers: [], mcp, ...about } as RequestLine;
}

describe("the watch for an MCP server", () => {
  it.each([
    ["initialize", lineOf({}), { path: "/mcp", hasProof: false }],
    [
      "server/discover with a key",
      lineOf({ mcp: { method: "server/discover" }, headers: ["Authorization", "Bearer x"] }),
      { path: "/mcp", hasProof: true },
    ],
    ["another method", lineOf({ mcp: { method: "tools/list" } }), undefined],
    ["no MCP", lineOf({ mcp: undefined }), undefined],
    ["a refusal", lineOf({ status: 401 }), undefined],
    [
      "an error of JSON-RPC",
      lineOf({ mcp: { method: "initialize", error: { code: -32_600 } } } as object),
      undefined,
    ],
    ["an endless path", lineOf({ path: `/${"x".repeat(300)}` }), undefined],
  ])("%s", (_what, line, expected) => {
    const found: FoundMcp[] = [];
    const watch = watchForMcp((one) => found.push(one));
    watch(line);
    watch(line);
    expect(found).toEqual(expected === undefined ? [] : [expected]);
  });
});

/** A renderer whose client is connected, and its lines since then. */
function connected(
  event: object = {},
  { auth, sharing, screen }: { auth?: VisitorAuth; sharing?: Sharing; screen?: object } = {},
): { renderer: HumanRenderer; lines: string[]; client: EventEmitter } {
  const client = new EventEmitter();
  const lines: string[] = [];
  const add = (line: string): number => lines.push(line);
  const output = {
    out: add,
    err: add,
    colors: false,
    columns: 80,
    ...(screen === undefined ? {} : { screen }),
  };
  const renderer = new HumanRenderer(output as never, "http://localhost:3000", sharing);
  renderer.follow(client as unknown as TunnelClient, [], auth);
  client.emit("connected", { url: "https://demo.relay.test", subdomain: "demo", resumed: false, ...event });
  return { renderer, lines, client };
}

describe("an MCP server that visitors have found", () => {
  it("gets the line that adds it to Claude Code", () => {
    const { renderer, lines } = connected();
    lines.length = 0;
    renderer.foundMcp({ path: "/mcp", hasProof: false });
    expect(lines).toEqual([
      "An MCP server answers at /mcp. Claude Code:",
      "  claude mcp add --transport http demo https://demo.relay.test/mcp",
    ]);
  });

  it("has the header where a visitor needs a key", () => {
    const header = '--header "Authorization: Bearer KEY"';
    const auth = (kinds: VisitorAuth["kinds"]): VisitorAuth => ({
      kinds,
      shown: {},
      files: {},
      loginIssuer: undefined,
      namesFiles: false,
    });
    const cases: [FoundMcp, VisitorAuth | undefined, boolean][] = [
      [{ path: "/mcp", hasProof: true }, undefined, true],
      [{ path: "/mcp", hasProof: true }, auth(["bearer"]), true],
      [{ path: "/mcp", hasProof: true }, auth(["oauth"]), false],
    ];
    for (const [found, given, isNeeded] of cases) {
      const { renderer, lines } = connected({}, given === undefined ? {} : { auth: given });
      lines.length = 0;
      renderer.foundMcp(found);
      expect(lines.some((line) => line.includes(header))).toBe(isNeeded);
    }
  });

  it.skipIf(onWindows)("does not run in a shell what a visitor's path has in it", () => {
    const { renderer, lines } = connected();
    renderer.foundMcp({ path: "/$(reboot)'\u001b[2J", hasProof: false });
    expect(lines.at(-1)).toContain(String.raw`'https://demo.relay.test/$(reboot)'\''\u001b[2J'`);
  });
});

describe("a relay with a newer client", () => {
  const relayClient = { version: "99.0.0", url: "https://relay.test/client-99.0.0-0123456789ab.tgz" };

  it("is told once, with the line that runs that client", () => {
    const { lines, client } = connected({ relayClient });
    client.emit("connected", {
      url: "https://demo.relay.test",
      subdomain: "demo",
      resumed: true,
      relayClient,
    });
    expect(lines.filter((line) => line.includes("npx"))).toEqual([`  npx -y ${relayClient.url} ...`]);
    expect(lines.join("\n")).toMatch(
      /This client is [\d.]+, and the relay has 99\.0\.0\. With the same options:/,
    );
  });

  it("is not told of an older or equal one", () => {
    for (const version of ["0.0.1", "0.0.0"]) {
      expect(connected({ relayClient: { ...relayClient, version } }).lines.join("\n")).not.toContain("npx");
    }
    expect(connected().lines.join("\n")).not.toContain("npx");
  });

  it.each([
    ["0.10.0", "0.9.9", true],
    ["1.0.0", "0.99.99", true],
    ["0.1.0", "0.1.0", false],
    ["0.1.0", "0.1.1", false],
    ["garbage", "0.1.0", false],
    ["", "0.1.0", false],
  ])("%s after %s: %s", (version, own, expected) => {
    expect(isNewer(version, own)).toBe(expected);
  });
});

/** What a camera reads from lines in which the light modules are drawn. */
function decoded(lines: readonly string[]): string {
  const rows = lines.flatMap((line) => [
    [...line].map((char) => "█▀".includes(char)),
    [...line].map((char) => "█▄".includes(char)),
  ]);
  const scale = 4;
  const [width, height] = [(rows[0]?.length ?? 0) * scale, rows.length * scale];
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isLight = rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] ?? false;
      data.fill(isLight ? 255 : 0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return decodeQR({ width, height, data });
}

describe("sharing the URL", () => {
  it("draws it as a QR code that fits", () => {
    const lines = qrLines("https://demo.tunnel.example.com", false) ?? [];
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines[0]?.length).toBeLessThan(40);
    expect(lines.length).toBeLessThan(20);
    expect(lines.join("")).toMatch(/^[█▀▄ ]+$/);
    expect(decoded(lines)).toBe("https://demo.tunnel.example.com");
    // The other way round: dark modules, and the colours that say so.
    expect(qrLines("https://demo.tunnel.example.com", true)?.[1]).toMatch(
      /^\u001b\[30;107m[█▀▄ ]+\u001b\[0m$/,
    );
  });

  it("says so where a relay gives a URL that no code can hold", () => {
    const url = (length: number): string => `https://demo.tunnel.example.com/${"a".repeat(length - 32)}`;
    expect(qrLines(url(2_953), true)?.length).toBeGreaterThan(80);
    expect(qrLines(url(2_954), true)).toBeUndefined();
    const { lines } = connected({}, { sharing: { copy: false, drawQr: () => undefined } });
    expect(lines).toContain("warning: --qr: this URL is too long for a QR code");
  });

  it("says so where the code is too wide", () => {
    const sharing = { copy: false, drawQr: () => ["x".repeat(81)] };
    const { lines } = connected({}, { sharing });
    expect(lines).toContain("warning: --qr: the code of this URL needs 81 columns, and the terminal has 80");
  });

  it("copies it by the terminal, or says that it cannot", () => {
    const copied: string[] = [];
    const sharing = { copy: true, drawQr: undefined };
    const screen = { copy: (text: string) => copied.push(text), keep: () => {} };
    connected({}, { sharing, screen });
    expect(copied).toEqual(["https://demo.relay.test"]);
    expect(connected({}, { sharing }).lines).toContain(
      "warning: --copy: the URL is not copied, because that needs a terminal with OSC 52",
    );
  });
});
