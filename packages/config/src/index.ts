/**
 * Config files of the commands. The entry `/files` has files that are read again when they change.
 *
 * - `yaml.ts`: YAML with the lines of its mistakes and values
 * - `options.ts`: options in a file, read by the readers of the flags
 * - `files.ts`, the entry `/files`:
 *   - `regular-file.ts`: files whose paths may have become anything while a command runs
 *   - `file-watch.ts`: files, looked at until they change
 */
export { linesOf, readOptionMap } from "./options.js";
export type { ConfigRules, FileOption, ReadOptions } from "./options.js";
export { FileMistakes, formatProblems, readYamlFile, YamlFile } from "./yaml.js";
export type { Entry, Problem } from "./yaml.js";
