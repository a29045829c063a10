import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";

const closing = closingAfterEach();
const example = fileURLToPath(new URL("../../examples/systemd/mcp-tunnel.service", import.meta.url));

describe.skipIf(missingProgram("systemd-analyze"))("the systemd unit", () => {
  /** The unit with a command that exists: systemd checks that. */
  function unit(): string {
    const folder = closing(createFolder());
    const relay = fileURLToPath(new URL("../../packages/relay/bin/mcp-tunnel.js", import.meta.url));
    const text = readFileSync(example, "utf8").replace("/usr/bin/mcp-tunnel", `${process.execPath} ${relay}`);
    folder.write("mcp-tunnel.service", text);
    return join(folder.path, "mcp-tunnel.service");
  }

  it("has no mistake that systemd knows", () => {
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit()], {
      encoding: "utf8",
    });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
  });

  it("leaves a relay that is broken into little to do", () => {
    const report = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", unit()], {
      encoding: "utf8",
    });
    const exposure = Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(report)?.[1]);
    // 10 is a service without any protection. V8 and the ports below 1024 have their price.
    expect(exposure).toBeLessThan(2);
  });
});
