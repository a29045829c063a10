// A log-in with Express: a session, a form that only its own pages may send, an absolute redirect. With
// `trust-proxy` it believes a proxy on this machine about the requested URL.
import express from "express";
import session from "express-session";

const [port, trust] = process.argv.slice(2);
const isBehindProxy = trust === "trust-proxy";
const app = express();
if (isBehindProxy) app.set("trust proxy", "loopback");
app.use(
  session({
    secret: "of the tests",
    resave: false,
    saveUninitialized: false,
    cookie: { secure: "auto", sameSite: "lax" },
  }),
);
app.use(express.urlencoded());

const ownOrigin = (req) => `${req.protocol}://${isBehindProxy ? req.host : req.get("host")}`;

app.get("/", (req, res) => {
  res.send(`<form method="post" action="${ownOrigin(req)}/login"><input name="user"></form>`);
});
app.post("/login", (req, res) => {
  const origin = req.get("origin");
  if (origin !== undefined && origin !== ownOrigin(req)) {
    res.status(403).send("another site's form");
    return;
  }
  req.session.user = req.body.user;
  res.redirect(303, `${ownOrigin(req)}/welcome`);
});
app.get("/welcome", (req, res) => {
  res.type("text").send(`hello ${req.session.user}`);
});

app.listen(Number(port), "127.0.0.1");
