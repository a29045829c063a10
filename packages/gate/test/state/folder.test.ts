import { expect, it } from "vitest";
import { stateFolder, type System } from "../../src/state/folder.js";

const home = "/homes/ada";
const cases: [what: string, folder: string, system: System][] = [
  ["Linux", "/homes/ada/.local/state/mcp-tunnel", { platform: "linux", env: {}, home }],
  [
    "Linux with XDG_STATE_HOME",
    "/srv/state/mcp-tunnel",
    { platform: "linux", env: { XDG_STATE_HOME: "/srv/state" }, home },
  ],
  [
    "Linux with a relative XDG_STATE_HOME, which the specification has ignored",
    "/homes/ada/.local/state/mcp-tunnel",
    { platform: "linux", env: { XDG_STATE_HOME: "state" }, home },
  ],
  [
    "macOS, whatever XDG_STATE_HOME says",
    "/people/ada/Library/Application Support/mcp-tunnel",
    { platform: "darwin", env: { XDG_STATE_HOME: "/srv/state" }, home: "/people/ada" },
  ],
  [
    "Windows",
    "D:\\Local\\mcp-tunnel",
    { platform: "win32", env: { LOCALAPPDATA: "D:\\Local" }, home: "C:\\Users\\ada" },
  ],
  [
    "Windows without LOCALAPPDATA",
    "C:\\Users\\ada\\AppData\\Local\\mcp-tunnel",
    { platform: "win32", env: {}, home: "C:\\Users\\ada" },
  ],
  [
    "MCP_TUNNEL_STATE_DIR before all",
    "/srv/tunnels",
    { platform: "linux", env: { MCP_TUNNEL_STATE_DIR: "/srv/tunnels", XDG_STATE_HOME: "/srv/state" }, home },
  ],
  [
    "MCP_TUNNEL_STATE_DIR on macOS",
    "/srv/tunnels",
    { platform: "darwin", env: { MCP_TUNNEL_STATE_DIR: "/srv/tunnels" }, home },
  ],
  [
    "an empty MCP_TUNNEL_STATE_DIR, which is none",
    "/homes/ada/.local/state/mcp-tunnel",
    { platform: "linux", env: { MCP_TUNNEL_STATE_DIR: "", XDG_STATE_HOME: "" }, home },
  ],
];

it.each(cases)("the state folder: %s", (_what, folder, system) => {
  expect(stateFolder(system)).toBe(folder);
});
