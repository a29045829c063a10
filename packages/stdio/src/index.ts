export { eras, type Era, type StdioOptions } from "./options.js";
export type { OnStdioEvent, ProcessPurpose, StdioEvent } from "./events.js";
