/**
 * What passes through a client, or several: kept in memory, read as MCP, shown on a page of this machine.
 *
 * - `inspector.ts`: the parts, put together. `tap.ts`: where what passes through a tunnel comes in
 * - `capture/`: what passes, kept within bounds in a ring. `captured.ts` is what the other parts see of it
 * - `mcp/`: sessions, calls and their timelines, read from what is kept. `reading.ts` is what it keeps with
 *   an entry, `rpc.ts` reads one message, `sse/` splits event streams, `encodings.ts` undoes a
 *   Content-Encoding
 * - `secrets/`: what is hidden whenever something leaves the ring
 * - `views/`: entries as the API and exports show them. `query/`: which of them match the filters
 * - `record/`: a HAR file, written as exchanges end
 * - `replay/`: requests that are sent to the service again
 * - `server/`: the page's server and its API, whose types `model.ts` has (entry `/model`). The page itself
 *   is in `../page`
 * - `servers.ts`: processes of MCP servers on stdio
 * - `lines/` (entry `/lines`): what a terminal tells of requests. It loads nothing of the others but
 *   `rpc.ts`, `secrets/` and `sse/`
 */
export { createInspector } from "./inspector.js";
export type {
  InspectedTunnel,
  Inspector,
  InspectorOptions,
  InspectorPage,
  ListenOptions,
  Recording,
  RecordOptions,
  ReplayEvent,
  ServerEvent,
} from "./inspector.js";
