// Gives a relay the address of a machine of its own: its connections come from TEST_MACHINE_ADDRESS, so that
// a gate of the test knows whose they are. On Linux all of 127.0.0.0/8 is this machine.
import { Socket } from "node:net";

const localAddress = process.env["TEST_MACHINE_ADDRESS"];
const connect = Socket.prototype.connect;

/** @this {Socket} */
function connectFromHere(...args) {
  // net.connect passes its arguments as one array, with the options first.
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof options === "object" && options.port !== undefined) options.localAddress ??= localAddress;
  return connect.apply(this, args);
}
Socket.prototype.connect = connectFromHere;
