// The clients of the bare relay, as a process: `node client-main.js LINK_PORT FIRST COUNT`. It serves COUNT
// hosts from the tunnel number FIRST on, answers every message itself, and has no local service behind it.
import { connect } from "node:net";
import { tunnelHosts } from "../systems/system.js";
import { encodeMessage, onMessages } from "./messages.js";

const [linkPort, first, count] = process.argv.slice(2).map(Number) as [number, number, number];
const answer = Buffer.alloc(1_024, "x");

for (const host of tunnelHosts(first + count - 1).slice(first - 1)) {
  const socket = connect({ port: linkPort, host: "127.0.0.1", noDelay: true });
  socket.write(encodeMessage(0, Buffer.from(host)));
  onMessages(socket, (id) => socket.write(encodeMessage(id, answer)));
}
