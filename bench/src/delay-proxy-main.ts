// The delay proxy as a process: `node delay-proxy-main.js TARGET_PORT PORT DELAY_MS BYTES_PER_SECOND`
import { startDelayProxy } from "./delay-proxy.js";

const [targetPort, port, delayMs, bytesPerSecond] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
];
await startDelayProxy({ targetPort, port, delayMs, bytesPerSecond });
