import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { noRedis, RedisServer } from "../../packages/cluster/test/redis-server.js";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream } from "../support/upstream.js";

// Three relays with nothing in front: each name leads to all of them, as in examples/cluster/dns.zone.

const closing = closingAfterEach();
const zone = readFileSync(new URL("../../examples/cluster/dns.zone", import.meta.url), "utf8");

/** The addresses of a name in the zone. */
function addressesOf(name: string): string[] {
  const records = zone.split("\n").map((line) => line.split(/ +/));
  return records.flatMap(([owner, , type, address]) =>
    owner === `${name}.` && type === "A" && address !== undefined ? [address] : [],
  );
}

/** Resolves every name to all addresses, as the zone does, for a program of Node. */
const resolver = (addresses: readonly string[]) => `
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
const all = ${JSON.stringify(addresses.map((address) => ({ address, family: 4 })))};
const { lookup } = dns;
dns.lookup = (name, options, done) => {
  if (!name.endsWith("tunnel.test")) return lookup(name, options, done);
  if (options.all === true) process.nextTick(done, null, all);
  else process.nextTick(done, null, all[0].address, 4);
};
syncBuiltinESMExports();
`;

describe.skipIf(noRedis || missingProgram("curl"))("three relays by DNS alone", () => {
  it("are found by visitors and by the client, also when the first of them is gone", async () => {
    expect(addressesOf("*.tunnel.example.com")).toEqual(addressesOf("tunnel.example.com"));
    const addresses = addressesOf("tunnel.example.com").map((address) =>
      address.replace("203.0.113.", "127.0.0."),
    );
    expect(addresses).toHaveLength(3);
    const redis = closing(await RedisServer.start());
    const upstream = closing(await startUpstream());
    const folder = closing(createFolder());
    const authority = await createAuthority();
    const { cert, key } = await authority.issue(["tunnel.test", "*.tunnel.test"]);
    const caFile = folder.write("ca.pem", authority.cert);
    const port = await freePort();
    const args = [
      ...["--domain", "tunnel.test", "--port", `${port}`],
      ...["--public-url", "https://{subdomain}.{domain}:{port}"],
      ...["--tls-cert", folder.write("cert.pem", cert), "--tls-key", folder.write("key.pem", key)],
      ...["--cluster", redis.url, "--cluster-secret-file", folder.write("secret", "x".repeat(40))],
    ];
    const relays = await Promise.all(
      addresses.map(async (host) =>
        closing(await startRelayCommand([...args, "--host", host, "--peer-listen", `${host}:0`])),
      ),
    );
    const url = `https://demo.tunnel.test:${port}/status/200`;
    const curl = async (): Promise<string> => {
      const resolve = ["--resolve", `demo.tunnel.test:${port}:${addresses.join(",")}`];
      const command = new RunningCommand("curl", ["-sS", "--cacert", caFile, ...resolve, url]);
      await command.exited;
      return command.output;
    };
    await relays[0]?.close();
    const preload = folder.write("resolve.mjs", resolver(addresses));
    closing(
      await startClientCommand(
        upstream.port,
        0,
        ["--relay", `https://tunnel.test:${port}`, "--subdomain", "demo"],
        { NODE_EXTRA_CA_CERTS: caFile, NODE_OPTIONS: `--import ${preload}` },
      ),
    );
    expect(await curl()).toBe("status 200");
  }, 60_000);
});
