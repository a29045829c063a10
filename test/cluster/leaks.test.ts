import { expect, it } from "vitest";
import { V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { memoryOf } from "../support/memory.js";
import { marked, openFiles } from "../support/processes.js";
import { eventually } from "./support/eventually.js";
import { isWhole, note } from "./support/figures.js";
import { visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const count = isWhole ? 1_000 : 200;

const sockets = (pid: number): number => openFiles(pid).filter((kind) => kind === "socket").length;

it.skipIf(noCluster)(
  `${count} cuts of links leave no socket, no session and no memory behind, and no process at the end`,
  async () => {
    const mark = `${process.pid}-${performance.now()}`;
    const world = closing(await World.start({ env: { TEST_LEAKS: mark } }));
    const pids = world.relays.map(({ command }) => command.pid);
    const client = closing(await V1Client.connect(world.relay(0).port, "app"));
    const serve = (async () => {
      for (;;) {
        const { stream } = await client.accept();
        stream.sendHead({ status: 200, headers: ["Content-Length", "4"] });
        stream.write(Buffer.from("done"));
        stream.end();
      }
    })();
    serve.catch(() => {});
    /**
     * Links of the client and links between relays are cut in turn, and each relay has a visitor each time.
     */
    const cutAll = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const relay = world.relay(i % 3);
        if (i % 10 === 9) relay.peerGate.cut();
        client.cut();
        await client.resume(relay.port);
        expect(await visit(world.relay((i + 1) % 3).port, "app", "/")).toMatchObject({ status: 200 });
      }
      await world.linked();
    };
    // Code is compiled and heaps grow in the beginning.
    await cutAll(count / 4);
    const before = pids.map((pid) => ({ sockets: sockets(pid), bytes: memoryOf(pid) }));
    await cutAll(count);
    for (const [i, pid] of pids.entries()) {
      // One splice more or less, as the client is now at another relay than before.
      await eventually(
        () => sockets(pid) <= (before[i]?.sockets ?? 0) + 2,
        `sockets of relay ${i} are closed`,
      );
    }
    const roseBy = pids.map((pid, i) => memoryOf(pid) - (before[i]?.bytes ?? 0));
    // A leaked session has two windows and two lists of frames: 1,000 of them would be tens of megabytes
    // more.
    for (const bytes of roseBy) expect(bytes).toBeLessThan(40_000_000);
    expect((await world.relay(0).gauge("splices", { direction: "in" })) <= 1).toBe(true);
    for (const relay of world.relays) expect(await relay.stop()).toEqual({ code: 0, signal: null });
    await eventually(() => marked(`TEST_LEAKS=${mark}`).length === 0, "no process is left");
    note({
      failure: `${count} link cuts in a row`,
      repetitions: count,
      visitor: "each was answered between two cuts",
      client: `resumes; resident memory of the relays rose by ${roseBy.map((bytes) => `${Math.round(bytes / 1e6)} MB`).join(", ")}; no socket was left`,
    });
  },
  60_000 + count * 1_000,
);
