import { describe, expect, it, vi } from "vitest";
import { Servers } from "../src/servers.js";

const started = (process: number, purpose = "session") => ({ type: "started" as const, process, purpose });

const serversOf = () => new Servers((text) => text.replaceAll("s3cret", "[hidden]"));

describe("Servers", () => {
  it("hides secrets in lines and messages, looking at each line once", () => {
    const hide = vi.fn((text: string) => text.replaceAll("s3cret", "[hidden]"));
    const servers = new Servers(hide);
    servers.tell("a", started(1));
    servers.tell("a", { type: "stderr", process: 1, line: "API_KEY=s3cret" });
    servers.tell("a", { type: "stray", process: 1, line: "s3cret" });
    servers.states();
    servers.states();
    expect(hide).toHaveBeenCalledTimes(2);
    servers.tell("a", { type: "ended", process: 1, message: "exit: s3cret" });
    expect(JSON.stringify(servers.states())).not.toContain("s3cret");
  });

  it("tells what each process was started for, how it goes on, and its last lines", () => {
    const servers = serversOf();
    servers.onChange = vi.fn();
    servers.tell("files", started(1, "probe"));
    servers.tell("files", { type: "stderr", process: 1, line: "hello" });
    servers.tell("files", { type: "stray", process: 1, line: "no JSON" });
    servers.tell("files", { type: "ended", process: 1, message: "asked what it speaks" });
    servers.tell(undefined, started(1));
    servers.tell("files", { type: "failed", process: 2, message: "not found" });
    servers.tell(undefined, { type: "notice", message: "silent for 10 s" });
    const at = expect.any(Number) as number;
    expect(servers.states()).toEqual([
      {
        name: "files",
        started: 1,
        failed: 1,
        processes: [
          {
            process: 1,
            purpose: "probe",
            state: "ended",
            startedAt: at,
            endedAt: at,
            message: "asked what it speaks",
            lines: [
              { at, text: "hello" },
              { at, text: "no JSON", stray: true },
            ],
            dropped: 0,
          },
          {
            process: 2,
            purpose: "",
            state: "failed",
            startedAt: at,
            endedAt: at,
            message: "not found",
            lines: [],
            dropped: 0,
          },
        ],
      },
      {
        started: 1,
        failed: 0,
        processes: [
          {
            process: 1,
            purpose: "session",
            state: "running",
            startedAt: at,
            message: "silent for 10 s",
            lines: [],
            dropped: 0,
          },
        ],
      },
    ]);
    expect(servers.onChange).toHaveBeenCalledTimes(7);
  });

  it("takes a process that fails later for the one that was started", () => {
    const servers = serversOf();
    servers.tell(undefined, started(1));
    servers.tell(undefined, { type: "failed", process: 1, message: "exit code 3" });
    expect(servers.states()[0]).toMatchObject({ started: 1, failed: 1, processes: [{ state: "failed" }] });
    expect(servers.states()[0]?.processes).toHaveLength(1);
  });

  it("keeps the last 200 lines of a process, within 64 KiB, and counts the others", () => {
    const servers = serversOf();
    servers.tell(undefined, started(1));
    for (let i = 1; i <= 1_000; i++)
      servers.tell(undefined, { type: "stderr", process: 1, line: `line ${i}` });
    expect(servers.states()[0]?.processes[0]).toMatchObject({ dropped: 800 });
    expect(servers.states()[0]?.processes[0]?.lines.at(-1)?.text).toBe("line 1000");
    for (let i = 0; i < 100; i++) {
      servers.tell(undefined, { type: "stderr", process: 1, line: "ü".repeat(1_000_000) });
    }
    const lines = servers.states()[0]?.processes[0]?.lines ?? [];
    expect(lines.length).toBeGreaterThan(5);
    expect(Buffer.byteLength(lines.map(({ text }) => text).join(""))).toBeLessThanOrEqual(65_536);
  });

  it("keeps 50 processes, and those that run before those that do not", () => {
    const servers = serversOf();
    servers.tell("long", started(1));
    for (let i = 1; i <= 100; i++) {
      servers.tell("short", started(i));
      servers.tell("short", { type: "ended", process: i, message: "" });
    }
    const [long, short] = servers.states();
    expect(long?.processes).toHaveLength(1);
    expect(short?.processes.map(({ process }) => process)).toEqual(
      Array.from({ length: 49 }, (_, i) => i + 52),
    );
    for (let i = 1; i <= 100; i++) servers.tell("crowd", started(i));
    expect(servers.states().map(({ processes }) => processes.length)).toEqual([0, 0, 50]);
  });

  it("ignores what is said of a process that is gone", () => {
    const servers = serversOf();
    servers.tell("a", { type: "stderr", process: 7, line: "late" });
    servers.tell("a", { type: "notice", process: 7, message: "late" });
    expect(servers.states()).toEqual([{ name: "a", processes: [], started: 0, failed: 0 }]);
  });
});
