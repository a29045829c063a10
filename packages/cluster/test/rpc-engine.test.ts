import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import type { EngineTimes } from "../src/engine/engine.js";
import { EngineServer, MemoryEngine, RpcEngine } from "../src/index.js";
import { longTimes, type SharedState, TestNode, tunnel } from "./contract/test-cluster.js";
import { engineContract } from "./engine-contract.js";
import { engineModel } from "./engine-model.js";
import { CuttableSocket } from "./support/cuttable.js";

describe("an engine behind a socket", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  engineContract("the primary process", behindSocket, "fake");
  engineModel("the primary process", behindSocket, 20, "fake");
});

async function behindSocket(times: EngineTimes): Promise<SharedState> {
  const server = new EngineServer(new MemoryEngine(times));
  const path = await server.listen();
  const handles: RpcEngine[] = [];
  return {
    connect: async () => {
      const engine = new RpcEngine(path);
      handles.push(engine);
      return engine;
    },
    advance: (ms) => void vi.setSystemTime(Date.now() + ms),
    close: async () => {
      for (const engine of handles) await engine.close();
      await server.close();
    },
  };
}

describe("the connection of a worker", () => {
  const closing = closingAfterEach();

  /** A primary process, and a node of its own that sees what becomes of the workers. */
  async function primary() {
    const engine = new MemoryEngine(longTimes);
    const server = closing(new EngineServer(engine));
    const path = await server.listen();
    const observer = await joined(engine, "observer");
    return { server, engine, path, observer };
  }

  async function joined(engine: MemoryEngine | RpcEngine, id: string): Promise<TestNode> {
    const node = new TestNode(engine, id);
    await engine.join(node.info);
    return node;
  }

  const worker = (path: string, id = "worker") => joined(closing(new RpcEngine(path)), id);
  const ids = async ({ engine }: Pick<TestNode, "engine">) => (await engine.nodes()).map(({ id }) => id);

  it("is as good as a lease: a worker that ends has left, and its names stay", async () => {
    const { path, observer } = await primary();
    const node = await worker(path);
    const entry = await node.get("app", tunnel("x"));
    observer.events.length = 0;
    await node.engine.close();
    await observer.heard(({ kind }) => kind === "nodes");
    expect(await ids(observer)).toEqual(["observer"]);
    expect(await observer.engine.find("app")).toEqual([entry]);
  });

  it("ends when a worker is killed", async () => {
    const { path, observer } = await primary();
    const info = { id: "killed", address: "unix:/run/x", version: "1.2.3", draining: false };
    const call = JSON.stringify({ id: 1, call: "join", args: [info] });
    const code = `require("net").connect(process.argv[1]).write(process.argv[2] + "\\n")`;
    observer.events.length = 0;
    const child = spawn(process.execPath, ["-e", code, path, call], { stdio: "ignore" });
    await observer.heard(({ kind }) => kind === "nodes");
    expect(await ids(observer)).toEqual(["observer", "killed"]);
    observer.events.length = 0;
    child.kill("SIGKILL");
    await Promise.all([observer.heard(({ kind }) => kind === "nodes"), once(child, "exit")]);
    expect(await ids(observer)).toEqual(["observer"]);
  });

  it("is made again when it breaks: the node is alive, and its listeners look again", async () => {
    const { path, observer } = await primary();
    const cuttable = closing(await CuttableSocket.to(path));
    const node = await worker(cuttable.path);
    const entry = await node.get("app", tunnel("x"));
    await cuttable.shut();
    observer.events.length = 0;
    node.events.length = 0;
    await cuttable.open();
    await node.heard(({ kind }) => kind === "nodes");
    // Behind the renewal on the same connection.
    expect(await ids(node)).toContain("worker");
    expect(await node.engine.find("app")).toEqual([entry]);
    node.events.length = 0;
    await observer.get("other", tunnel("y"));
    await node.heard((event) => event.kind === "name" && event.name === "other");
    await observer.heard(({ kind }) => kind === "nodes");
  });

  it("does not end the lease of a node that is back over another connection", async () => {
    const { path, observer } = await primary();
    const cuttable = closing(await CuttableSocket.to(path));
    const node = await worker(cuttable.path);
    const other = await worker(cuttable.path, "other");
    await other.engine.close();
    node.events.length = 0;
    cuttable.cutNear();
    await node.heard(({ kind }) => kind === "nodes");
    // Behind the renewal on the same connection.
    await node.engine.find("app");
    // Only now does the primary hear that the first two connections are over.
    observer.events.length = 0;
    cuttable.cutFar();
    cuttable.cutFar();
    await observer.heard(({ kind }) => kind === "nodes");
    expect(await ids(node)).toEqual(["observer", "worker"]);
  });

  it("fails calls whose answer is missing when it breaks, and lets others wait", async () => {
    const { path, engine } = await primary();
    const cuttable = closing(await CuttableSocket.to(path));
    const node = await worker(cuttable.path);
    const asked = new Promise<void>((resolve) => {
      vi.spyOn(engine, "find").mockImplementationOnce(() => {
        resolve();
        return new Promise(() => {});
      });
    });
    const unanswered = node.engine.find("app");
    await asked;
    await Promise.all([
      expect(unanswered).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringMatching("broke"),
      }),
      cuttable.shut(),
    ]);
    const waiting = node.engine.find("app");
    await cuttable.open();
    expect(await waiting).toEqual([]);
  });

  it("passes errors of the engine on", async () => {
    const { path, engine } = await primary();
    const node = await worker(path);
    vi.spyOn(engine, "find").mockRejectedValueOnce(new Error("out of order"));
    await expect(node.engine.find("app")).rejects.toMatchObject({
      code: "unavailable",
      message: "out of order",
    });
    expect(await node.engine.find("app")).toEqual([]);
  });

  it("is open to this user alone, in a folder that is gone afterwards", async () => {
    const { server, path } = await primary();
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    await server.close();
    expect(existsSync(dirname(path))).toBe(false);
  });

  it("is cut after what no worker says, and others go on", async () => {
    const { path } = await primary();
    const node = await worker(path);
    const wrong = [
      "junk\n",
      '{"id":1,"call":"close","args":[]}\n',
      '{"id":1,"call":"constructor","args":[]}\n',
    ];
    for (const text of [...wrong, '{"id":1,"call":"nodes"}\n', "x".repeat(34_000_000)]) {
      const socket = connect(path).on("error", () => {});
      socket.write(text);
      await new Promise((resolve) => socket.resume().once("close", resolve));
    }
    expect(await node.engine.find("app")).toEqual([]);
  });

  it("is cut when a worker does not read what it is told", async () => {
    const { path, engine } = await primary();
    await engine.write("key", "x".repeat(1_000_000), 0);
    const socket = connect(path);
    const call = `${JSON.stringify({ id: 1, call: "read", args: ["key"] })}\n`;
    socket.on("error", () => {});
    socket.write(call.repeat(100));
    // A socket that does not read is not told of the end, so it is seen at a write.
    const writing = setInterval(() => socket.write(call), 10);
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(writing);
  });

  it("leaves nothing behind", async () => {
    await expectNoLeaks(async () => {
      const server = new EngineServer(new MemoryEngine(longTimes));
      const path = await server.listen();
      const engines = [new RpcEngine(path), new RpcEngine(path)];
      for (const engine of engines) await engine.find("app");
      await engines[0]?.close();
      await server.close();
      await Promise.all([expect(engines[1]?.find("app")).rejects.toThrow("closed"), engines[1]?.close()]);
      await expect(engines[1]?.find("app")).rejects.toMatchObject({ code: "unavailable" });
    });
  });
});

describe("a primary process that does not answer", () => {
  const closing = closingAfterEach();

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  const unanswered = { code: "unavailable", message: expect.stringMatching("no answer to 'find' in 2 s") };

  it("is unavailable after two seconds if it is not there", async () => {
    const engine = closing(new RpcEngine(join("/", "nowhere", "engine")));
    const found = expect(engine.find("app")).rejects.toMatchObject(unanswered);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    await found;
  });

  it("is unavailable after two seconds if it hangs, and its late answer disturbs nothing", async () => {
    const engine = new MemoryEngine(longTimes);
    const server = closing(new EngineServer(engine));
    const remote = closing(new RpcEngine(await server.listen()));
    let answer = (): void => {};
    const asked = new Promise<void>((resolve) => {
      vi.spyOn(engine, "find").mockImplementationOnce(() => {
        resolve();
        return new Promise((late) => {
          answer = () => late([]);
        });
      });
    });
    const found = expect(remote.find("app")).rejects.toMatchObject(unanswered);
    await asked;
    await vi.advanceTimersByTimeAsync(2_000);
    await found;
    answer();
    expect(await remote.find("other")).toEqual([]);
  });
});
