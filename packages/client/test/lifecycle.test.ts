import * as os from "node:os";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelError } from "mcp-tunnel-protocol";
import { Attempts } from "../src/connect/attempts.js";
import type { Registration } from "../src/connect/connect.js";
import { Backoff, stableAfterMs, usefulAfterMs } from "../src/connect/backoff.js";
import { nextState } from "../src/state.js";
import type { ClientState, ClientTransition } from "../src/state.js";
import { WakeWatch } from "../src/connect/wake.js";

vi.mock("node:os", { spy: true });

describe("the backoff", () => {
  it("doubles its bound up to 30 s and draws evenly below it", () => {
    let now = 0;
    // Each attempt takes long enough for the bound not to run ahead.
    const bounds = new Backoff(
      () => 1,
      () => now,
    );
    const waits = Array.from({ length: 12 }, () => {
      const wait = bounds.next();
      now += wait + 1_000;
      return wait;
    });
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    const halves = new Backoff(() => 0.5);
    expect([halves.next(), halves.next(), halves.next()]).toEqual([50, 100, 200]);
    expect(new Backoff(() => 0).next()).toBe(0);
  });

  it("brings a client back within 2 s of a relay that was gone for up to 2 s, whatever is drawn", () => {
    for (let goneMs = 0; goneMs <= 2_000; goneMs += 50) {
      // The worst draws: nothing for a while, which lets the bound double, and then the whole bound.
      for (let quick = 0; quick < 20; quick++) {
        let now = 0;
        let attempts = 0;
        const backoff = new Backoff(
          () => (attempts++ < quick ? 0 : 1),
          () => now,
        );
        // A refused attempt takes a moment.
        do now += backoff.next() + 5;
        while (now < goneMs);
        expect(now - goneMs, `${goneMs} ms, ${quick} quick`).toBeLessThanOrEqual(2_005);
      }
    }
  });

  it("starts over only after a stable connection", () => {
    let now = 0;
    const backoff = new Backoff(
      () => 1,
      () => now,
    );
    for (let i = 0; i < 5; i++) backoff.next();
    backoff.connected(false);
    now += stableAfterMs - 1;
    backoff.disconnected();
    expect(backoff.next()).toBe(3_200);
    backoff.connected(false);
    now += stableAfterMs;
    backoff.disconnected();
    expect(backoff.next()).toBe(100);
  });
});

describe("the backoff of a link that keeps breaking", () => {
  function waitsWith(lastedMs: number, resumed: boolean): number[] {
    let now = 0;
    const backoff = new Backoff(
      () => 1,
      () => now,
    );
    return Array.from({ length: 6 }, () => {
      const wait = backoff.next();
      now += wait;
      backoff.connected(resumed);
      now += lastedMs;
      backoff.disconnected();
      return wait;
    });
  }

  it("stays short while sessions go on", () => {
    expect(waitsWith(usefulAfterMs, true)).toEqual([100, 200, 400, 400, 400, 400]);
  });

  it("grows when sessions are lost, or links break at once", () => {
    const growing = [100, 200, 400, 800, 1_600, 3_200];
    expect(waitsWith(usefulAfterMs, false)).toEqual(growing);
    expect(waitsWith(usefulAfterMs - 1, true)).toEqual(growing);
  });
});

