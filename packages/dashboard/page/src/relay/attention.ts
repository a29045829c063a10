import { printable } from "mcp-tunnel-page/printable.ts";
import type { Overview } from "../../../src/model.ts";
import { dateText, longText } from "../parts/when.ts";
import { growthOf, type Overviews } from "../rates.ts";
import { limitWords } from "../words.ts";

/** Something that the operator should see to. */
export interface Attention {
  readonly tone: "bad" | "warn";
  readonly text: string;
  /** What to do about it, or what else is known. */
  readonly more?: string;
}

/** Before the end of a certificate. ACME renews a month before it, and who renews by hand needs some days. */
export const expiryWarningMs = 14 * 86_400_000;

/** What the operator should see to, the worst first. `now`: the time of this machine. */
export function attentionOf(all: Overviews, now: number): readonly Attention[] {
  const current = all.at(-1);
  if (current === undefined) return [];
  const found = [
    ...ofRelay(current),
    ...ofCertificates(current, now),
    ...ofCluster(current),
    ...ofLimits(all[0]!, current),
  ];
  return [...found.filter(({ tone }) => tone === "bad"), ...found.filter(({ tone }) => tone === "warn")];
}

function ofRelay({ relay }: Overview): Attention[] {
  const found: Attention[] = [];
  if (relay.ready !== true) {
    const more = relay.draining ? "Clients move to other relays, and open requests end." : undefined;
    found.push({
      tone: "bad",
      text: `Not ready: ${printable(relay.ready, true)}`,
      ...(more !== undefined && { more }),
    });
  }
  for (const { kind, name, problem, since } of relay.stale) {
    found.push({
      tone: "bad",
      text: `Cannot be ${kind === "acme" ? "renewed" : "read again"}: ${printable(name, true)}`,
      more: `${printable(problem, true)}. So since ${dateText(since)}; what was there before still holds.`,
    });
  }
  for (const { worker, ready } of relay.workers ?? []) {
    if (!ready) found.push({ tone: "warn", text: `Process ${worker} is not ready` });
  }
  return found;
}

function ofCertificates({ certificates }: Overview, now: number): Attention[] {
  return certificates.flatMap(({ names, notBefore, notAfter, source }): Attention[] => {
    const which = `The certificate of ${printable(names.join(", "), true)}`;
    if (notAfter <= now)
      return [{ tone: "bad", text: `${which} has expired ${longText(now - notAfter)} ago` }];
    if (notBefore > now) return [{ tone: "bad", text: `${which} is not valid yet` }];
    if (notAfter - now > expiryWarningMs) return [];
    const more =
      source === "acme"
        ? "The relay renews it by itself, and has not managed to."
        : "Put a new one in its place.";
    return [{ tone: "warn", text: `${which} expires in ${longText(notAfter - now)}`, more }];
  });
}

function ofCluster({ cluster }: Overview): Attention[] {
  if (cluster === undefined) return [];
  const silent = cluster.relays.filter((relay) => relay.silent === true);
  return silent.map(({ node }) => ({
    tone: "warn",
    text: `The relay ${printable(node, true)} does not answer`,
    more: "Its tunnels are not shown.",
  }));
}

/** It takes effect whenever a visitor is done and leaves his connection open. */
const ordinaryLimit = "idle_time";

/** Limits that took effect while the page was open, in the last minutes. */
function ofLimits(from: Overview, to: Overview): Attention[] {
  return Object.keys(to.totals.limits).flatMap((name): Attention[] => {
    const hits = growthOf(({ totals }) => totals.limits[name] ?? 0, from, to);
    if (hits === 0 || name === ordinaryLimit) return [];
    const words = limitWords(name);
    return [
      {
        tone: "warn",
        text: `Limit reached ${hits === 1 ? "once" : `${hits.toLocaleString("en")} times`}: ${printable(words?.text ?? name, true)}`,
        ...(words !== undefined && { more: `${words.option} sets it.` }),
      },
    ];
  });
}
