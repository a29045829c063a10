export { createInspector } from "./inspector.js";
export type {
  Inspector,
  InspectorOptions,
  InspectorPage,
  ListenOptions,
  Recording,
  RecordOptions,
  ReplayEvent,
  ServerEvent,
} from "./inspector.js";
