import { checkRegistration } from "mcp-tunnel-client";
import { registrationPath, TunnelError } from "mcp-tunnel-protocol";
import { isLoopback, messageOf } from "mcp-tunnel-shared";
import { failed, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Examination, Finding } from "mcp-tunnel-shared/command";
import { relayPart } from "../options/relay-options.js";
import type { Case } from "./case.js";
import { addressFinding, connectionFinding, tlsFinding } from "./network-steps.js";
import { askAt } from "./visit.js";
import { placeOf, placeText, ProxyRefusal, speaksTls } from "./way.js";

/** How far two clocks may differ, in milliseconds. Tokens and certificates are seldom more exact. */
const maxSkewMs = 60_000;

/** Patterns of names that are shown. */
const maxPatterns = 5;

/** Looks at the way to the relay, and asks it what it would give. Nothing is registered. */
export function relayExaminations(it: Case): Examination[] {
  const place = placeOf(it.relayUrl);
  const target = { option: "--relay", url: it.relayUrl, way: it.way };
  const reached = ["proxy", "relay-tcp", "relay-tls"];
  return [
    { id: "options", title: "options", examine: () => optionsFinding(it) },
    ...(it.way.proxy === undefined
      ? [
          { id: "relay-dns", title: "DNS of the relay", examine: () => addressFinding(target) },
          {
            id: "relay-tcp",
            title: "TCP to the relay",
            needs: ["relay-dns"],
            examine: (signal: AbortSignal) => connectionFinding(target, signal),
          },
        ]
      : [{ id: "proxy", title: "proxy", examine: (signal: AbortSignal) => proxyFinding(it, signal) }]),
    ...(place.isSecure
      ? [
          {
            id: "relay-tls",
            title: "TLS of the relay",
            needs: ["proxy", "relay-tcp"],
            examine: (signal: AbortSignal) => tlsFinding(target, signal),
          },
        ]
      : []),
    {
      id: "relay",
      title: "relay",
      needs: reached,
      limitMs: 25_000,
      examine: (signal) => relayFinding(it, signal),
    },
    { id: "clock", title: "clock", needs: reached, examine: () => clockFinding(it) },
    { id: "token", title: "token", needs: ["relay"], examine: () => tokenFinding(it) },
    { id: "name", title: "name", needs: ["token"], examine: () => nameFinding(it) },
    { id: "gate", title: "visitors", needs: ["token"], examine: () => gateFinding(it) },
  ];
}

function optionsFinding({ settings, relayUrl, way }: Case): Finding {
  const { token, subdomain } = settings.relay;
  const said = [
    `relay ${relayUrl.origin}${relayUrl.pathname.replace(/\/$/, "")}`,
    way.proxy === undefined ? "no proxy" : `proxy ${way.proxy.origin}`,
    token === undefined ? "no token" : "a token",
    subdomain === undefined ? "no name" : `the name '${subdomain}'`,
  ].join(", ");
  if (relayUrl.protocol === "https:" || isLoopback(relayUrl.hostname)) return ok(said);
  const advice = "Use https:// if the relay, or a proxy in front of it, has TLS.";
  return warning(`${said}; everybody on the way to the relay can read token and traffic`, advice);
}

async function proxyFinding({ way, relayUrl }: Case, signal: AbortSignal): Promise<Finding> {
  const target = placeText(placeOf(relayUrl));
  const proxy = way.proxy?.origin ?? "";
  try {
    (await way.connect(placeOf(relayUrl), signal)).destroy();
    return ok(`${proxy} connects to ${target}`);
  } catch (error) {
    const reason = `through ${proxy} to ${target}: ${messageOf(error)}`;
    if (!(error instanceof ProxyRefusal)) {
      return failed(
        reason,
        "Check --proxy, or HTTPS_PROXY, HTTP_PROXY and ALL_PROXY in the environment. NO_PROXY=HOST goes without.",
      );
    }
    return failed(
      reason,
      error.status === 407
        ? "The proxy wants a user and a password: http://user:password@proxy."
        : "The proxy does not connect to this host and port. Ask whoever runs it.",
    );
  }
}

async function relayFinding(it: Case, signal: AbortSignal): Promise<Finding> {
  const plain = await askPlainly(it, signal);
  try {
    const { subdomain } = it.settings.relay;
    it.checked = await checkRegistration({
      ...relayPart(it.settings.relay),
      token: it.token,
      signal,
      ...(subdomain === undefined ? {} : { subdomain }),
    });
    const { relayVersion, protocols, url } = it.checked;
    if (url !== undefined) it.publicUrl = new URL(url);
    return ok(`an mcp-tunnel relay, version ${relayVersion}, protocol ${protocols.join(", ")}`);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    if (error.code === "refused") {
      it.tokenRefusal = error.message;
      return ok("an mcp-tunnel relay");
    }
    if (error.code === "unsupported") {
      it.tooOld = error.message;
      return warning(error.message, "Nothing was sent to it. Ask its operator for a newer version.");
    }
    return (await diagnosis(it, plain, signal)) ?? failed(error.message);
  }
}

/** What stands at the relay's registration path, for a program that does not ask for a WebSocket. */
interface PlainAnswer {
  readonly status: number;
  readonly isRelay: boolean;
}

