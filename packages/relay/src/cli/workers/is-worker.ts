/** In the environment of a worker. Its value is the worker's number. */
export const workerVariable = "MCP_TUNNEL_WORKER";

/** Whether this process was started by another one of the same command, as one of several. */
export function isWorker(): boolean {
  return process.env[workerVariable] !== undefined && process.send !== undefined;
}
