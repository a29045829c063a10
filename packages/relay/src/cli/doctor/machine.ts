import { messageOf } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok, skipped, warning } from "mcp-tunnel-shared/command";
import { verifyEndpoint } from "../../auth/provider-url.js";
import { resolveLimits } from "../../limits.js";
import { resolveAcmeOptions } from "../../tls/acme/options.js";
import { limitOptionsOf } from "../options/limit-options.js";
import { tlsOptionsOf } from "../options/tls-options.js";
import { ask } from "./asking.js";
import type { Subject } from "./surroundings.js";

/** How far a clock may be off, in milliseconds: an answer takes a moment, and its Date has whole seconds. */
const tolerableMs = 60_000;
/** Beyond this, certificates and logins fail. */
const harmfulMs = 600_000;
/** Open files besides connections: listeners, logs, certificates, the provider. */
const spareFiles = 100;

/** The services that the relay asks, and the machine that it runs on. */
export function machineExaminations(subject: Subject): Examination[] {
  const { options, surroundings } = subject;
  /** Clocks of other machines, and when they were read. */
  const clocks: { host: string; offMs: number }[] = [];
  const asking = (id: string, title: string, url: URL, advice: string): Examination => ({
    id,
    title,
    examine: async (signal) => {
      let answer: Awaited<ReturnType<typeof ask>>;
      try {
        answer = await ask(url, { surroundings, signal });
      } catch (error) {
        return failed(`${url.origin} does not answer: ${messageOf(error)}`, advice);
      }
      const date = Date.parse(answer.header("date") ?? "");
      if (!Number.isNaN(date)) clocks.push({ host: url.host, offMs: surroundings.now() - date });
      return ok(`${url.origin} answers`);
    },
  });
  const examinations: Examination[] = [];
  if (options.authUrl !== undefined) {
    examinations.push(
      asking(
        "auth-provider",
        "auth provider",
        new URL(verifyEndpoint(options.authUrl)),
        "Without it no client can register. Look whether it runs, and whether this machine may reach it.",
      ),
    );
  }
  const acme = tlsOptionsOf(options)?.acme;
  if (acme !== undefined) {
    examinations.push(
      asking(
        "acme-directory",
        "ACME authority",
        new URL(resolveAcmeOptions(acme).directory),
        "Without it no certificate is renewed. Look whether this machine may reach it.",
      ),
    );
  }
  return [
    ...examinations,
    { id: "clock", title: "clock", examine: () => clock(clocks) },
    { id: "open-files", title: "open files", examine: () => openFiles(subject) },
  ];
}

function clock(clocks: readonly { host: string; offMs: number }[]): Finding {
  const [other] = clocks;
  if (other === undefined) {
    return skipped("the relay asks no other machine, so there is no clock to compare with");
  }
  const off = `${Math.round(Math.abs(other.offMs) / 1_000)} s ${other.offMs > 0 ? "ahead of" : "behind"} that of ${other.host}`;
  if (Math.abs(other.offMs) <= tolerableMs) return ok(`it agrees with that of ${other.host}`);
  const advice = "Let the system set it: timedatectl set-ntp true";
  return Math.abs(other.offMs) > harmfulMs ? failed(`it is ${off}`, advice) : warning(`it is ${off}`, advice);
}

function openFiles({ options, surroundings }: Subject): Finding {
  const { maxConnections } = resolveLimits(limitOptionsOf(options));
  const needed = maxConnections + spareFiles;
  const { openFiles: limit } = surroundings;
  if (limit === undefined) return skipped("this system does not tell how many files a process may open");
  if (limit >= needed) {
    return ok(
      `a process may open ${limit}, and ${maxConnections} connections (--max-connections) need ${needed}`,
    );
  }
  return warning(
    `a process of this user may open ${limit}, but ${maxConnections} connections (--max-connections) need ${needed}`,
    `Raise it (LimitNOFILE=${needed} in a systemd unit, ulimit -n in a shell), or lower --max-connections. A service has a limit of its own, which the doctor does not see.`,
  );
}
