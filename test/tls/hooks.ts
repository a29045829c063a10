import { chmodSync } from "node:fs";
import type { Folder } from "../support/certificates.js";
import type { Pebble } from "../support/pebble.js";

/** A hook that sets records at the DNS server of the test, and writes each call to the file HOOK_LOG. */
export function writeHook(folder: Folder, pebble: Pebble): string {
  const hook = folder.write(
    "hook.mjs",
    `#!/usr/bin/env node
import { appendFileSync } from "node:fs";
const [action, record, value] = process.argv.slice(2);
appendFileSync(process.env.HOOK_LOG, action + " " + record + "\\n");
const body = JSON.stringify({ host: record + ".", value });
const answer = await fetch("${pebble.dnsAdmin}/" + action + "-txt", { method: "POST", body });
if (!answer.ok) throw new Error("status " + answer.status);
`,
  );
  chmodSync(hook, 0o755);
  return hook;
}
