/**
 * Code that the commands of both ends share. It imports only Node's own modules, and those of this package:
 * it knows commander's objects by their shape.
 *
 * - `doctor.ts`: the form of the doctor commands
 * - `heap.ts`: when V8 collects
 * - `options.ts`: names of variables, help
 * - `secret.ts`: secrets as flags and in files
 * - `mistake-text.ts`: mistakes on the command line, in words
 * - `mistakes.ts`: mistakes in options, gathered
 * - `line-output.ts`: lines that are written without waiting for their reader
 * - `console.ts`: texts for the console of Windows
 * - `table.ts`: columns of text
 * - `wrap.ts`: texts broken into lines
 * - `values.ts`: durations and sizes as values of options
 * - `runtime.ts`: which Node is needed
 * - `signals.ts`: what asks a command to end
 * - `completion.ts`: what shells complete
 * - `standard-streams.ts`: what happens when a standard stream cannot be written
 */
export { examineAll, failed, ok, skipped, stepLines, summaryLine, warning } from "./doctor.js";
export type { DoctorReport, Examination, Finding, Step, StepLook, Verdict } from "./doctor.js";
export { letHeapGrow } from "./heap.js";
export { LineOutput } from "./line-output.js";
export type { LineOutputOptions } from "./line-output.js";
export { mistakeLine, suggestion } from "./mistake-text.js";
export { Mistakes, optionMistakes } from "./mistakes.js";
export {
  dropEmptyVariables,
  environmentName,
  isSwitch,
  optionDescription,
  optionKey,
  readSwitch,
  sourceName,
} from "./options.js";
export type { OptionValues } from "./options.js";
export { completionScript, completionShells } from "./completion.js";
export type { CommandShape, OptionShape } from "./completion.js";
export { refuseOtherRuntimes, runtimeFault } from "./runtime.js";
export { readSecret } from "./secret.js";
export { endSignals, isHangUpTheEnd } from "./signals.js";
export { endWithReader, isReaderGone } from "./standard-streams.js";
export { charactersOf, columnsOf, table } from "./table.js";
export { durationReader, sizeReader, valueForms } from "./values.js";
export { wrapped } from "./wrap.js";
