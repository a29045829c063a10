import type { Attack } from "./attack.js";
import { byClients } from "./kinds/clients.js";
import { byHeads } from "./kinds/heads.js";
import { byRelays } from "./kinds/relays.js";
import { bySockets } from "./kinds/sockets.js";
import { byVisitors } from "./kinds/visitors.js";

/**
 * All attacks that the relay and the client are known to have to withstand, each at the strength of one
 * machine that does not hide its identity.
 */
export const attacks: readonly Attack[] = [
  ...byVisitors,
  ...bySockets,
  ...byClients,
  ...byHeads,
  ...byRelays,
];
