import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { createProgram } from "../../packages/relay/src/cli/program.js";
import { RedisServer } from "../../packages/cluster/test/redis-server.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, runRelay } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { pythonWith } from "../support/python.js";
import { noCluster } from "./support/world.js";

// The examples for Compose and Kubernetes, which no engine runs here: that they are what they should be. The
// relays of the Compose example are run as processes.

const closing = closingAfterEach();
const folder = fileURLToPath(new URL("../../examples/cluster", import.meta.url));
const kubernetes = join(folder, "kubernetes");
const manifests = readdirSync(kubernetes).filter((name) => name.endsWith(".yaml"));
const python = pythonWith(fileURLToPath(new URL("requirements.txt", import.meta.url)));
const known = createProgram().options.map(({ envVar }) => envVar);
const seconds = (text: string): number => Number(/^(\d+)s$/.exec(text)?.[1]);

describe("the Compose example of a cluster", () => {
  interface Relay {
    environment: Record<string, string>;
    networks: { relays: { ipv4_address: string } };
    stop_grace_period: string;
    secrets: string[];
  }
  const text = readFileSync(join(folder, "compose.yaml"), "utf8");
  const compose = parse(text, { merge: true }) as {
    services: Record<string, Relay>;
    secrets: Record<string, unknown>;
  };
  const relays = Object.entries(compose.services).filter(([name]) => name.startsWith("relay-"));
  const ownAddress = ({ networks }: Relay): string => networks.relays.ipv4_address;

  it("has three relays, with options that they know, at the addresses that HAProxy asks", () => {
    expect(relays).toHaveLength(3);
    const haproxy = readFileSync(join(folder, "haproxy.cfg"), "utf8");
    const asked = [...haproxy.matchAll(/^ +server relay-\d (\S+) check port (\d+)$/gm)];
    expect(asked.map(([, address, port]) => [address, port])).toEqual(
      relays.map(([, relay]) => [`${ownAddress(relay)}:${relay.environment["MCP_TUNNEL_PORT"]}`, "9090"]),
    );
    for (const [, relay] of relays) {
      const { environment } = relay;
      expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
      expect(environment).toMatchObject({
        MCP_TUNNEL_PEER_LISTEN: `${ownAddress(relay)}:7000`,
        MCP_TUNNEL_ADMIN_LISTEN: `${ownAddress(relay)}:9090`,
        MCP_TUNNEL_TRUSTED_PROXY: ownAddress(compose.services["haproxy"] as Relay),
      });
      expect(seconds(relay.stop_grace_period)).toBeGreaterThan(30);
      expect(Object.keys(compose.secrets)).toEqual(relay.secrets);
    }
  });

  it.skipIf(noCluster)(
    "has relays that find each other and start without a warning",
    { timeout: 60_000 },
    async () => {
      const { command } = compose.services["valkey"] as unknown as { command: string[] };
      const [, ...flags] = command;
      const redis = closing(await RedisServer.start(...flags));
      const own = closing(createFolder());
      mkdirSync(join(own.path, "secrets"));
      mkdirSync(join(own.path, "config"));
      for (const name of Object.keys(compose.secrets)) {
        own.write(`secrets/${name}`, `${randomBytes(32).toString("base64")}\n`);
      }
      // Ports are free ones, the relays' addresses are on loopback, and the folders of the container of the
      // test's own. Everything else is as it is written.
      const environmentOf = async (relay: Relay): Promise<Record<string, string>> => {
        const places: Record<string, string> = {
          MCP_TUNNEL_HOST: "127.0.0.1",
          MCP_TUNNEL_PORT: "0",
          MCP_TUNNEL_CLUSTER: redis.url,
          MCP_TUNNEL_PEER_LISTEN: `127.0.0.1:${await freePort()}`,
          MCP_TUNNEL_ADMIN_LISTEN: "127.0.0.1:0",
        };
        return Object.fromEntries(
          Object.entries({ ...relay.environment, ...places }).map(([name, value]) => [
            name,
            value
              .replace("/run/secrets", join(own.path, "secrets"))
              .replace("/etc/mcp-tunnel", join(own.path, "config")),
          ]),
        );
      };
      const environments = await Promise.all(relays.map(([, relay]) => environmentOf(relay)));
      const step = /^# +docker compose run --rm --no-deps relay-1 (.*)$/m.exec(text)?.[1] as string;
      const created = closing(runRelay(step.replaceAll("'", "").split(" "), environments[0]));
      expect((await created.exited).code, created.output).toBe(0);
      const running = environments.map((environment) => closing(runRelay([], environment)));
      for (const relay of running) {
        await relay.waitForJson({ msg: "listening" });
        await relay.waitForJson({ msg: "admin API listening" });
      }
      // Of two relays one makes the link, and the other takes it.
      const links = ({ json }: RunningCommand): number =>
        json.filter(({ msg }) => msg === "link to another relay" || msg === "a relay has begun a session")
          .length;
      await Promise.all(
        running.map((relay) => relay.waitFor("two links", () => (links(relay) >= 2 ? true : undefined))),
      );
      // 40 is pino's number of a warning.
      expect(running.flatMap(({ json }) => json.filter(({ level }) => Number(level) >= 40))).toEqual([]);
    },
  );
});

