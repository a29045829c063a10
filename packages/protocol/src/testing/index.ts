export { linkedPair, MemoryLink } from "./linked-pair.js";
