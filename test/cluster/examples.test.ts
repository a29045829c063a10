import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { createProgram } from "../../packages/relay/src/cli/program.js";
import { RunningCommand } from "../support/commands.js";
import { pythonWith } from "../support/python.js";

// The examples for Compose and Kubernetes, which no engine runs here: that they are what they should be.

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