describe("attempts to register", () => {
  function setUp(adopt: () => boolean = () => false) {
    const running: {
      signal: AbortSignal;
      resolve(registration: Registration): void;
      reject(e: Error): void;
    }[] = [];
    const told: string[] = [];
    const attempts = new Attempts({
      connect: (signal) => new Promise((resolve, reject) => running.push({ signal, resolve, reject })),
      adopt,
      onRegistered: (_, resumed) => told.push(`registered, resumed: ${resumed}`),
      onFailed: (reason) => told.push(String(reason)),
    });
    const close = vi.fn<(code: number, reason: string) => void>();
    const terminate = vi.fn<() => void>();
    const registration = { link: { close, terminate } } as unknown as Registration;
    return { attempts, running, told, close, terminate, registration };
  }

  it("are over when one has succeeded or failed", async () => {
    const { attempts, running, told, registration } = setUp(() => true);
    attempts.begin();
    expect(attempts.isActive).toBe(true);
    running[0]?.reject(new Error("no"));
    await vi.waitFor(() => expect(told).toEqual(["Error: no"]));
    expect(attempts.isActive).toBe(false);
    attempts.begin();
    running[1]?.resolve(registration);
    await vi.waitFor(() => expect(told[1]).toBe("registered, resumed: true"));
    expect(attempts.isActive).toBe(false);
  });

  it("that were given up close what they got, and tell nobody", async () => {
    const { attempts, running, told, close, registration } = setUp();
    attempts.begin();
    attempts.stop();
    expect(running[0]?.signal.aborted).toBe(true);
    running[0]?.resolve(registration);
    await vi.waitFor(() => expect(close).toHaveBeenCalledWith(1000, ""));
    expect(told).toEqual([]);
  });

  it("that another one replaces do not tell the relay that it is over", async () => {
    const { attempts, running, told, close, terminate, registration } = setUp(() => true);
    attempts.begin();
    attempts.begin();
    expect(running[0]?.signal.aborted).toBe(true);
    running[0]?.resolve(registration);
    await vi.waitFor(() => expect(terminate).toHaveBeenCalledTimes(1));
    expect(close).not.toHaveBeenCalled();
    expect(told).toEqual([]);
    running[1]?.resolve(registration);
    await vi.waitFor(() => expect(told).toEqual(["registered, resumed: true"]));
  });

  it("fail when what they got cannot be taken over, unless that stopped them", async () => {
    const stops: (() => void)[] = [];
    const { attempts, running, told, close, registration } = setUp(() => {
      for (const stop of stops) stop();
      throw new Error("unknown session");
    });
    attempts.begin();
    running[0]?.resolve(registration);
    await vi.waitFor(() => expect(told).toEqual(["Error: unknown session"]));
    expect(close).toHaveBeenCalledTimes(1);
    stops.push(() => attempts.stop());
    attempts.begin();
    running[1]?.resolve(registration);
    await vi.waitFor(() => expect(close).toHaveBeenCalledTimes(2));
    expect(told).toHaveLength(1);
    expect(attempts.isActive).toBe(false);
  });

  it("do not wait once one is wanted now", () => {
    vi.useFakeTimers();
    const { attempts, running } = setUp();
    attempts.beginAfter(1_000);
    expect(attempts.isActive).toBe(true);
    expect(running).toHaveLength(0);
    attempts.begin();
    vi.advanceTimersByTime(5_000);
    expect(running).toHaveLength(1);
    attempts.stop();
    vi.useRealTimers();
  });
});

describe("the state of a client", () => {
  const cause = new TunnelError("session_lost", "gone");
  const registered: ClientTransition = { type: "registered" };
  const goaway: ClientTransition = { type: "goaway" };
  const lost: ClientTransition = { type: "lost", cause, atMs: 5 };
  const close: ClientTransition = { type: "close" };
  const ended: ClientTransition = { type: "ended", error: cause };
  const names = (start: ClientState, ...transitions: ClientTransition[]): string[] => {
    let state = start;
    return transitions.map((transition) => (state = nextState(state, transition)).name);
  };

  it("goes through its life", () => {
    expect(names({ name: "connecting" }, registered, lost, registered, lost, close, ended)).toEqual([
      "online",
      "reconnecting",
      "online",
      "reconnecting",
      "closing",
      "closed",
    ]);
  });

  it("moves, and may lose what served it before it has", () => {
    expect(names({ name: "online" }, goaway, goaway, registered, goaway, lost, goaway)).toEqual([
      "moving",
      "moving",
      "online",
      "moving",
      "reconnecting",
      "reconnecting",
    ]);
  });

  it("does not leave closing but to its end, and never leaves closed", () => {
    expect(names({ name: "closing" }, registered, lost, close, ended)).toEqual([
      "closing",
      "closing",
      "closing",
      "closed",
    ]);
    const closed: ClientState = { name: "closed", error: undefined };
    for (const transition of [registered, lost, close, ended])
      expect(nextState(closed, transition)).toBe(closed);
  });

  it("keeps the moment and the cause of the first loss", () => {
    const reconnecting = nextState({ name: "online" }, lost);
    expect(reconnecting).toEqual({ name: "reconnecting", cause, sinceMs: 5 });
    expect(nextState(reconnecting, { ...lost, atMs: 9 })).toBe(reconnecting);
    expect(nextState({ name: "connecting" }, lost)).toEqual({ name: "connecting" });
  });
});

