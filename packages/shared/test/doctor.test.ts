import { expect, test } from "vitest";
import {
  type DoctorReport,
  examineAll,
  type Examination,
  failed,
  ok,
  skipped,
  type Step,
  stepLines,
  summaryLine,
  warning,
} from "../src/command/doctor.js";

const examination = (id: string, examine: Examination["examine"], more = {}): Examination => ({
  id,
  title: `the ${id}`,
  examine,
  ...more,
});

const verdicts = ({ steps }: DoctorReport): string[] => steps.map(({ id, verdict }) => `${id} ${verdict}`);

test("runs examinations in order, and tells of each when it is over", async () => {
  const told: Step[] = [];
  const report = await examineAll(
    [
      examination("dns", () => ok("it resolves")),
      examination("clock", () => Promise.resolve(warning("3 s late", "Set it."))),
    ],
    (step) => told.push(step),
  );
  expect(report.verdict).toBe("warning");
  expect(report.steps).toEqual(told);
  expect(told).toMatchObject([
    { id: "dns", title: "the dns", verdict: "ok", reason: "it resolves" },
    { id: "clock", verdict: "warning", reason: "3 s late", advice: "Set it." },
  ]);
});

test("skips what needs a step that failed, and what needs that one", async () => {
  let runs = 0;
  const count = () => ok(`${++runs}`);
  const report = await examineAll([
    examination("dns", () => failed("no address", "Add a record.")),
    examination("tcp", count, { needs: ["dns"] }),
    examination("tls", count, { needs: ["tcp"] }),
    examination("files", count, { needs: ["not-in-this-list"] }),
  ]);
  expect(verdicts(report)).toEqual(["dns failed", "tcp skipped", "tls skipped", "files ok"]);
  expect(report.steps[1]?.reason).toBe("not tried, because of 'the dns'");
  expect(report.steps[2]?.reason).toBe("not tried, because of 'the dns'");
  expect(report.verdict).toBe("failed");
  expect(runs).toBe(1);
});

test("takes an error, thrown or rejected, for a failure", async () => {
  const report = await examineAll([
    examination("a", () => {
      throw new Error("thrown");
    }),
    examination("b", () => Promise.reject(new Error("rejected"))),
  ]);
  expect(report.steps.map(({ reason }) => reason)).toEqual(["thrown", "rejected"]);
  expect(report.verdict).toBe("failed");
});

test("ends an examination whose time is over, and says so to it", async () => {
  let stopped: AbortSignal | undefined;
  const never = (signal: AbortSignal): Promise<never> => {
    stopped = signal;
    return new Promise(() => {});
  };
  const report = await examineAll([examination("slow", never, { limitMs: 20 })]);
  expect(report.steps[0]).toMatchObject({ verdict: "failed", reason: "no result within 0.02 s" });
  expect(stopped?.aborted).toBe(true);
});

test("counts no skipped step", async () => {
  const report = await examineAll([examination("tls", () => skipped("plain HTTP"))]);
  expect(report.verdict).toBe("ok");
});

test("shows a step within the columns of the terminal, with nothing that a terminal obeys", () => {
  const step: Step = {
    id: "dns",
    title: "wildcard DNS",
    verdict: "failed",
    reason: "probe.tunnel.example.com has no address: the resolver said \u001b[2J and no more than that",
    advice:
      "Add the record, see https://example.com/a-very-long-address/that-nobody-may-break/in-two/parts/x.",
    durationMs: 3,
  };
  expect(stepLines(step)).toEqual([
    "failed   wildcard DNS: probe.tunnel.example.com has no address: the resolver",
    "         said \\u001b[2J and no more than that",
    "         To do: Add the record, see",
    "         https://example.com/a-very-long-address/that-nobody-may-break/in-two/parts/x.",
  ]);
  const painted = stepLines({ ...step, reason: "x" }, { width: 200, paint: (_, word) => `<${word}>` });
  expect(painted[0]).toBe("<failed>   wildcard DNS: x");
});

test("sums up a report in one line", () => {
  const step = (verdict: Step["verdict"]): Step => ({
    id: "",
    title: "",
    verdict,
    reason: "",
    durationMs: 0,
  });
  const line = (...all: Step["verdict"][]) => summaryLine({ verdict: "ok", steps: all.map(step) });
  expect(line("ok", "warning", "failed", "ok", "skipped")).toBe("1 failed, 1 warning, 2 ok, 1 skipped");
  expect(line("ok", "warning", "warning")).toBe("2 warnings, 1 ok");
});
