// The local service of the attacks: `service-main.js PORT`.
import { createServer } from "node:http";

const chunk = Buffer.alloc(65_536, "x");
const server = createServer((req, res) => {
  const [, name, argument] = (req.url ?? "").split("/");
  res.on("error", () => {});
  // This request is never answered, and its body is not read.
  if (name === "hang") return;
  if (name === "cookie") res.setHeader("set-cookie", `s=1; Domain=a${".".repeat(Number(argument))}a`);
  if (name !== "bytes") {
    req.resume().on("end", () => res.end("small"));
    return;
  }
  let left = Number(argument);
  res.setHeader("content-length", left);
  const write = (): void => {
    while (left > 0 && !res.destroyed) {
      const piece = chunk.subarray(0, Math.min(left, chunk.length));
      left -= piece.length;
      if (!res.write(piece)) {
        res.once("drain", write);
        return;
      }
    }
    res.end();
  };
  write();
});
server.on("upgrade", (_req, socket) => {
  socket.on("error", () => socket.destroy());
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  socket.pipe(socket);
});
server.listen(Number(process.argv[2]), "127.0.0.1", 1_024);
