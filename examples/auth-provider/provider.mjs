// An auth provider for the relay (docs/provider.md), in one file without dependencies:
//
//   PROVIDER_SECRET=S3CRET node provider.mjs
//   mcp-tunnel --domain tunnel.example.com --auth-url http://127.0.0.1:8090 --auth-secret S3CRET
//
// The tokens are in users.json beside this file, by their SHA-256, so that users.json gives no token away:
//
//   printf %s 'the-token' | sha256sum
//
// The provider reads users.json for every question, so that a change holds at once. A real provider asks a
// database.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const { PROVIDER_SECRET: secret = "", PORT = "8090", HOST = "127.0.0.1" } = process.env;
const usersFile = process.env.USERS ?? new URL("users.json", import.meta.url);
/** Longer than any question of a relay, in bytes: a token has 16 KiB at most. */
const maxBodyBytes = 65_536;

if (secret === "") {
  console.error("error: set PROVIDER_SECRET to what the relay has as --auth-secret");
  process.exit(2);
}

const sha256 = (text) => createHash("sha256").update(text).digest();

/** Compares in a time that tells nothing about the place of a difference. */
function isSecret(given) {
  return typeof given === "string" && timingSafeEqual(sha256(given), sha256(secret));
}

async function readJson(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/**
 * The answer to the relay: the status, and the patterns of the token's names or the reason why it has none.
 */
async function verify({ token, subdomain }) {
  const users = JSON.parse(await readFile(usersFile, "utf8"));
  const user = users[sha256(String(token)).toString("hex")];
  // The reasons reach the person at the client: give those that help the person, and none that help a
  // stranger.
  if (user === undefined) return { status: 401, body: { error: "invalid token" } };
  if (user.disabled === true)
    return { status: 403, body: { error: `the account of ${user.name} is disabled` } };
  console.log(`${user.name} asks for ${subdomain === "" ? "any name" : `'${subdomain}'`}`);
  return { status: 200, body: { subdomains: user.subdomains } };
}

async function answer(req) {
  if (req.url !== "/api/verify") return { status: 404, body: { error: "no such path" } };
  if (req.method !== "POST") return { status: 405, body: { error: "only POST is known here" } };
  // 401 would tell the client that its token is wrong. This is the operator's mistake, and the relay logs the
  // status.
  if (!isSecret(req.headers["x-relay-secret"]))
    return { status: 400, body: { error: "X-Relay-Secret is wrong" } };
  return verify(await readJson(req));
}

async function respond(req, res) {
  let result;
  try {
    result = await answer(req);
  } catch (error) {
    console.error(String(error));
    result = { status: 500, body: { error: "the provider failed" } };
  }
  res.writeHead(result.status, { "content-type": "application/json" });
  res.end(JSON.stringify(result.body));
}

const server = createServer((req, res) => void respond(req, res));

server.listen(Number(PORT), HOST, () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`listening on http://${HOST}:${port}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
