// The least that a server in Node allocates: `node:http` with an answer that is ready.
// `node bare-main.js PORT`
import { createServer } from "node:http";

const body = Buffer.alloc(1_024, "x");
/** As many fields as the answer of nginx has through the tunnel. */
const fields = [
  ...["Server", "nginx/1.26.3", "Date", "Mon, 30 Nov 2026 12:00:00 GMT", "Content-Type", "text/plain"],
  ...["Content-Length", "1024", "X-Request-Id", "00000000000000000000000000000000"],
];

createServer({ requestTimeout: 0 }, (_req, res) => {
  res.writeHead(200, fields);
  res.end(body);
}).listen(Number(process.argv[2]), "127.0.0.1", 4_096);
