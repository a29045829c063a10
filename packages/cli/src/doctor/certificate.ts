import { checkServerIdentity } from "node:tls";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { failed, ok, warning } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";

const dayMs = 86_400_000;

/** A certificate that ends sooner is worth a warning, in milliseconds, or in parts of its whole time. */
const soonMs = 14 * dayMs;
const soonPart = 0.2;

/** Names of a certificate that are shown, and how much of each, in characters. */
const maxNames = 5;
const maxNameLength = 100;

/** Certificates of a chain that are looked at. */
const maxChain = 10;

/** Judges what a server has shown for `host`: names, time and chain. `now`: the clock of this machine. */
export function certificateFinding(socket: TLSSocket, host: string, now: Date): Finding {
  const certificate = socket.getPeerCertificate(true);
  if (certificate.raw === undefined) return failed(`the server showed no certificate for ${host}`);
  const faults = [
    nameFault(certificate, host),
    timeFault(certificate, now),
    chainFault(socket, certificate),
  ].filter((fault) => fault !== undefined);
  if (faults.length > 0) {
    const reason = faults.map((fault) => fault.reason).join("; and ");
    return failed(reason, faults.map((fault) => fault.advice).join(" "));
  }
  const from = new Date(certificate.valid_from);
  const until = new Date(certificate.valid_to);
  const days = Math.floor((until.getTime() - now.getTime()) / dayMs);
  const names = namesText(certificate);
  const said = `${socket.getProtocol() ?? "TLS"}; the certificate is for ${names}, until ${dayText(until)}`;
  const whole = until.getTime() - from.getTime();
  if (until.getTime() - now.getTime() < Math.min(soonMs, whole * soonPart)) {
    return warning(
      `${said}: that is in ${days === 1 ? "1 day" : `${days} days`}`,
      "Ask the relay's operator whether it is renewed by itself.",
    );
  }
  return ok(said);
}

type Fault = Required<Pick<Finding, "reason" | "advice">>;

function nameFault(certificate: DetailedPeerCertificate, host: string): Fault | undefined {
  if (checkServerIdentity(host, certificate) === undefined) return undefined;
  return {
    reason: `the certificate is for ${namesText(certificate)}, and not for ${host}`,
    advice:
      "Use a name that the certificate has, or have the operator get one that covers this name: a wildcard " +
      "such as *.tunnel.example.com stands for one label, and not for tunnel.example.com itself.",
  };
}

function timeFault(certificate: DetailedPeerCertificate, now: Date): Fault | undefined {
  const clock = `this machine's clock says ${now.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const from = new Date(certificate.valid_from);
  const until = new Date(certificate.valid_to);
  if (now > until) {
    return {
      reason: `the certificate has expired on ${dayText(until)} (${clock})`,
      advice: "The relay's operator has to renew it. If the clock is wrong, set it.",
    };
  }
  if (now < from) {
    return {
      reason: `the certificate is valid from ${dayText(from)} only (${clock})`,
      advice: "Set the clock of this machine.",
    };
  }
  return undefined;
}

/** Why no authority that Node trusts stands behind the certificate. */
function chainFault(
  { authorizationError }: TLSSocket,
  certificate: DetailedPeerCertificate,
): Fault | undefined {
  // Node has the code here, whatever its types say.
  const code = String(authorizationError ?? "");
  switch (code) {
    case "":
    case "null":
    case "ERR_TLS_CERT_ALTNAME_INVALID":
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return undefined;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
      return {
        reason: "the certificate is self-signed, and not trusted on this machine",
        advice: "If it is meant to be so, give its file by --relay-ca <path>.",
      };
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return incomplete(certificate);
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return {
        reason: `the chain ends at '${issuerName(lastOf(certificate))}', which is not trusted on this machine`,
        advice:
          "If it is the authority of your company, or of a proxy that reads along, give the file of its " +
          "certificate by --relay-ca <path>.",
      };
    default:
      return { reason: `the certificate is not trusted: ${code}`, advice: "Ask the relay's operator." };
  }
}

function incomplete(certificate: DetailedPeerCertificate): Fault {
  const sent = chainOf(certificate).length;
  const issuer = issuerName(lastOf(certificate));
  return {
    reason:
      `the chain is incomplete: the server sends ${sent === 1 ? "only its own certificate" : `${sent} certificates`}, ` +
      `and '${issuer}', which signed the last one, is not known here`,
    advice:
      "The server should send the whole chain (fullchain.pem in place of cert.pem). If an authority of your own " +
      "has signed it, give the file of that certificate by --relay-ca <path>.",
  };
}

function chainOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain = [certificate];
  let next: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
  while (next !== undefined && !chain.includes(next) && chain.length < maxChain) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function lastOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate {
  return chainOf(certificate).at(-1) ?? certificate;
}

function issuerName({ issuer }: DetailedPeerCertificate): string {
  return short(String(issuer?.CN ?? issuer?.O ?? "an unnamed authority"));
}

function short(name: string): string {
  return name.length > maxNameLength ? `${name.slice(0, maxNameLength)}...` : name;
}

function namesText({ subjectaltname, subject }: DetailedPeerCertificate): string {
  const names = subjectaltname?.split(", ").map((name) => name.replace(/^(?:DNS|IP Address):/, "")) ?? [];
  if (names.length === 0) return short(String(subject?.CN ?? "no name"));
  const more = names.length - maxNames;
  return names.slice(0, maxNames).map(short).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function dayText(date: Date): string {
  return date.toISOString().slice(0, 10);
}
