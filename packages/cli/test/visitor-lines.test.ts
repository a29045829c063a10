import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import type { TunnelClient } from "../../client/src/client.js";
import type { RequestLine } from "../../inspector/src/lines.js";
import type { McpPlace } from "../src/render/mcp-addresses.js";
import { JsonRenderer } from "../src/render/json.js";
import { HumanRenderer } from "../src/render/human.js";
import type { Renderer } from "../src/render/renderer.js";
import { gateEventText } from "../src/render/visitor-lines.js";
import type { VisitorAuth } from "../src/render/visitor-lines.js";
import { onWindows } from "../../../test/support/systems.js";

const key = `mt_${"k".repeat(43)}`;
const passcode = "lusab-babad-gutih-tugad-mubip";
const files = { key: "/state/1/key", passcode: "/state/1/passcode" };
const auth: VisitorAuth = {
  kinds: ["bearer", "oauth"],
  shown: {},
  files,
  namesFiles: false,
  loginIssuer: undefined,
};
const mcp: readonly McpPlace[] = [{ name: undefined, path: "/mcp" }];

/** What is told at the start. */
function linesOf(given: Partial<VisitorAuth>, places = mcp, make = human): string[] {
  const client = new EventEmitter();
  const lines: string[] = [];
  make(lines).follow(client as unknown as TunnelClient, places, { ...auth, ...given });
  client.emit("connected", { url: "https://demo.relay.test", subdomain: "demo", resumed: false });
  return lines;
}

function human(lines: string[]): Renderer {
  const add = (line: string): number => lines.push(line);
  return new HumanRenderer({ out: add, err: add, colors: false }, "npx server");
}

function json(lines: string[]): Renderer {
  const add = (line: string): number => lines.push(line);
  return new JsonRenderer({ out: add, err: add, colors: false });
}

