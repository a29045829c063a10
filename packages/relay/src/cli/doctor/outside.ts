import { messageOf, portOf, withoutTrailing } from "mcp-tunnel-shared";
import { registrationPath } from "mcp-tunnel-protocol";
import { type Examination, failed, type Finding, ok, skipped, warning } from "mcp-tunnel-shared/command";
import { probeEvents, probePauseMs, streamProbePath } from "../../http/answer/stream-probe.js";
import { defaultPublicUrl, publicUrl } from "../../tunnels/public-url.js";
import { ask, type Asked, askForWebSocket, certificateAt, tryToConnect } from "./asking.js";
import { hasTls } from "./ports.js";
import { isLandingPage } from "../../http/answer/landing.js";
import type { Subject } from "./surroundings.js";

const dayMs = 86_400_000;
/** Advice for every proxy. */
const proxyExamples = "docs/deploy.md and examples/proxy have settings for nginx, Caddy and Traefik.";

/** The way that visitors and clients come, as far as it can be gone from here: DNS, routers, proxies, TLS. */
export function outsideExaminations(subject: Subject): Examination[] {
  const { options, domain, label, surroundings } = subject;
  const way = (signal: AbortSignal) => ({ surroundings, signal, takesAnyCertificate: true });
  const tls = hasTls(subject) ? {} : undefined;
  const template =
    options.publicUrl ?? defaultPublicUrl({ domain, tls, trustedProxies: options.trustedProxy ?? [] });
  const tunnelUrl = new URL(publicUrl(withoutTrailing(template, "/"), label, domain, options.port));
  const baseUrl = new URL(tunnelUrl.href.replace(`//${label}.`, "//"));
  // In a template such as https://x-{subdomain}.{domain} the domain itself has no place.
  const hasBase = baseUrl.host !== tunnelUrl.host;
  let isReachable = false;

  /** An examination that needs an answer of the running relay. */
  const through = (
    id: string,
    title: string,
    examine: (signal: AbortSignal) => Promise<Finding>,
    needs: string[] = [],
  ): Examination => ({
    id,
    title,
    needs,
    examine: (signal) => {
      if (!subject.isRunning) return skipped("no relay runs here: start it, and examine it again");
      if (!isReachable && id !== "public-connection")
        return skipped("nothing answers there from this machine");
      return examine(signal);
    },
  });

  const needsNames = ["dns-domain", "dns-wildcard"];
  const examinations = [
    through(
      "public-connection",
      "connection to the public URL",
      async (signal) => {
        try {
          const at = await tryToConnect(hasBase ? baseUrl : tunnelUrl, way(signal));
          isReachable = true;
          return ok(
            `${at} takes connections, as seen from this machine; a firewall may still keep others out`,
          );
        } catch (error) {
          return warning(
            `nothing answers at ${hasBase ? baseUrl.host : tunnelUrl.host}, port ${portOf(tunnelUrl)}, from this machine: ${messageOf(error)}`,
            "Try from another network: many routers do not lead a machine back to itself (hairpin NAT). If it fails there too, look at the firewall, the port forwarding and the DNS record.",
          );
        }
      },
      needsNames.slice(0, 1),
    ),
  ];
  if (tunnelUrl.protocol === "https:") {
    examinations.push(
      through(
        "public-certificate",
        "certificate at the public URL",
        async (signal) => {
          for (const url of hasBase ? [baseUrl, tunnelUrl] : [tunnelUrl]) {
            const finding = shown(await certificateAt(url, way(signal)), url, surroundings.now());
            if (finding.verdict !== "ok") return finding;
          }
          return ok(`clients that trust public authorities trust it, for ${domain} and the names below`);
        },
        needsNames,
      ),
    );
  }
  const proxies = options.trustedProxy ?? [];
  examinations.push(
    through(
      "public-relay",
      "relay at the public URL",
      async (signal) => {
        for (const url of hasBase ? [baseUrl, tunnelUrl] : [tunnelUrl]) {
          const finding = relayAt(await ask(new URL("/", url), way(signal)), url, proxies, url === tunnelUrl);
          if (finding.verdict !== "ok") return finding;
        }
        return ok(`${domain} and the names below lead to a relay`);
      },
      needsNames,
    ),
  );
  examinations.push(
    through(
      "public-upgrade",
      "WebSocket at the public URL",
      async (signal) => {
        // The domain first: without Upgrade it says so at once, and the request for a tunnel's name would
        // wait for that tunnel.
        for (const url of hasBase ? [baseUrl, tunnelUrl] : [tunnelUrl]) {
          const { status, error } = await askForWebSocket(new URL(registrationPath, url), way(signal));
          if (status !== 101) return notUpgraded(url, status, error);
        }
        return ok(`an upgrade gets through, for ${domain} and the names below`);
      },
      [...needsNames, "public-relay"],
    ),
  );
  if (hasBase) {
    examinations.push(
      through(
        "public-stream",
        "event stream at the public URL",
        // MCP hosts take compressed answers, too.
        async (signal) => {
          const url = new URL(streamProbePath, baseUrl);
          const look = async (): Promise<Finding> =>
            streamed(await ask(url, { ...way(signal), takesGzip: true }));
          const first = await look();
          // A network, or this machine, may have paused just then.
          return first.verdict === "failed" ? look() : first;
        },
        ["public-relay"],
      ),
    );
  }
  if (options.httpRedirect !== undefined) {
    examinations.push(
      through(
        "public-redirect",
        "redirect to https",
        async (signal) => {
          const url = new URL(`http://${domain}/`);
          const advice =
            "Lead port 80 of the public address to the port of --http-redirect, or leave the option out.";
          let answer: Asked;
          try {
            answer = await ask(url, way(signal));
          } catch (error) {
            return warning(`nothing answers at ${url.href} from this machine: ${messageOf(error)}`, advice);
          }
          const location = answer.header("location") ?? "";
          return answer.status === 308 && location.startsWith("https:")
            ? ok(`${url.href} leads to ${location}`)
            : warning(`${url.href} answers ${answer.status}, and does not lead to https`, advice);
        },
        needsNames.slice(0, 1),
      ),
    );
  }
  return examinations;
}

