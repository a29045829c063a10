import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { freshNpm } from "../support/npm.js";
import { missingProgram } from "../support/requires.js";
import { pattern, readBlocks, standIns } from "./blocks.js";

// Runs the commands of docs/deploy.md as they are written, on one machine. A few things are replaced: the
// domain by localhost, the ports by free ones, /etc/mcp-tunnel by a folder of the test's own, and the
// programs that a user has installed by stand-ins.

const closing = closingAfterEach();
const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

it.skipIf(missingProgram("curl"))(
  "docs/deploy.md can be followed to the first tunnel and beyond",
  async () => {
    const [relayPort, redirectPort, adminPort, servicePort] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const folder = closing(createFolder());
    const config = join(folder.path, "etc");
    mkdirSync(config);
    const authority = await createAuthority();
    const { cert, key } = await authority.issue(["localhost", "*.localhost", "ann-demo.localhost"]);
    folder.write("etc/fullchain.pem", cert);
    folder.write("etc/privkey.pem", key);
    const env = {
      // Nothing is asked of a registry: the port refuses connections.
      ...freshNpm(folder.path, "http://127.0.0.1:9/"),
      npm_config_audit: "false",
      npm_config_update_notifier: "false",
      ...standIns(folder.path),
      NODE_EXTRA_CA_CERTS: folder.write("ca.pem", authority.cert),
      CURL_CA_BUNDLE: join(folder.path, "ca.pem"),
      MCP_TUNNEL_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    };

    const found = { token: "", id: "", client: "" };
    const here = (text: string): string =>
      text
        .replaceAll("/etc/mcp-tunnel", config)
        .replaceAll("ann-demo.tunnel.example.com", `ann-demo.localhost:${relayPort}`)
        .replaceAll("https://tunnel.example.com", `https://localhost:${relayPort}`)
        .replaceAll("tunnel.example.com", "localhost")
        .replace(
          "port: 443",
          `port: ${relayPort}\nhost: 127.0.0.1\npublic-url: https://{subdomain}.{domain}:{port}`,
        )
        .replace("http-redirect: 80", `http-redirect: ${redirectPort}`)
        .replace("127.0.0.1:9090", `127.0.0.1:${adminPort}`)
        .replaceAll("3000", String(servicePort))
        .replace("client-VERSION-HASH.tgz", found.client)
        .replace("mtt_YOUR_TOKEN", found.token)
        .replaceAll("TOKEN_ID", found.id);
    const start = (command: string): RunningCommand =>
      closing(new RunningCommand("bash", ["-euc", `exec 2>&1; ${command}`], { env, cwd: folder.path }));

    const blocks = readBlocks(readFileSync(path("docs/deploy.md"), "utf8"));
    const ran: string[] = [];
    for (const { line, marks, text, shown } of blocks) {
      const where = `docs/deploy.md:${line}: ${text}`;
      expect(["root", "server", "laptop"], where).toContain(marks[0]);
      if (marks[0] === "root") {
        if (!text.includes("systemctl enable --now mcp-tunnel")) continue;
        const unit = readFileSync(path("examples/systemd/mcp-tunnel.service"), "utf8");
        const command = /^ExecStart=\/usr\/bin\/(.*)$/m.exec(unit)?.[1] as string;
        const relay = start(`exec ${here(command)}`);
        await relay.waitForJson({ msg: "admin API listening" });
        // 40 is pino's number of a warning. The one that is left out is about `*.localhost`: right below a
        // top-level domain no wildcard holds.
        const warnings = relay.json.filter(({ level }) => Number(level) >= 40);
        const others = warnings.filter(({ msg }) => !/no certificate is for/.test(String(msg)));
        expect(others).toEqual([]);
        continue;
      }
      const expected = shown === undefined ? undefined : pattern(here(shown));
      if (marks.includes("keeps-running")) {
        // `exec` replaces the shell by the last command, so that ending the shell ends the command.
        const command = start(here(text).replace(/\n(?=npx )/, "\nexec "));
        await command.waitFor(where, () => expected?.exec(command.output) ?? undefined);
      } else {
        const command = start(here(text));
        const { code } = await command.exited;
        expect(code, `${where}\n${command.output}`).toBe(0);
        // The stand-ins of the domain and its certificate are worth warnings, and the real ones are not.
        const said = command.output.split("\n").filter((one) => !one.includes(": warning: "));
        if (expected !== undefined) expect(said.join("\n"), where).toMatch(expected);
        found.token ||= /^mtt_\S+$/m.exec(command.output)?.[0] ?? "";
        found.client ||= /client-[\w.-]+\.tgz/.exec(command.output)?.[0] ?? "";
        found.id ||= /created token (\S+);/.exec(command.output)?.[1] ?? "";
      }
      ran.push(text);
    }
    // Without this check, the test would also pass if it ran nothing.
    for (const part of ["config check", "npx -y", "curl -sS https://ann-demo", "status", "token revoke"]) {
      expect(ran.some((text) => text.includes(part))).toBe(true);
    }
  },
  120_000,
);
