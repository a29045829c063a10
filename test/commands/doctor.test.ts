import { chmodSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand, runRelay, startRelayCommand } from "../support/commands.js";

const closing = closingAfterEach();

interface Report {
  verdict: string;
  steps: { id: string; title: string; verdict: string; reason: string; durationMs: number }[];
}

describe("mcp-tunnel doctor", () => {
  it("examines a running relay by its own options, wherever they stand, and ends with status 0", async () => {
    const relay = closing(await startRelayCommand(["--local-port", "app=0"]));
    const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", String(relay.port)];
    const doctor = closing(runRelay([...args, "doctor", "--json"]));
    expect((await doctor.exited).code).toBe(0);
    const report = JSON.parse(doctor.stdout.join("\n")) as Report;
    expect(report.verdict).toBe("ok");
    const upgrade = report.steps.find(({ id }) => id === "public-upgrade");
    expect(upgrade).toEqual({
      id: "public-upgrade",
      title: "WebSocket at the public URL",
      verdict: "ok",
      reason: expect.any(String) as string,
      durationMs: expect.any(Number) as number,
    });
    expect(relay.json.filter(({ level }) => Number(level) > 40)).toEqual([]);
  });

  it("says what is wrong within 80 columns, and ends with status 1", async () => {
    const config = closing(createFolder()).write(
      "relay.yaml",
      "domain: localhost\nport: 0\ntoken-file: /no/such\n",
    );
    const doctor = closing(runRelay(["doctor", "--config", config]));
    expect((await doctor.exited).code).toBe(1);
    expect(doctor.stdout).toContain("failed   token file: /no/such is not there");
    expect(doctor.stdout.at(-1)).toMatch(/^1 failed, \d+ ok, \d+ skipped$/);
    expect(doctor.stdout.filter((line) => line.length > 80 && line.includes(" ", 9))).toEqual([]);
    expect(doctor.stderr).toEqual([]);
  });

  it.skipIf(process.platform === "win32")("sees the files as its user does", async () => {
    // No mode stops root, so root gives up what lets it pass. It stays the owner of the checkout, which
    // nobody else may be able to read.
    const tokens = closing(createFolder()).write("tokens.yaml", "tokens: []\n");
    chmodSync(tokens, 0o000);
    const isRoot = process.getuid?.() === 0;
    const bound = isRoot ? ["--bounding-set=-dac_override,-dac_read_search", process.execPath] : [];
    const options = ["--domain", "localhost", "--port", "0", "--token-file", tokens];
    const doctor = closing(
      new RunningCommand(isRoot ? "setpriv" : process.execPath, [
        ...bound,
        ...[commands.relay, "doctor", "--json", ...options],
      ]),
    );
    expect((await doctor.exited).code).toBe(1);
    const { steps } = JSON.parse(doctor.stdout.join("\n")) as Report;
    expect(steps.find(({ id }) => id === "file-token-file")).toMatchObject({
      verdict: "failed",
      reason: expect.stringContaining("this user may not read"),
    });
  });

  it("refuses options that are none with status 2", async () => {
    const doctor = closing(runRelay(["doctor", "--domian", "localhost"]));
    expect((await doctor.exited).code).toBe(2);
    expect(doctor.stderr).toEqual([expect.stringContaining("mcp-tunnel doctor --help")]);
  });
});
