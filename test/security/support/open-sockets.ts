/** Connections that this process has open, both ends of those to itself. */
export function socketsOpen(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}