function shown(
  { certificate, problem }: Awaited<ReturnType<typeof certificateAt>>,
  url: URL,
  now: number,
): Finding {
  const to = Date.parse(certificate.valid_to);
  if (problem !== undefined) {
    return failed(
      `the certificate that is shown for ${url.hostname} is not trusted: ${problem} (it is for ${certificate.subjectaltname ?? "no name"}, until ${certificate.valid_to})`,
      "Whatever ends TLS there, the relay or a proxy in front of it, needs a certificate of a public authority for the domain and its wildcard, with its chain.",
    );
  }
  const days = Math.floor((to - now) / dayMs);
  if (days < 7)
    return warning(`the certificate for ${url.hostname} expires in ${days} days`, "Look at its renewal.");
  return ok("it is trusted");
}

/** `answer`: to a request for the page of the domain itself, or for a tunnel that nobody has registered. */
function relayAt(answer: Asked, url: URL, trustedProxies: readonly string[], isTunnel: boolean): Finding {
  const error = answer.header("x-tunnel-error");
  if (error === "unserved_host") {
    return failed(
      `a relay answers at ${url.host}, but for another Host than ${url.hostname}`,
      `Let the proxy pass the Host of the visitor on (nginx: proxy_set_header Host $http_host). ${proxyExamples}`,
    );
  }
  // The relay names no Server and no Via.
  const proxy = answer.header("server") ?? answer.header("via");
  if (isTunnel ? error === undefined : !isLandingPage(answer)) {
    return failed(
      `${url.host} answers ${answer.status}, but that is not the relay${proxy === undefined ? "" : ` (${proxy})`}`,
      `Lead ${url.hostname} to the relay, and all names below the domain. ${proxyExamples}`,
    );
  }
  if (proxy !== undefined && trustedProxies.length === 0) {
    return warning(
      `a proxy (${proxy}) is in front of the relay, but --trusted-proxy names none: to the relay all visitors come from one address, over plain HTTP`,
      "Give --trusted-proxy the address from which the proxy connects to the relay.",
    );
  }
  return ok("the relay answers");
}

function notUpgraded(url: URL, status: number, error: string | undefined): Finding {
  if (status === 429) {
    return warning(
      "the relay takes no more registrations from this address for a minute",
      "Examine it again after a minute.",
    );
  }
  if (error === "registration_needs_websocket") {
    return failed(
      `the request for a WebSocket at ${url.host} came to the relay as an ordinary one`,
      `Let the proxy pass Upgrade and Connection on, over HTTP/1.1. ${proxyExamples}`,
    );
  }
  return failed(
    `the request for a WebSocket at ${url.host} was answered with ${status}${error === undefined ? ", and not by the relay" : ` (${error})`}`,
    `Let the proxy lead ${url.hostname} to the relay, and pass Upgrade and Connection on. ${proxyExamples}`,
  );
}

function streamed(answer: Asked): Finding {
  const { status, times, text } = answer;
  if (status !== 200) {
    return skipped(
      `the relay that runs has no stream to try it with (${status}): it is an older one, or busy`,
    );
  }
  const isCompressed = answer.header("content-encoding") !== undefined;
  if (!isCompressed && !text.includes(`data: ${probeEvents}`)) {
    return failed("the stream broke off before its last event", proxyExamples);
  }
  const arrivals = times.filter((at, index) => at - (times[index - 1] ?? 0) > probePauseMs / 4).length;
  // A network may bring two events together. Whoever gathers them may send the beginning of the body at once,
  // and all the rest at the end.
  if (arrivals < 3) {
    return failed(
      `${probeEvents} events that the relay sent within ${(probePauseMs * (probeEvents - 1)) / 1_000} s came at once: something in between gathers answers`,
      isCompressed
        ? "Let the proxy compress no text/event-stream: its compression waits for more."
        : `Turn buffering off in the proxy (nginx: proxy_buffering off). ${proxyExamples}`,
    );
  }
  return ok("events come one by one, as they are sent");
}
