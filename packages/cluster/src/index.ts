// Several relays as one. Names are kept by an engine; requests go from relay to relay over the protocol.
export { createMember } from "./cluster.js";
export type { MemberOptions } from "./options.js";
export type { Engine } from "./engine/engine.js";
export { MemoryEngine } from "./engine/memory.js";
export { PeerLinks } from "./peers/peer-links.js";
export type { PeerLinksOptions } from "./peers/peer-links.js";
export type { PeerLogger } from "./peers/log.js";
export type { PeerTls } from "./peers/tls.js";
export type { PeerPlace } from "./peers/address.js";
export type { Peer, PeerHandler, Peers, SpliceAnswer, SpliceHello } from "./peers/peers.js";
export { RpcEngine } from "./engine/rpc/rpc-engine.js";
export { EngineServer } from "./engine/rpc/server.js";
export { RedisEngine } from "./engine/redis/redis.js";
