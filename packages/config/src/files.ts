/**
 * The entry `/files`: files that are read while a command runs. It is apart from the entry of config files,
 * because to load the YAML library takes longer than most starts need.
 */
export { FileWatch } from "./file-watch.js";
export { FileTask, readRegularFile, readRegularFileSync, stampOf, withinFileTime } from "./regular-file.js";