async function askPlainly(it: Case, signal: AbortSignal): Promise<PlainAnswer | undefined> {
  try {
    const path = it.relayPath(registrationPath);
    const { status, headers } = await askAt(it.relayUrl, it.way)(
      { method: "GET", path, headers: it.settings.relay.relayHeaders ?? {}, enough: () => true },
      signal,
    );
    const relay = Date.parse(headers["date"] ?? "");
    if (!Number.isNaN(relay)) it.clocks = { relay, own: Date.now() };
    return { status, isRelay: headers["x-tunnel-error"] === "registration_needs_websocket" };
  } catch {
    // The check says more.
    return undefined;
  }
}

/** Why the relay cannot be asked, as far as that can be seen. */
async function diagnosis(
  it: Case,
  plain: PlainAnswer | undefined,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const { origin } = it.relayUrl;
  if (plain?.isRelay === true) {
    return failed(
      `${origin} is an mcp-tunnel relay, but no WebSocket to it opens`,
      "A proxy in front of the relay, or on the way, takes the field Upgrade away. For nginx: proxy_http_version " +
        '1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
    );
  }
  if (!placeOf(it.relayUrl).isSecure && (await speaksTls(it.way, placeOf(it.relayUrl), signal))) {
    return failed(`${origin} speaks TLS, and not plain HTTP`, "Write the relay's URL with https://.");
  }
  if (plain === undefined) return undefined;
  if (plain.status === 401 || plain.status === 403) {
    return failed(
      `something in front of ${origin} answers ${plain.status}`,
      "An access proxy lets only those in who show it a header field: give its fields by " +
        "--relay-header-file <path>. Or the host, the port or the path of --relay is another server's.",
    );
  }
  return failed(
    `${origin} is no mcp-tunnel relay: ${it.relayPath(registrationPath)} answers ${plain.status}`,
    "Check the host, the port and the path of --relay: it is the relay's own URL, and not that of a tunnel.",
  );
}

function clockFinding({ clocks }: Case): Finding {
  if (clocks === undefined) return skipped("the relay has not said what time it is");
  const skewMs = clocks.own - clocks.relay;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  if (Math.abs(skewMs) <= maxSkewMs) return ok(`within ${Math.max(1, seconds)} s of the relay's`);
  const which = skewMs > 0 ? "fast" : "slow";
  return warning(
    `this machine's clock is ${seconds.toLocaleString("en")} s ${which}, if the relay's is right`,
    "Set the clock of the machine that is wrong: tokens and certificates depend on it.",
  );
}

function tokenFinding({ tokenRefusal, tooOld, settings }: Case): Finding {
  const isGiven = settings.relay.token !== undefined;
  if (tooOld !== undefined) {
    return skipped("the relay cannot be asked without a registration, which would evict who has the name");
  }
  if (tokenRefusal === undefined) {
    return ok(isGiven ? "the relay takes it" : "none is given, and the relay is open: a drawn one will do");
  }
  return failed(
    isGiven ? tokenRefusal : `no token is given, and the relay is not open (${tokenRefusal})`,
    isGiven
      ? "Compare the token with that of the relay's operator: it may be another relay's, old, or cut off."
      : "Ask the relay's operator for a token, and give it by --token-file <path>.",
  );
}

function nameFinding({ checked, settings, publicUrl }: Case): Finding {
  if (checked === undefined) return skipped("the relay has not said what name this token gets");
  const { subdomain: asked } = settings.relay;
  const { patterns, subdomain, inUse, refused } = checked;
  if (refused !== undefined) {
    return failed(
      refused.reason,
      refused.isFinal
        ? "Ask for another name by --subdomain, or ask the relay's operator."
        : "Try again later.",
    );
  }
  if (patterns !== undefined) {
    const names = patterns.slice(0, maxPatterns).map((pattern) => `'${pattern}'`);
    const may = `this token may have names like ${names.join(", ")}${patterns.length > maxPatterns ? " ..." : ""}`;
    return asked === undefined
      ? warning(
          may,
          "Choose one by --subdomain. Without it the client asks at a terminal, and ends elsewhere.",
        )
      : failed(`'${asked}' is not allowed: ${may}`, "Ask for one of these by --subdomain.");
  }
  const url = publicUrl?.origin ?? "";
  if (asked !== undefined && subdomain !== asked.toLowerCase()) {
    return warning(
      `this token gets ${url}, and not '${asked}'`,
      `Leave --subdomain out, or get a token that may have '${asked}'.`,
    );
  }
  if (inUse === true) {
    return warning(
      `${url} is in use: a client has it now, or had it a moment ago`,
      "If it is your own, all is well, and the doctor visits it as it is. Another client that you start for " +
        "this name would evict it.",
    );
  }
  return ok(`${url} is free`);
}

function gateFinding({ checked, settings }: Case): Finding {
  if (checked?.requiresVisitorAuth !== true) return ok("the relay leaves it to you who may visit");
  const kinds = settings.tunnel?.visitors?.kinds ?? [];
  if (settings.tunnel === undefined || kinds.length > 0) {
    return ok(
      `the relay takes only tunnels that ask visitors for a proof${kinds.length > 0 ? ", as yours does" : ""}`,
    );
  }
  return failed(
    "the relay takes only tunnels that ask visitors for a proof, and yours asks for none",
    "Add --visitor-auth oauth,bearer.",
  );
}
