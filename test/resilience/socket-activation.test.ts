import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startClientCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { missingProgram } from "../support/requires.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

const opened = closingAfterEach();
const relayCommand = fileURLToPath(new URL("../../packages/relay/dist/cli/main.js", import.meta.url));
const units = new URL("../../examples/systemd/", import.meta.url);

describe.skipIf(missingProgram("systemd-socket-activate"))(
  "a relay that systemd starts for a connection",
  () => {
    it("serves that connection, and all that come", async () => {
      const port = await freePort();
      const upstream = opened(await startUpstream());
      const relay = opened(
        new RunningCommand("systemd-socket-activate", [
          `--listen=127.0.0.1:${port}`,
          ...[process.execPath, relayCommand, "--domain", "localhost", "--log-format", "json"],
        ]),
      );
      await relay.waitFor("socket", () => (relay.output.includes("Listening on") ? true : undefined));
      // The first connection waits in the socket while the relay starts.
      const client = opened(await startClientCommand(upstream.port, port, ["--subdomain", "demo"]));
      expect(client.subdomain).toBe("demo");
      expect(await relay.waitForJson({ msg: "listening" })).toMatchObject({ host: "127.0.0.1", port });
      const visitor = opened(createVisitor(port));
      expect((await visitor.text("demo", "/status/201")).status).toBe(201);
    }, 60_000);

    it("says what is wrong with more sockets than it knows a use for", async () => {
      const [one, two] = [await freePort(), await freePort()];
      const relay = opened(
        new RunningCommand("systemd-socket-activate", [
          ...[`--listen=127.0.0.1:${one}`, `--listen=127.0.0.1:${two}`],
          ...[process.execPath, relayCommand, "--domain", "localhost"],
        ]),
      );
      await relay.waitFor("socket", () => (relay.output.includes(`:${two}`) ? true : undefined));
      const visitor = createVisitor(one);
      const refused = visitor.text("demo", "/").catch((error: unknown) => error);
      expect((await relay.exited).code).toBe(2);
      expect(relay.output).toContain("the relay takes one socket, and one called http-redirect");
      expect(await refused).toBeInstanceOf(Error);
      await visitor.close();
    }, 60_000);
  },
);

describe.skipIf(missingProgram("systemd-analyze"))("the units of examples/systemd/rolling", () => {
  it("have no mistake that systemd knows", () => {
    const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-units-"));
    opened({ close: () => rmSync(folder, { recursive: true }) });
    const read = (name: string): string => readFileSync(new URL(name, units), "utf8");
    const names = ["mcp-tunnel.socket", "mcp-tunnel-redirect.socket"];
    for (const name of names) writeFileSync(join(folder, name), read(`rolling/${name}`));
    // The unit with its drop-in file, and with a command that exists: systemd checks that.
    const service = `${read("mcp-tunnel.service")}\n${read("rolling/rolling.conf")}`;
    writeFileSync(
      join(folder, "mcp-tunnel@.service"),
      service.replace("/usr/bin/mcp-tunnel", `${process.execPath} ${relayCommand}`),
    );
    const files = [...names, "mcp-tunnel@1.service", "mcp-tunnel@2.service"].map((name) =>
      join(folder, name),
    );
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...files], {
      encoding: "utf8",
    });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
  });
});
