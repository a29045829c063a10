import { TunnelClient } from "mcp-tunnel-client";
import { expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { TestRelay } from "../../client/test/test-relay.js";
import { readTunnelsFile } from "../src/config/tunnels-file.js";
import type { NamedTunnel } from "../src/config/tunnels-file.js";
import { JsonFleetScreen } from "../src/render/fleet-screen.js";
import { JsonRenderer } from "../src/render/json.js";
import { Fleet } from "../src/tunnel/fleet.js";

const closing = closingAfterEach();

function tunnelsOf(text: string): ReadonlyMap<string, NamedTunnel> {
  return readTunnelsFile({ path: "tunnels.yaml", readText: () => text }).tunnels;
}

/**
 * What came to the relay over both connections at once could be read in any order. Then the predecessor was
 * evicted with its requests, or its successor, which takes only a free name, ended.
 */
it("a changed tunnel connects once its predecessor has said that it leaves", async () => {
  const relay = closing(await new TestRelay().listen());
  const output = { out() {}, err() {}, colors: false };
  const fleet = new Fleet({
    inspect: () => undefined,
    isTerminal: false,
    terminal: undefined,
    screen: new JsonFleetScreen(output),
    createRenderer: (name) => new JsonRenderer(output, name),
    failed: () => 1,
  });
  closing({
    async close() {
      fleet.end();
      await fleet.ended;
    },
  });
  const starts = vi.spyOn(TunnelClient.prototype, "start");
  const ends = vi.spyOn(TunnelClient.prototype, "close");
  const text = (port: number): string => `tunnels:\n  web: {relay: '${relay.url}', local: ${port}}\n`;
  expect(await fleet.change(tunnelsOf(text(1)))).toMatchObject({ started: ["web"] });
  await starts.mock.results[0]?.value;
  expect(await fleet.change(tunnelsOf(text(2)))).toMatchObject({ restarted: ["web"] });
  expect(starts.mock.contexts.length).toBe(2);
  expect(ends.mock.contexts).toContain(starts.mock.contexts[0]);
  const [left = Number.NaN] = ends.mock.invocationCallOrder;
  const [, begun = Number.NaN] = starts.mock.invocationCallOrder;
  expect(left).toBeLessThan(begun);
});
