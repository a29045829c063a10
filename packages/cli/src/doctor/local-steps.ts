import type { ServiceOptions } from "mcp-tunnel-client";
import { isLocalhost, isLoopback, messageOf } from "mcp-tunnel-shared";
import { failed, ok, skipped, warning } from "mcp-tunnel-shared/command";
import type { Examination, Finding } from "mcp-tunnel-shared/command";
import { originOf } from "../options/flags.js";
import { askService } from "./ask-service.js";
import type { Case } from "./case.js";
import { greet, isEventStream, leave } from "./mcp.js";
import { lookAtMcp } from "./mcp-look.js";
import { oauthFinding } from "./oauth-step.js";
import type { Ask } from "./question.js";
import { hostFinding, originFinding } from "./service-rules.js";
import { connectTo, lookup, placeOf, placeText, speaksTls, Way } from "./way.js";

/** Where MCP servers are, besides at `/mcp`. */
const usualPaths = ["/mcp", "/", "/mcp/", "/sse"];

/** How long a server on stdio may take to start, by default, and to answer, in milliseconds. */
const stdioLimitMs = 75_000;

/** Looks at what is served, by the code with which the client serves it. */
export function localExaminations(it: Case): Examination[] {
  const { local, mcp } = it.settings.tunnel ?? {};
  return [
    ...(local === undefined ? [] : serviceExaminations(it, local)),
    ...it.mcpPaths.flatMap((path) => mcpExaminations(it, path, mcp !== undefined)),
    ...(local === undefined
      ? []
      : [
          {
            id: "oauth",
            title: "OAuth metadata",
            needs: ["local-answers"],
            examine: (signal: AbortSignal) => oauthFinding(it, local, signal),
          },
        ]),
  ];
}

function serviceExaminations(it: Case, local: ServiceOptions): Examination[] {
  const url = new URL(originOf(local));
  const needs = ["local-answers"];
  // Servers of developers often work for a while before their first answer.
  const limitMs = 20_000;
  return [
    {
      id: "local-listens",
      title: "local service",
      examine: (signal) => listeningFinding(url, signal),
    },
    {
      id: "local-answers",
      title: "HTTP of the service",
      needs: ["local-listens"],
      limitMs,
      examine: (signal) => answerFinding(it, url, signal),
    },
    { id: "local-host", title: "Host", needs, limitMs, examine: (signal) => hostFinding(it, local, signal) },
    {
      id: "local-origin",
      title: "Origin",
      needs,
      limitMs,
      examine: (signal) => originFinding(it, local, signal),
    },
  ];
}

function mcpExaminations(it: Case, path: string, isMcpAlone: boolean): Examination[] {
  // Servers of a config file have steps of their own each.
  const suffix = it.mcpPaths.length > 1 ? ` at ${path}` : "";
  const id = it.mcpPaths.length > 1 ? `-${it.mcpPaths.indexOf(path) + 1}` : "";
  return [
    {
      id: `local-mcp${id}`,
      title: `MCP${suffix}`,
      needs: ["local-answers"],
      limitMs: isMcpAlone ? stdioLimitMs : 20_000,
      examine: (signal) => mcpFinding(it, path, isMcpAlone, signal),
    },
    {
      id: `local-mcp-get${id}`,
      title: `MCP's GET${suffix}`,
      needs: [`local-mcp${id}`],
      examine: () => getFinding(it, path),
    },
  ];
}

// ---- a service behind HTTP

async function listeningFinding(url: URL, signal: AbortSignal): Promise<Finding> {
  const { host, port } = placeOf(url);
  const addresses = (await lookup(host)).map(({ address }) => address);
  const open = await listeningAt(addresses, port, signal);
  const shown = (list: readonly string[]): string =>
    list.map((address) => placeText({ host: address, port })).join(" and ");
  if (open.length > 0) {
    const which = isLocalhost(host) && open.length === 1 ? `, and only there` : "";
    return ok(`listens at ${shown(open)}${which}`);
  }
  const reason = `nothing listens at ${shown(addresses)}`;
  const others = isLoopback(host)
    ? ["::1", "127.0.0.1"].filter((address) => !addresses.includes(address))
    : [];
  const [elsewhere] = await listeningAt(others, port, signal);
  if (elsewhere === undefined)
    return failed(reason, "Start the service, or give the port at which it listens.");
  const place = placeText({ host: elsewhere, port });
  return failed(
    `${reason}, but something does at ${place}`,
    `Give ${port} or ${place} as the local service: localhost stands for both addresses.`,
  );
}

