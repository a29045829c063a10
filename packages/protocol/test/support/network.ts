import { linkedPair } from "mcp-tunnel-protocol/testing";
import type { MemoryLink } from "mcp-tunnel-protocol/testing";

/**
 * A pair of links with a delay and a bandwidth, for faked time. `bufferedBytes` has the bytes that have not
 * left yet, as with a socket.
 */
export function network(delayMs: number, bytesPerMs: number): [MemoryLink, MemoryLink] {
  const [left, right] = linkedPair({ manual: true });
  for (const link of [left, right]) {
    let busyUntil = 0;
    link.send = (message) => {
      if (typeof message === "string") throw new Error("a text message");
      link.bufferedBytes += message.length;
      busyUntil = Math.max(busyUntil, performance.now()) + message.length / bytesPerMs;
      const leavesIn = busyUntil - performance.now();
      setTimeout(() => {
        link.bufferedBytes -= message.length;
        if (link.bufferedBytes === 0) link.handler?.onDrain?.();
      }, leavesIn);
      setTimeout(() => link.peer.handler?.onMessage(message), leavesIn + delayMs);
    };
    link.ping = () => {
      setTimeout(() => link.handler?.onPong?.(), 2 * delayMs);
    };
  }
  return [left, right];
}
