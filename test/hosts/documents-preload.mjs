// Preloaded (`node --import`) into the client command: the hosts' names lead to a global address, as they do
// in the world, and connections to port 443 go to the server at HOSTS_DOCUMENTS_PORT of this machine. So the
// command fetches documents as it always does, with all its checks.
import { Resolver } from "node:dns/promises";
import { Socket } from "node:net";

/** One of a.root-servers.net: a global address, which no test connects to. */
const address = "198.41.0.4";
const names = new Set((process.env.HOSTS_DOCUMENTS_NAMES ?? "").split(","));
const port = Number(process.env.HOSTS_DOCUMENTS_PORT);

Resolver.prototype.resolve4 = async (name) => (names.has(name) ? [address] : []);
Resolver.prototype.resolve6 = async () => [];

const { connect } = Socket.prototype;
Socket.prototype.connect = function connectThere(...args) {
  // Node hands its own calls over as one array that it has put in order.
  const own = Array.isArray(args[0]) ? args[0] : args;
  if (Number(own[0]?.port) === 443) own[0] = { ...own[0], host: "127.0.0.1", port };
  return connect.apply(this, args);
};