describe("the wake watch", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("is quiet while time passes as it should", () => {
    const onWake = vi.fn();
    const watch = new WakeWatch(onWake);
    vi.advanceTimersByTime(60_000);
    expect(onWake).not.toHaveBeenCalled();
    watch.stop();
  });

  it("notices that the clock has jumped", () => {
    const onWake = vi.fn();
    const watch = new WakeWatch(onWake);
    vi.setSystemTime(Date.now() + 600_000);
    vi.advanceTimersByTime(1_000);
    expect(onWake).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(5_000);
    expect(onWake).toHaveBeenCalledTimes(1);
    watch.stop();
  });

  const address = (ip: string): NodeJS.Dict<os.NetworkInterfaceInfo[]> => ({
    eth0: [
      { address: ip, netmask: "", mac: "", internal: false, cidr: null, family: "IPv4" },
      { address: "127.0.0.1", netmask: "", mac: "", internal: true, cidr: null, family: "IPv4" },
    ],
  });

  it("notices another address", () => {
    const interfaces = vi.mocked(os.networkInterfaces).mockReturnValue(address("192.0.2.1"));
    const onWake = vi.fn();
    const watch = new WakeWatch(onWake);
    vi.advanceTimersByTime(3_000);
    expect(onWake).not.toHaveBeenCalled();
    interfaces.mockReturnValue(address("198.51.100.7"));
    vi.advanceTimersByTime(3_000);
    expect(onWake).toHaveBeenCalledTimes(1);
    watch.stop();
    interfaces.mockReturnValue(address("203.0.113.9"));
    vi.advanceTimersByTime(3_000);
    expect(onWake).toHaveBeenCalledTimes(1);
  });

  it("looks at the addresses once for all clients of a process", () => {
    const interfaces = vi.mocked(os.networkInterfaces).mockReturnValue(address("192.0.2.1"));
    const told: number[] = [];
    const watches = [1, 2, 3].map((n) => new WakeWatch(() => told.push(n)));
    watches[1]?.stop();
    interfaces.mockClear();
    vi.advanceTimersByTime(3_000);
    expect(interfaces).toHaveBeenCalledTimes(3);
    interfaces.mockReturnValue(address("198.51.100.7"));
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([1, 3]);
    for (const watch of watches) watch.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("knows nothing of the time in which nobody watched", () => {
    const interfaces = vi.mocked(os.networkInterfaces).mockReturnValue(address("192.0.2.1"));
    new WakeWatch(vi.fn()).stop();
    interfaces.mockReturnValue(address("198.51.100.7"));
    vi.advanceTimersByTime(60_000);
    const onWake = vi.fn();
    const watch = new WakeWatch(onWake);
    vi.advanceTimersByTime(3_000);
    expect(onWake).not.toHaveBeenCalled();
    watch.stop();
  });

  it("looks again when the addresses cannot be told", () => {
    const interfaces = vi.mocked(os.networkInterfaces);
    const unknown = (): never => {
      throw new Error(
        "A system error occurred: uv_interface_addresses returned EMFILE (too many open files)",
      );
    };
    interfaces.mockImplementation(unknown);
    const onWake = vi.fn();
    const watch = new WakeWatch(onWake);
    vi.advanceTimersByTime(3_000);
    interfaces.mockReturnValue(address("192.0.2.1"));
    vi.advanceTimersByTime(3_000);
    interfaces.mockImplementation(unknown);
    vi.advanceTimersByTime(3_000);
    interfaces.mockReturnValue(address("192.0.2.1"));
    vi.advanceTimersByTime(3_000);
    expect(onWake).not.toHaveBeenCalled();
    interfaces.mockImplementation(unknown);
    vi.advanceTimersByTime(3_000);
    interfaces.mockReturnValue(address("198.51.100.7"));
    vi.advanceTimersByTime(3_000);
    expect(onWake).toHaveBeenCalledTimes(1);
    watch.stop();
  });
});
