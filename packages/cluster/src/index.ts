// Several relays as one. Names are kept by an engine; requests go from relay to relay over the protocol.
export type { Engine } from "./engine/engine.js";
export { MemoryEngine } from "./engine/memory.js";
