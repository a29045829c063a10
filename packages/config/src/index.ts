/**
 * Config files of the commands, and files that are read again when they change.
 *
 * - `yaml.ts`: YAML with the lines of its mistakes and values
 * - `options.ts`: options in a file, read by the readers of the flags
 * - `regular-file.ts`: files whose paths may have become anything while a command runs
 * - `file-watch.ts`: files, looked at until they change
 */
export { FileWatch } from "./file-watch.js";
export { isSwitch, linesOf, readOptionMap } from "./options.js";
export type { ConfigRules, FileOption, ReadOptions } from "./options.js";
export {
  FileTask,
  readRegularFile,
  readRegularFileSync,
  stampOf,
  withinFileTime,
} from "./regular-file.js";
export { formatProblems, mistakesIn, readYamlFile, YamlFile } from "./yaml.js";
export type { Entry, Problem } from "./yaml.js";
