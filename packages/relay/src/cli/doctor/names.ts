import { isLocalhost, isLoopback } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok, warning } from "mcp-tunnel-shared/command";
import { addressesOf } from "./asking.js";
import type { Subject } from "./surroundings.js";

/** Whether the names of the tunnels lead somewhere, and to where the domain leads. */
export function nameExaminations(subject: Subject): Examination[] {
  const { domain, label, surroundings } = subject;
  let known: readonly string[] = [];
  return [
    {
      id: "dns-domain",
      title: "DNS of the domain",
      examine: async () => {
        if (isLocalhost(domain)) {
          return ok(`${domain} is this machine`);
        }
        try {
          known = await addressesOf(domain, surroundings.lookup);
        } catch (error) {
          return unresolved(
            domain,
            error,
            `Add A and AAAA records for ${domain}, with the public addresses of this machine or of the proxy in front of it.`,
          );
        }
        return ok(`${domain} leads to ${where(known, subject)}`);
      },
    },
    {
      id: "dns-wildcard",
      title: "wildcard DNS",
      needs: ["dns-domain"],
      examine: async () => {
        if (isLocalhost(domain)) {
          return ok(
            `browsers and curl know names below ${domain} without any DNS; for other programs there is --local-port`,
          );
        }
        const name = `${label}.${domain}`;
        const record = `*.${domain} with the addresses of ${domain} (${known.join(", ")})`;
        let found: readonly string[];
        try {
          found = await addressesOf(name, surroundings.lookup);
        } catch (error) {
          return unresolved(name, error, `Add the wildcard record ${record}.`);
        }
        if (found.some((address) => known.includes(address))) {
          return ok(`any name below leads there too, such as ${name}`);
        }
        return warning(
          `*.${domain} leads to ${where(found, subject)}, but ${domain} to ${known.join(", ")}`,
          `Unless that is meant, change the wildcard record to ${record}.`,
        );
      },
    },
  ];
}

function unresolved(name: string, error: unknown, advice: string): Finding {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  if (code === "ENOTFOUND" || code === "ENODATA") {
    return failed(
      `${name} has no address: the resolver does not know it (${code}, NXDOMAIN in the DNS)`,
      advice,
    );
  }
  return failed(
    `the resolver of this machine gives no answer about ${name} (${code})`,
    "Look whether this machine's resolver works: other names probably do not resolve either.",
  );
}

function where(addresses: readonly string[], { surroundings }: Subject): string {
  const isOwn = addresses.some((address) => surroundings.ownAddresses.includes(address));
  const remark = addresses.every(isLoopback)
    ? " (this machine alone: nobody else gets here)"
    : isOwn
      ? " (this machine)"
      : " (no address of this machine's own: a router, a cloud or a proxy has it, unless the record is wrong)";
  return addresses.join(", ") + remark;
}