// Commands to paste are those for POSIX. The ones for Windows are in systems.test.ts.
describe.skipIf(onWindows)("the screen of a tunnel with a gate", () => {
  it("has a line for each kind of host, and shows once what was drawn", () => {
    const lines = linesOf({ shown: { key, passcode } });
    expect(lines).toEqual([
      "",
      "  https://demo.relay.test/mcp",
      "  -> npx server",
      "",
      "Claude, ChatGPT, Cursor, VS Code: give them the URL alone, and sign in",
      "with this passcode:",
      `  ${passcode}`,
      "",
      "Claude Code, Codex, SDKs and all others that send headers:",
      "claude mcp add --transport http demo https://demo.relay.test/mcp \\",
      `--header "Authorization: Bearer ${key}"`,
      "",
      "This is shown once. See it again: mcp-tunnel-client auth show demo",
      "",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("says later where to see it again", () => {
    expect(linesOf({}).slice(4)).toEqual([
      "Claude, ChatGPT, Cursor, VS Code: give them the URL alone, and sign in",
      "with the passcode.",
      "",
      "Claude Code, Codex, SDKs and all others that send headers:",
      "claude mcp add --transport http demo https://demo.relay.test/mcp \\",
      '--header "Authorization: Bearer KEY"',
      "",
      "KEY and passcode: mcp-tunnel-client auth show demo",
      "",
    ]);
  });

  it("names the files where there is no terminal", () => {
    expect(linesOf({ namesFiles: true }).slice(-3)).toEqual([
      "KEY is in /state/1/key",
      "passcode is in /state/1/passcode",
      "",
    ]);
  });

  it("has for keys that were given no place to see them again", () => {
    const { passcode: _, ...none } = files;
    expect(linesOf({ kinds: ["bearer"], files: {} }).slice(-2)).toEqual([
      "KEY is one of --visitor-key or its file.",
      "",
    ]);
    expect(linesOf({ kinds: ["bearer"], files: none }).join("\n")).not.toContain("passcode");
  });

  it("has the plain line of Claude Code for OAuth alone, and the provider that people sign in with", () => {
    const login = { loginIssuer: "https://login.test", files: {} };
    expect(linesOf({ kinds: ["oauth"], ...login }).slice(4)).toEqual([
      "Claude, ChatGPT, Cursor, VS Code: give them the URL alone, and sign in",
      "with your account at https://login.test",
      "",
      "Claude Code, which signs in by /mcp:",
      "claude mcp add --transport http demo https://demo.relay.test/mcp",
      "",
    ]);
  });

  it("says of a port that an MCP server is seldom at its root", () => {
    expect(linesOf({ shown: { key, passcode } }, []).slice(4)).toEqual([
      "Claude, ChatGPT, Cursor, VS Code: give them the URL of your MCP server,",
      "often https://demo.relay.test/mcp, and sign in",
      "with this passcode:",
      `  ${passcode}`,
      "",
      "Programs that send headers:",
      `  Authorization: Bearer ${key}`,
      "",
      "This is shown once. See it again: mcp-tunnel-client auth show demo",
      "",
    ]);
  });

  it("has URLs to choose from for several servers, and breaks lines that are too long for a terminal", () => {
    const places = [
      { name: "files", path: "/files/mcp" },
      { name: "customer-records", path: "/customer-records/mcp" },
    ];
    const lines = linesOf({ kinds: ["bearer", "oauth"], shown: { key } }, places);
    expect(lines.slice(5)).toEqual([
      "Claude, ChatGPT, Cursor, VS Code: give them one of these URLs, and sign in",
      "with the passcode.",
      "",
      "Claude Code, Codex, SDKs and all others that send headers:",
      "claude mcp add --transport http files https://demo.relay.test/files/mcp \\",
      `--header "Authorization: Bearer ${key}"`,
      "claude mcp add --transport http customer-records \\",
      "https://demo.relay.test/customer-records/mcp \\",
      `--header "Authorization: Bearer ${key}"`,
      "",
      "This is shown once. See it again: mcp-tunnel-client auth show demo",
      "",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(linesOf({ kinds: ["oauth"] }, places).at(-4)).toBe("https://demo.relay.test/customer-records/mcp");
  });

  it("has no lines of MCP hosts for a service that may be something else", () => {
    expect(linesOf({ kinds: ["bearer"], shown: { key } }, []).slice(4)).toEqual([
      "Programs that send headers:",
      `  Authorization: Bearer ${key}`,
      "",
      "This is shown once. See it again: mcp-tunnel-client auth show demo",
      "",
    ]);
  });

  it("does not say that addresses alone are a proof", () => {
    expect(linesOf({ kinds: [], files: {} })).toContain(
      "Visitors need no proof: their address decides (--allow-ip).",
    );
  });
});

it("programs get the kinds and the files, and never what was drawn", () => {
  const [line = ""] = linesOf({ shown: { key, passcode } }, mcp, json);
  expect(JSON.parse(line)).toMatchObject({ visitorAuth: { kinds: ["bearer", "oauth"], secretFiles: files } });
  expect(line).not.toContain(key);
  expect(line).not.toContain(passcode);
});

describe("what happens at the gate", () => {
  const client = { clientName: "Claude", address: "192.0.2.1" };
  it.each([
    [
      gateEventText({ type: "asked", ...client, redirectHost: "claude.ai" }, 2),
      '"Claude" asks for access from 192.0.2.1 (and 2 more); the answer goes to claude.ai',
    ],
    // Of the visitor, who may be anywhere. Such an answer is nothing that the owner would see here.
    [
      gateEventText({ type: "asked", ...client, redirectHost: "this computer" }, 0),
      '"Claude" asks for access from 192.0.2.1; the answer goes to a program on the visitor\'s computer',
    ],
    [
      gateEventText({ type: "asked", ...client, redirectHost: "cursor:" }, 0),
      '"Claude" asks for access from 192.0.2.1; the answer goes to a program on the visitor\'s computer',
    ],
    [
      gateEventText({ type: "granted", ...client, grant: "g1", user: "owner", by: "terminal" }, 0),
      '"Claude" has access now (by you)',
    ],
    [
      gateEventText({ type: "granted", ...client, grant: "g1", user: "a@x.test", by: "login" }, 0),
      '"Claude" has access now (by login, a@x.test)',
    ],
    [gateEventText({ type: "revoked", ...client, grant: "g1" }, 0), '"Claude" has no access any more'],
    [
      gateEventText({ type: "denied", ...client, reason: "wrong_passcode" }, 1),
      'access denied for "Claude" from 192.0.2.1: the passcode was wrong (and 1 more)',
    ],
    [
      gateEventText({ type: "refused", reason: "proof", count: 7, address: undefined }, 0),
      "refused without a proof: 7 requests",
    ],
  ])("is a line: %s", (text, expected) => {
    expect(text).toBe(expected);
  });

  it("is not obeyed by the terminal, whatever a client calls itself", () => {
    const lines: string[] = [];
    const name = `\u001b[2J\r\nIf that is you, type 123456${"x".repeat(100)}`;
    human(lines).gate(
      { type: "asked", clientName: name, redirectHost: "x.test", address: undefined },
      0,
      true,
    );
    expect(lines).toEqual([
      expect.stringMatching(
        /^"\\u001b\[2J\\u000d\\u000aIf that is you.*\.\.\." asks for access; the answer goes to x\.test$/,
      ),
      "If that is you, type the number that its page shows, and Enter.",
    ]);
  });
});

describe("requests for the gate's own pages", () => {
  const request: RequestLine = {
    ...{ id: 1, kind: "http", startedAt: 0, method: "GET", path: "/", mcp: undefined, headers: [] },
    ...{ status: 200, durationMs: 1, requestBytes: 0, responseBytes: 0, error: undefined },
    ...{ wasOpen: false, events: undefined },
  };
  const page = `/.mcp-tunnel/consent/${"x".repeat(43)}`;

  function linesOfRequests(
    given: VisitorAuth | undefined,
    requests: readonly Partial<RequestLine>[],
  ): string[] {
    const client = new EventEmitter();
    const lines: string[] = [];
    const renderer = human(lines);
    renderer.follow(client as unknown as TunnelClient, [], given);
    for (const fields of requests) renderer.request({ ...request, ...fields });
    return lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));
  }

  it("are short, and those by which a waiting browser looks again do not tear apart what is typed", () => {
    const lines = linesOfRequests(auth, [
      { path: page },
      { path: page, method: "POST", status: 303 },
      { path: `${page}/waiting` },
      { path: `${page}/waiting`, status: 404 },
      { path: `${page}/cancel?token=t0p`, status: 303 },
    ]);
    expect(lines).toEqual([
      "GET  /.mcp-tunnel/consent/... 200 1.0 ms",
      "POST /.mcp-tunnel/consent/... 303 1.0 ms",
      "GET  /.mcp-tunnel/consent/... 404 1.0 ms",
      "GET  /.mcp-tunnel/consent/... 303 1.0 ms",
    ]);
  });

  it("are the service's where there is no such gate", () => {
    expect(linesOfRequests(undefined, [{ path: `${page}/waiting` }])).toHaveLength(1);
  });
});
