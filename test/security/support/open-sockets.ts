/** The number of open connections of this process. A connection to itself counts twice. */
export function socketsOpen(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}
