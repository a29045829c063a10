/**
 * What the commands of both ends share. It imports Node's own modules alone: what it does with commander's
 * objects it does by their shape.
 *
 * - `heap.ts`: when V8 collects
 * - `options.ts`: names of variables, help
 * - `secret.ts`: secrets as flags and in files
 * - `line-output.ts`: lines that are written without waiting for their reader
 * - `standard-streams.ts`: the ends of the streams that Node writes itself
 */
export { letHeapGrow } from "./heap.js";
export { LineOutput } from "./line-output.js";
export type { LineOutputOptions } from "./line-output.js";
export { environmentName, optionDescription } from "./options.js";
export type { OptionValues } from "./options.js";
export { readSecret } from "./secret.js";
export { endWithReader } from "./standard-streams.js";