async function listeningAt(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<string[]> {
  const tries = addresses.map(async (address) => {
    try {
      (await connectTo(address, port, signal)).destroy();
      return [address];
    } catch {
      return [];
    }
  });
  return (await Promise.all(tries)).flat();
}

async function answerFinding(it: Case, url: URL, signal: AbortSignal): Promise<Finding> {
  const question = { method: "GET", path: "/", enough: () => true };
  try {
    const { status } = await serviceAsk(it)(question, signal);
    return ok(`GET / answers ${status}`);
  } catch (error) {
    const reason = `${url.origin} does not answer in HTTP: ${messageOf(error)}`;
    if (url.protocol === "https:") return failed(reason);
    return (await speaksTls(new Way(undefined), placeOf(url), signal))
      ? failed(
          `${url.origin} speaks TLS, and not plain HTTP`,
          `Give ${url.origin.replace("http:", "https:")} as the local service.`,
        )
      : failed(reason, "Is it another port of the service that speaks HTTP?");
  }
}

// ---- MCP

function serviceAsk(it: Case): Ask {
  if (it.service === undefined) throw new Error("nothing is served");
  return askService(it.service, it.assumedUrl);
}

async function mcpFinding(
  it: Case,
  path: string,
  isMcpAlone: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  const ask = serviceAsk(it);
  const look = await lookAtMcp(ask, path, signal);
  it.looks.set(path, look);
  const { greeting } = look;
  if (greeting.server !== undefined) return ok(`${greeting.server.title}, answers at ${path}`);
  if (greeting.isLoginNeeded) return loginFinding(path, greeting.challenge);
  const reason = `no MCP server at ${path}: an initialize is answered by ${greeting.said}`;
  if (isMcpAlone) return failed(reason, it.serverTrouble ?? "Start the server alone, and see what it says.");
  const elsewhere = await findElsewhere(ask, path, signal);
  if (elsewhere !== undefined) {
    const advice = `Hosts need a URL that ends in ${elsewhere}; the doctor looks there with --mcp-path ${elsewhere}.`;
    return failed(`${reason}; but there is one at ${elsewhere}`, advice);
  }
  return it.settings.isMcpPathGiven
    ? failed(reason, "Say by --mcp-path where the service answers MCP.")
    : warning(reason, "If the service is no MCP server, this is as it should be.");
}

function loginFinding(path: string, challenge: string): Finding {
  const said = `a server that wants visitors to sign in (401) answers at ${path}`;
  if (/^(?:Bearer|DPoP)\b/i.test(challenge)) return ok(said);
  return warning(
    `${said}, but its WWW-Authenticate names no Bearer`,
    "MCP hosts do not find out how to sign in. Have the service send WWW-Authenticate: Bearer resource_metadata=...",
  );
}

async function findElsewhere(ask: Ask, path: string, signal: AbortSignal): Promise<string | undefined> {
  for (const other of usualPaths.filter((usual) => usual !== path)) {
    const found =
      other === "/sse" ? await isOldStream(ask, other, signal) : await isServer(ask, other, signal);
    if (found) return other;
  }
  return undefined;
}

async function isServer(ask: Ask, path: string, signal: AbortSignal): Promise<boolean> {
  const { server } = await greet(ask, path, signal);
  if (server !== undefined) await leave(ask, path, server, signal);
  return server !== undefined;
}

/** Revision 2024-11-05 had its stream at a path of its own, often this one. */
async function isOldStream(ask: Ask, path: string, signal: AbortSignal): Promise<boolean> {
  const headers = { accept: "text/event-stream" };
  const answer = await ask({ method: "GET", path, headers, enough: () => true }, signal);
  return answer.status === 200 && isEventStream(answer);
}

function getFinding(it: Case, path: string): Finding {
  const get = it.looks.get(path)?.get;
  if (get === undefined) return skipped("there is no MCP server that can be asked without a login");
  if (get.isStream) return ok("an event stream");
  if (get.status === 405) return ok("405: the server has no stream of its own, which is fine");
  return warning(
    `GET ${path} answers ${get.status}, in place of an event stream or 405`,
    "Some hosts take that for a failure (MCP, Streamable HTTP). The service should answer 405 if it has no stream.",
  );
}