describe("the manifests for Kubernetes", () => {
  interface Manifest {
    kind: string;
    metadata: { name: string };
    // oxlint-disable-next-line typescript/no-explicit-any -- the schemas check it
    spec: any;
  }
  const all = manifests.flatMap((name) =>
    parseAllDocuments(readFileSync(join(kubernetes, name), "utf8")).map(
      (document) => document.toJS() as Manifest,
    ),
  );
  const find = (kind: string, name: string): Manifest => {
    const found = all.find((one) => one.kind === kind && one.metadata.name === name);
    if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };

  it.skipIf(python === undefined).each(["1.28", "1.37"])("are valid for version %s", async (version) => {
    const files = manifests.map((name) => join(kubernetes, name));
    const args = ["-m", "kubernetes_validate", "--strict", "--kubernetes-version", version];
    const command = new RunningCommand(python ?? "", [...args, ...files]);
    expect((await command.exited).code, command.output).toBe(0);
    expect(command.output.match(/ passed for /g)).toHaveLength(all.length);
  });

  it("start relays with options that they know, and give them time to end", () => {
    const pod = find("Deployment", "mcp-tunnel").spec.template.spec;
    const [relay] = pod.containers as {
      env: { name: string; value?: string }[];
      lifecycle: { preStop: { exec: { command: string[] } } };
    }[];
    const options = (relay?.env ?? []).filter(({ name }) => name !== "POD_IP");
    expect(known).toEqual(expect.arrayContaining(options.map(({ name }) => name)));
    const grace = options.find(({ name }) => name === "MCP_TUNNEL_SHUTDOWN_GRACE")?.value ?? "";
    const before = Number(relay?.lifecycle.preStop.exec.command[1]);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(before + seconds(grace));
  });

  it("let through what one part asks of another", () => {
    const deployment = find("Deployment", "mcp-tunnel").spec.template;
    const names = (deployment.spec.containers[0].ports as { name: string }[]).map(({ name }) => name);
    const rules = find("NetworkPolicy", "mcp-tunnel").spec.ingress as { ports: { port: string }[] }[];
    expect(rules.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual(names);
    for (const [kind, name] of [
      ["Service", "mcp-tunnel"],
      ["Service", "mcp-tunnel-admin"],
    ] as const) {
      expect(find(kind, name).spec.selector).toEqual(deployment.metadata.labels);
    }
    expect(find("PodDisruptionBudget", "mcp-tunnel").spec.selector.matchLabels).toEqual(
      deployment.metadata.labels,
    );
  });
});
