// The parts, in the order in which a request meets them:
//   server.ts    puts them together, and takes a request to the era that it is of
//   http/        method, Content-Type, length, JSON and shape; the bridge's own answers; streams of events
//   legacy/      revisions up to 2025-11-25: a session and a process for each visitor
//   modern/      revision 2026-07-28: one process for all requests
//   child/       a process and its group, from start to end, behind the interface in pipe.ts
//   message.ts, options.ts, events.ts   shared vocabulary
// Around them:
//   config/      the files in which hosts keep their servers
//   servers.ts   several servers behind one handler, each at a path of its own (paths.ts)
//   command/     the command mcp-tunnel-stdio
export { createStdioServer, type StdioServer } from "./server.js";
export { eras, type Era, type StdioOptions } from "./options.js";
export { commandText } from "./child/describe.js";
export { programFault } from "./child/program.js";
export { eventText } from "./event-text.js";
export type { OnStdioEvent, ProcessPurpose, StdioEvent } from "./events.js";
export type { CommandEntry, McpServerEntry, UrlEntry } from "./config/entry.js";
export {
  checkMcpConfig,
  readMcpConfig,
  type CheckedMcpConfig,
  type ReadMcpConfigOptions,
} from "./config/read.js";
export { atOnlyPath, type Handler, mcpPath, nameAt, onlyPath } from "./paths.js";
export { createMcpServers, type McpServers, type McpServersOptions } from "./servers.js";
