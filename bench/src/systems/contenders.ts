// Other self-hosted tunnels, run when their programs are on the PATH. Each has its plain defaults and no
// encryption where it can be without, as ours has none on loopback. What they print goes to the null device,
// as ours does (child.ts).
import { frp, localtunnel, piko, sish } from "./web-tunnels.js";
import { bore, chisel, rathole, wstunnel } from "./tcp-tunnels.js";
import type { System } from "./system.js";

/** Tunnels that know HTTP, like ours: they choose the tunnel of a request by its Host. */
export const webTunnels: readonly System[] = [frp, piko, sish, localtunnel];

/** Tunnels that copy bytes between ports. */
const tcpTunnels: readonly System[] = [chisel, bore, rathole, wstunnel];

export const contenders: readonly System[] = [...webTunnels, ...tcpTunnels];
