/**
 * Code that both ends share and that is no part of their protocol. It imports nothing but what Node
 * brings. Code that only their commands need is in `command/`, under an entry point of its own.
 *
 * - `printable.ts`: texts of strangers, made fit for a terminal and for a log
 * - `size.ts`, `duration.ts`: numbers of bytes and spans of time as people write them
 * - `addresses.ts`: addresses of visitors, ranges of them, and the keys under which they count
 * - `loopback.ts`: names and addresses of this machine
 * - `text.ts`: work on text that takes no longer than the text is long
 * - `open-list.ts`: what is open now
 * - `json.ts`: JSON text, changed in places
 * - `mcp-headers.ts`: header fields that repeat parts of a message of MCP
 * - `errors.ts`: the message of anything that was thrown
 * - `rename-over.ts`: a file put in the place of another
 */
export { addressKey, AddressRanges, plainAddress, portOf } from "./addresses.js";
export { formatDuration, parseDuration } from "./duration.js";
export { messageOf, stackOf } from "./errors.js";
export { isObject, splice, walkJson } from "./json.js";
export type { JsonEdit, JsonObject } from "./json.js";
export { isLocalhost, isLoopback, isLoopbackAddress } from "./loopback.js";
export {
  decodeHeaderValue,
  encodeHeaderValue,
  mcpNameMember,
  mcpParamHeaders,
  mcpParamText,
  mcpParamValue,
} from "./mcp-headers.js";
export type { McpParamHeader } from "./mcp-headers.js";
export { OpenList } from "./open-list.js";
export type { Linked } from "./open-list.js";
export { printable, printableJson, printableLines } from "./printable.js";
export { renameOver } from "./rename-over.js";
export { exactBytes, formatBytes, parseBytes } from "./size.js";
export { detached, oneLine, withoutQuery, withoutTrailing } from "./text.js";
