import { expect, it } from "vitest";
import { Reloads } from "../src/commands/reloads.js";
import type { NamedTunnel } from "../src/config/tunnels-file.js";

const none = { started: [], restarted: [], ended: [] };
const screen = {
  starting() {},
  reloaded() {},
  notReloaded(problem: string) {
    throw new Error(problem);
  },
  inspector() {},
  recording() {},
  warn() {},
  goingOn() {},
};

/** What a tunnel serves decides how long it takes to be checked: parts of the command are loaded for it. */
it("the last state of a file holds, also if an earlier one takes longer to be checked", async () => {
  const relay = "relay: 'http://127.0.0.1:1'";
  const texts = [
    `tunnels:\n  web: {${relay}, command: ['${process.execPath}', 'one'], visitor-auth: bearer}\n`,
    `tunnels:\n  web: {${relay}, local: 3000}\n`,
  ];
  const file = { path: "tunnels.yaml", readText: () => texts.shift() as string };
  const changes: (number | undefined)[] = [];
  const change = async (tunnels: ReadonlyMap<string, NamedTunnel>): Promise<typeof none> => {
    changes.push(tunnels.get("web")?.settings.local?.port);
    return none;
  };
  const reloads = new Reloads(file, change, screen);
  await Promise.all([reloads.now(), reloads.now()]);
  expect(changes).toEqual([undefined, 3000]);
});
