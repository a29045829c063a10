export type { Gate } from "./gate.js";
