import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { createAuthority, type Folder } from "./certificates.js";
import { RunningCommand } from "./commands.js";
import { freePort } from "./free-port.js";

/** Debian's pebble, a certification authority for tests, with the DNS server that it asks. */
export interface Pebble {
  /** The URL of the authority's ACME directory. */
  readonly directory: string;
  /** The file with the certificate of its HTTP server, for NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
  /** The URL at which a test sets the records of its DNS server. */
  readonly dnsAdmin: string;
  /** The root certificate of the authority, as PEM. */
  root(): Promise<string>;
  close(): Promise<void>;
}

/** Starts both programs. Their files go into `folder`. */
export async function startPebble(folder: Folder): Promise<Pebble> {
  const [acme, management, dns, dnsManagement] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const authority = await createAuthority();
  const pair = await authority.issue(["localhost", "127.0.0.1"]);
  const config = folder.write(
    "pebble.json",
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${acme}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: folder.write("pebble.pem", pair.cert),
        privateKey: folder.write("pebble.key", pair.key),
        httpPort: 0,
        tlsPort: 0,
      },
    }),
  );
  const dnsServer = new RunningCommand("pebble-challtestsrv", [
    ...["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${dnsManagement}`],
    ...["-http01", "", "-https01", "", "-tlsalpn01", ""],
  ]);
  const pebble = new RunningCommand(
    "pebble",
    ["-config", config, "-strict", "-dnsserver", `127.0.0.1:${dns}`],
    // By default pebble waits up to 15 seconds before it looks at the records.
    { env: { PEBBLE_VA_NOSLEEP: "1" } },
  );
  const says = (what: string) => (command: RunningCommand) =>
    command.waitFor(what, () =>
      [...command.stdout, ...command.stderr].join("\n").includes(what) ? true : undefined,
    );
  await says("Starting management server")(dnsServer);
  await says("ACME directory available at")(pebble);
  return {
    directory: `https://localhost:${acme}/dir`,
    caFile: folder.write("pebble-ca.pem", authority.cert),
    dnsAdmin: `http://127.0.0.1:${dnsManagement}`,
    async root() {
      const get = request(`https://localhost:${management}/roots/0`, { ca: authority.cert });
      get.end();
      const [response] = await once(get, "response");
      return text(response);
    },
    async close() {
      await Promise.all([pebble.close(), dnsServer.close()]);
    },
  };
}
