import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectedTunnelClient, startTunnelClient } from "mcp-tunnel-client";
import { afterAll, expect, it } from "vitest";
import { createToken, revokeToken } from "../../packages/relay/src/auth/token-file-edit.js";
import { V1Client } from "../../packages/relay/test/support.js";
import { ask } from "../admin/support.js";
import { nextEvent } from "../resilience/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startUpstream } from "../support/upstream.js";
import { eventually } from "./support/eventually.js";
import { note, repetitions, Times } from "./support/figures.js";
import { visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = repetitions(5, 100);
const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-chaos-"));
afterAll(() => rmSync(folder, { recursive: true }));

it.skipIf(noCluster)(
  `two clients claim a name from two relays at once (${count} times): one or the other has it`,
  async () => {
    const world = closing(await World.start());
    const other = closing(await startUpstream());
    const settled = new Times();
    for (let i = 0; i < count; i++) {
      const [one, two] = [world.relay(i % 3), world.relay((i + 1) % 3)];
      const options = {
        subdomain: "app",
        token: "the same token",
        shutdownGraceMs: 0,
        maxReconnectTimeMs: 0,
      };
      const startedAt = performance.now();
      const claims = await Promise.allSettled([
        startTunnelClient({ ...options, port: world.service.port, relayUrl: `http://127.0.0.1:${one.port}` }),
        startTunnelClient({ ...options, port: other.port, relayUrl: `http://127.0.0.1:${two.port}` }),
      ]);
      // Whoever was acknowledged and has lost hears so; whoever lost before that was refused with the same.
      const started = claims.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
      for (const claim of claims) {
        if (claim.status === "rejected") expect(claim.reason).toMatchObject({ code: "evicted" });
      }
      await eventually(() => started.filter(({ state }) => state === "online").length === 1, "one is left");
      settled.add(performance.now() - startedAt);
      const losers = started.filter(({ state }) => state !== "online");
      for (const loser of losers) await eventually(() => loser.state === "closed", "the loser has ended");
      expect(started.length - losers.length).toBe(1);
      const isFirst = claims[0].status === "fulfilled" && claims[0].value.state === "online";
      // All relays agree who it is.
      const [winner, loser] = isFirst ? [world.service, other] : [other, world.service];
      const before = loser.requests.length;
      const seen = winner.requests.length;
      for (const relay of world.relays)
        expect(await visit(relay.port, "app", "/")).toMatchObject({ status: 200 });
      expect(loser.requests.length).toBe(before);
      expect(winner.requests.length).toBe(seen + 3);
      await Promise.all(started.map((client: ConnectedTunnelClient) => client.close()));
    }
    note({
      failure: "Two claims at once, from two relays",
      repetitions: count,
      visitor: "all relays lead to the same client",
      client: `one or the other has the name, after ${settled}; the loser 4002`,
    });
  },
  60_000 + count * 10_000,
);

it.skipIf(noCluster)(
  "a verdict outlasts the relay that has given it",
  async () => {
    const world = closing(await World.start());
    const [owner, elsewhere, third] = [world.relay(0), world.relay(1), world.relay(2)];
    const away = closing(await V1Client.connect(owner.port, "app"));
    away.cut();
    // While it is away another client takes the name at another relay, and the relay that knew both dies.
    await world.client("app", { at: elsewhere, token: "secret" });
    await eventually(
      async () => !(await ask(`${owner.admin}/api/tunnels?scope=local`)).text.includes('"away"'),
      "the first relay has given the name up",
    );
    await owner.kill();
    const verdict = await V1Client.connect(third.port, "app", away.resumeFields).catch(
      (error: unknown) => error,
    );
    expect(String(verdict)).toMatch(/4002/);
    expect(await visit(third.port, "app", "/")).toMatchObject({ status: 200 });
  },
  60_000,
);

it.skipIf(noCluster)(
  "a limit of a token holds when its tunnels are asked for at three relays at once",
  async () => {
    const file = join(folder, "limited.yaml");
    const { token } = await createToken(file, { subdomains: ["*"], maxTunnels: 4 });
    const world = closing(await World.start({ args: ["--token-file", file] }));
    const claims = await Promise.allSettled(
      Array.from({ length: 24 }, (_, i) =>
        startTunnelClient({
          port: world.service.port,
          relayUrl: `http://127.0.0.1:${world.relay(i % 3).port}`,
          subdomain: `limited-${i}`,
          token,
          shutdownGraceMs: 0,
        }),
      ),
    );
    const granted = claims.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
    for (const client of granted) world.opened(client);
    for (const claim of claims) {
      if (claim.status === "rejected") expect(claim.reason).toMatchObject({ code: "refused" });
    }
    expect(granted).toHaveLength(4);
    // A tunnel that ends leaves its place, at whatever relay.
    await granted[0]?.close();
    const late = async (): Promise<boolean> =>
      world.client("late", { token }).then(
        () => true,
        () => false,
      );
    await eventually(late, "there is room again");
  },
  60_000,
);

it.skipIf(noCluster)(
  "each relay shows, closes and takes back the tunnels of all",
  async () => {
    const files = [0, 1, 2].map((i) => join(folder, `tokens-${i}.yaml`)) as [string, string, string];
    const tokens: { token: string; id: string }[] = [];
    for (const note of ["one", "two", "three"]) {
      tokens.push(await createToken(files[0], { subdomains: ["*"], note }));
    }
    for (const file of files.slice(1)) copyFileSync(files[0], file);
    const world = closing(await World.start());
    await Promise.all(world.relays.map((relay) => relay.stop()));
    for (const [i, relay] of world.relays.entries()) relay.extraArgs = ["--token-file", files[i] ?? ""];
    await Promise.all(world.relays.map((relay) => relay.start()));
    await world.linked();
    for (const [i, asked] of world.relays.entries()) {
      const clients = await Promise.all(
        world.relays.map((relay, n) => {
          const relayUrl = `http://127.0.0.1:${relay.port}`;
          return world.client(`app-${n}`, { relayUrl, token: tokens[i]?.token ?? "" });
        }),
      );
      const status = (await ask(`${asked.admin}/api/tunnels`)).text;
      for (const n of [0, 1, 2]) expect(status).toContain(`app-${n}`);
      const far = clients[(i + 1) % 3] as ConnectedTunnelClient;
      const closed = nextEvent(far, "closed");
      const answer = await ask(`${asked.admin}/api/tunnels/app-${(i + 1) % 3}`, { method: "DELETE" });
      expect(answer.json).toMatchObject({ silent: [] });
      expect((await closed).error).toMatchObject({ message: "disconnected by the operator" });
      // The token is taken back in the file of this relay alone.
      const revoked = clients.filter((client) => client !== far).map((client) => nextEvent(client, "closed"));
      await revokeToken(files[i] ?? "", tokens[i]?.id ?? "");
      for (const { error } of await Promise.all(revoked)) expect(error).toBeDefined();
    }
  },
  90_000,
);
