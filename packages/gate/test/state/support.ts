import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RunningCommand } from "../../../../test/support/commands.js";
import type { GrantInfo, GrantStorage, StoredGrants } from "../../src/grants.js";
import type { SlotOptions } from "../../src/state/index.js";

export const relayUrl = "https://tunnel.example.com";
export const drawPasscode = (): string => `drawn words ${Math.random().toFixed(20)}`;

/** A folder for one test. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), "mcp-tunnel-state-"));

  close(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The options of a slot whose notices fail the test, unless it takes them. */
export function slotOptions(folder: string, given: Partial<SlotOptions> = {}): SlotOptions {
  const onNotice = (text: string): void => {
    throw new Error(`unexpected notice: ${text}`);
  };
  return { relayUrl, token: "a token", subdomain: "calm-otter", folder, onNotice, ...given };
}

export function grant(id: string): GrantInfo {
  const clientId = "https://client.example/metadata.json";
  return { id, clientId, clientName: "A client", user: "owner", sinceMs: 1_000, lastUsedMs: 60_000 };
}

export function stored(ids: readonly string[]): StoredGrants {
  return {
    version: 1,
    origin: "https://calm-otter.tunnel.example.com",
    grants: ids.map(grant),
    records: ids.map((id) => ({
      model: "AccessToken",
      id: `digest of ${id}`,
      payload: { grantId: id, scope: "mcp" },
      expiresAtMs: 5_000_000,
    })),
  };
}

/** What a gate does with its storage. */
export class FakeGate {
  readonly ids: Set<string>;
  /** How often a snapshot was asked for. */
  snapshots = 0;
  readonly #storage: GrantStorage;

  constructor(storage: GrantStorage) {
    this.#storage = storage;
    this.ids = new Set(storage.read()?.grants.map(({ id }) => id));
    storage.onRevoke((ids) => {
      for (const id of ids) this.ids.delete(id);
      this.changed();
    });
  }

  grant(id: string): void {
    this.ids.add(id);
    this.changed();
  }

  changed(): void {
    this.#storage.changed(() => {
      this.snapshots += 1;
      return stored([...this.ids]);
    });
  }
}

/** A program in a process of its own, which imports the built package as `state` and has `folder`. */
export function runProgram(folder: string, program: string): RunningCommand {
  const head = `import * as state from "mcp-tunnel-gate/state"; const folder = ${JSON.stringify(folder)};
    const say = (line) => console.log(JSON.stringify(line));
    const options = { ...${JSON.stringify(slotOptions(folder))}, onNotice: (notice) => say({ notice }) };`;
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  return new RunningCommand(process.execPath, ["--input-type=module", "-e", head + program], { cwd });
}

/** A client with a gate that has grants. It says what happens to it, and runs until it is killed. */
export const client = `
  const slot = await state.openSlot(options);
  const { secrets } = await slot.draw({ key: true, passcode: true }, () => "the words of the client");
  const grants = new Map(slot.storage.read()?.grants.map((grant) => [grant.id, grant]));
  const changed = () => slot.storage.changed(() => ({
    version: 1, origin: "https://calm-otter.tunnel.example.com", grants: [...grants.values()], records: [],
  }));
  slot.storage.onRevoke((ids) => {
    for (const id of ids) grants.delete(id);
    say({ revoked: ids.join() });
    changed();
  });
  slot.onRenewed(({ keys, passcode }) => say({ key: keys[0].key, passcode }));
  setInterval(() => {}, 1_000_000);
  say({ ready: true, key: secrets.keys[0].key, grants: [...grants.keys()].join() });
`;
