// The floor as a process of its own: `node floor-main.js UPSTREAM_PORT PORT`
import { startFloor } from "./floor.js";

const [upstreamPort, port] = process.argv.slice(2).map(Number);
await startFloor(upstreamPort as number, port);
