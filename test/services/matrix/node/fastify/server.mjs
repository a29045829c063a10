// A log-in with Fastify: a signed cookie, forms and WebSockets that only its own pages may use, an absolute
// redirect. With `trust-proxy` it believes a proxy on this machine about the requested URL.
import cookie from "@fastify/cookie";
import formbody from "@fastify/formbody";
import websocket from "@fastify/websocket";
import fastify from "fastify";

const [port, trust] = process.argv.slice(2);
const app = fastify({ trustProxy: trust === "trust-proxy" && "127.0.0.1" });
await app.register(cookie, { secret: "of the tests" });
await app.register(formbody);
await app.register(websocket);

const ownOrigin = (request) => `${request.protocol}://${request.host}`;
app.addHook("onRequest", (request, reply, next) => {
  const { origin } = request.headers;
  const isSafe = request.method === "GET" && request.headers.upgrade === undefined;
  if (isSafe || origin === undefined || origin === ownOrigin(request)) next();
  else reply.code(403).send("another site's request");
});

app.get("/", (request, reply) => {
  reply.type("text/html").send('<form method="post" action="/login"><input name="user"></form>');
});
app.post("/login", (request, reply) => {
  reply
    .setCookie("user", request.body.user, {
      signed: true,
      httpOnly: true,
      sameSite: "lax",
      secure: "auto",
      path: "/",
    })
    .redirect(`${ownOrigin(request)}/welcome`, 303);
});
app.get("/welcome", (request, reply) => {
  reply.send(`hello ${request.unsignCookie(request.cookies.user ?? "").value}`);
});
app.get("/echo", { websocket: true }, (socket) => {
  socket.on("message", (message) => socket.send(String(message)));
});

await app.listen({ port: Number(port), host: "127.0.0.1" });
