// Opens a page and reads its stream, and has nothing else to do.
import { connect } from "node:net";
import { StreamHub } from "../../dist/server/hub.js";
import { openPage } from "../../dist/server/page-server.js";

const parts = {
  ring: { entries: () => [], find: () => undefined },
  mcp: { sessions: () => [] },
  attention: { look: () => () => {}, caughtUp: Promise.resolve() },
  servers: { states: () => [] },
  state: () => ({}),
};
const page = await openPage(parts, new StreamHub());
const socket = connect(page.port, "127.0.0.1", () => {
  const fields = `Host: 127.0.0.1:${page.port}\r\nAuthorization: Bearer ${page.secret}\r\n\r\n`;
  socket.write(`GET /api/stream HTTP/1.1\r\n${fields}`);
});
socket.once("data", (answer) => {
  process.exitCode = answer.toString("latin1").startsWith("HTTP/1.1 200 ") ? 0 : 1;
  socket.unref();
});
