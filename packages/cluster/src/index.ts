// Several relays as one. Names are kept by an engine; requests go from relay to relay over the protocol.
export { createMember } from "./cluster.js";
export type { MemberOptions } from "./options.js";
export type {
  ClaimAnswer,
  ClaimRequest,
  Engine,
  EngineEvent,
  EngineTimes,
  Entry,
  Held,
  Lost,
  NodeInfo,
} from "./engine/engine.js";
export { MemoryEngine } from "./engine/memory.js";
export type { PeerTls } from "./peers/tls.js";
export type { PeerPlace } from "./peers/address.js";
export type { PeerLinksOptions } from "./peers/peer-links.js";
export { probeRelay } from "./peers/probe.js";
export { RpcEngine } from "./engine/rpc/rpc-engine.js";
export { EngineServer } from "./engine/rpc/server.js";
export { RedisEngine } from "./engine/redis/redis.js";
export type { RedisOptions } from "./engine/redis/options.js";
export type { Logger } from "mcp-tunnel-protocol";
