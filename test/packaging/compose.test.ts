import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createProgram } from "../../packages/relay/src/cli/program.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, runRelay } from "../support/commands.js";

// The Compose example, which no engine runs here: its relay is run with its variables, as a process. A few
// values are replaced: ports by free ones, and folders of the container by one of the test.

const closing = closingAfterEach();
const example = fileURLToPath(new URL("../../examples/compose/compose.yaml", import.meta.url));

interface Service {
  environment: Record<string, string>;
  ports: string[];
  stop_grace_period: string;
}

describe("the Compose example", () => {
  const text = readFileSync(example, "utf8");
  const { relay: service } = (parse(text) as { services: { relay: Service } }).services;

  it("starts the relay with options that it knows, at the ports that lead to it", () => {
    const { environment, ports } = service;
    const known = createProgram().options.map(({ envVar }) => envVar);
    expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
    const { MCP_TUNNEL_HTTP_REDIRECT: redirect, MCP_TUNNEL_PORT: port } = environment;
    expect(ports).toEqual([`80:${redirect}`, `443:${port}`]);
  });

  it("starts without a warning, leads port 80 to https, and takes the token of its steps", async () => {
    const folder = closing(createFolder());
    mkdirSync(join(folder.path, "config"));
    const authority = await createAuthority();
    const domain = service.environment["MCP_TUNNEL_DOMAIN"] ?? "";
    const { cert, key } = await authority.issue([domain, `*.${domain}`, "127.0.0.1"]);
    folder.write("config/fullchain.pem", cert);
    folder.write("config/privkey.pem", key);
    const env = Object.fromEntries(
      Object.entries({
        ...service.environment,
        MCP_TUNNEL_PORT: "0",
        MCP_TUNNEL_HTTP_REDIRECT: "0",
        // In the image they are those of the container alone.
        MCP_TUNNEL_HOST: "127.0.0.1",
        MCP_TUNNEL_ADMIN_LISTEN: "127.0.0.1:0",
      }).map(([name, value]) => [name, value.replace("/etc/mcp-tunnel", join(folder.path, "config"))]),
    );

    const step = /^# +docker compose run --rm relay (.*)$/m.exec(text)?.[1] as string;
    const words = step.split(" ").map((word) => word.replaceAll("'", ""));
    const created = closing(runRelay(words, env));
    expect((await created.exited).code, created.output).toBe(0);
    const [token = ""] = /mtt_\S+/.exec(created.output) ?? [];

    const relay = closing(runRelay([], env));
    const { port, urls } = await relay.waitForJson({ msg: "listening" });
    const { port: redirect } = await relay.waitForJson({ msg: "redirecting to HTTPS" });
    await relay.waitForJson({ msg: "admin API listening" });
    expect(urls).toBe(`https://{subdomain}.${domain}`);
    // fetch() writes a Host of its own.
    const host = `ann-demo.${domain}`;
    const visit = get({ host: "127.0.0.1", port: redirect as number, path: "/a?b=1", headers: { host } });
    const [answer] = (await once(visit, "response")) as [IncomingMessage];
    answer.resume();
    expect([answer.statusCode, answer.headers.location]).toEqual([308, `https://${host}/a?b=1`]);

    const to = ["--relay", `https://127.0.0.1:${String(port)}`, "--token", token, "--subdomain", "ann-demo"];
    const trust = { NODE_EXTRA_CA_CERTS: folder.write("ca.pem", authority.cert) };
    const client = closing(runClient(["9", ...to, "--json"], trust));
    const { url } = await client.waitForJson({ event: "connected" });
    expect(url).toBe(`https://ann-demo.${domain}`);
    // 40 is pino's number of a warning.
    expect(relay.json.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });
});
