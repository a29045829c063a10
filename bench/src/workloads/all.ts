import type { Workload } from "../workload.js";
import { besideBulk } from "./beside-bulk.js";
import { bulkWorkloads } from "./bulk.js";
import { eventFanOut, firstEvent } from "./events.js";
import { idleWorkloads } from "./idle-tunnels.js";
import { manyTunnelsWorkloads } from "./many-tunnels.js";
import { mcpCall, mcpCallLegacy } from "./mcp-call.js";
import { secureWorkloads } from "./secure.js";
import { slowReader } from "./slow-reader.js";
import { smallWorkloads } from "./small.js";
import { webSockets } from "./web-sockets.js";

/** In the order of the report. */
export const workloads: readonly Workload[] = [
  ...smallWorkloads,
  ...bulkWorkloads,
  ...manyTunnelsWorkloads,
  ...secureWorkloads,
  besideBulk,
  firstEvent,
  mcpCall,
  mcpCallLegacy,
  eventFanOut,
  webSockets,
  slowReader,
  ...idleWorkloads,
];
