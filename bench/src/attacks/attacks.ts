import type { Attack } from "./attack.js";
import { byClients } from "./kinds/clients.js";
import { byHeads } from "./kinds/heads.js";
import { byRelays } from "./kinds/relays.js";
import { bySockets } from "./kinds/sockets.js";
import { byVisitors } from "./kinds/visitors.js";

/** All that the two programs are known to have to withstand, each as one machine can do it that does not mind being recognised. */
export const attacks: readonly Attack[] = [
  ...byVisitors,
  ...bySockets,
  ...byClients,
  ...byHeads,
  ...byRelays,
];
