/** The number of processes that hold the clients of many tunnels: fewer would have the load on one core. */
const processes = 4;

/** How many tunnels each process holds, and the number of its first one, counted from 1. */
export interface Share {
  readonly first: number;
  readonly count: number;
}

/** Divides tunnels among processes. A process without tunnels is not started. */
export function sharesOf(tunnels: number): Share[] {
  const shares: Share[] = [];
  for (let i = 0; i < processes; i++) {
    const first = Math.floor((tunnels * i) / processes) + 1;
    const count = Math.floor((tunnels * (i + 1)) / processes) - first + 1;
    if (count > 0) shares.push({ first, count });
  }
  return shares;
}
