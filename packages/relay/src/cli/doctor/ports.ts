import { once } from "node:events";
import { createServer } from "node:net";
import { messageOf } from "mcp-tunnel-shared";
import { type Examination, failed, type Finding, ok, warning } from "mcp-tunnel-shared/command";
import { registrationPath } from "mcp-tunnel-protocol";
import { listen } from "../../net/listen.js";
import { formatHostPort, type HostPort } from "../../net/host-port.js";
import { adminOptionsOf } from "../options/read-options.js";
import { localPortsOf } from "../options/values.js";
import { readAdminUrl } from "../admin/address.js";
import { type AdminAddress, adminRequest } from "../admin/client.js";
import { ask } from "./asking.js";
import type { Subject } from "./surroundings.js";

/** A port that the relay listens at. */
interface Port {
  readonly id: string;
  readonly title: string;
  /** Undefined: all addresses. */
  readonly host: string | undefined;
  readonly port: number;
  /** Whether what answers there is the relay. */
  isRelay(at: HostPort, signal: AbortSignal): Promise<boolean>;
}

/** Each port is free, or the relay has it. The first is the one for visitors and clients. */
export function portExaminations(subject: Subject): Examination[] {
  return [...portsOf(subject).map((port) => portExamination(port, subject)), ...adminExaminations(subject)];
}

function portsOf(subject: Subject): Port[] {
  const { options, domain, surroundings } = subject;
  const asks = (
    path: string,
    host: string,
    scheme: string,
    fits: (answer: Awaited<ReturnType<typeof ask>>) => boolean,
  ): Port["isRelay"] => {
    const url = new URL(`${scheme}://${host}${path}`);
    return async (at, signal) =>
      fits(await ask(url, { surroundings, signal, at, takesAnyCertificate: true }));
  };
  const scheme = hasTls(subject) ? "https" : "http";
  const ports: Port[] = [
    {
      id: "port",
      title: "port",
      host: options.host,
      port: options.port,
      isRelay: asks(registrationPath, domain, scheme, isRelayAnswer),
    },
  ];
  if (options.httpRedirect !== undefined) {
    ports.push({
      id: "redirect-port",
      title: "redirect port",
      host: options.host,
      port: options.httpRedirect,
      isRelay: asks("/", domain, "http", ({ status }) => status === 308),
    });
  }
  for (const [name, port] of Object.entries(localPortsOf(options.localPort ?? []))) {
    ports.push({
      id: `local-port-${name}`,
      title: `local port of ${name}`,
      host: "127.0.0.1",
      port,
      // No tunnel hears of a request that names a host which the local port does not serve.
      isRelay: asks("/", "doctor.invalid", "http", (answer) => errorOf(answer) === "unserved_host"),
    });
  }
  return ports;
}

export function hasTls({ options }: Subject): boolean {
  return (options.tlsCert ?? []).length > 0 || options.acmeHook !== undefined;
}

/** The relay's answer to a request for its registration that is no WebSocket. */
function isRelayAnswer(answer: Awaited<ReturnType<typeof ask>>): boolean {
  return errorOf(answer) === "registration_needs_websocket";
}

function errorOf(answer: Awaited<ReturnType<typeof ask>>): string | undefined {
  return answer.header("x-tunnel-error");
}

function portExamination(port: Port, subject: Subject): Examination {
  return {
    id: port.id,
    title: port.title,
    examine: async (signal) => {
      const state = await stateOf(port);
      if (typeof state === "object") return state;
      if (state === "any" || state === "free") return free(port);
      // A user who may not listen there is not told whether somebody does.
      const at = { host: reachable(port.host), port: port.port };
      const answer = await port.isRelay(at, signal).catch(() => undefined);
      if (answer === true && port.id === "port") subject.isRunning = true;
      if (answer === true) return ok(`a running relay has port ${port.port}`);
      if (answer === undefined && state === "denied") return denied(port);
      return failed(
        `another program has ${place(port)}, or a relay with other options`,
        `Stop it, or choose another ${port.title}. This names it: ss -ltnp 'sport = :${port.port}'`,
      );
    },
  };
}

function denied(port: Port): Finding {
  return warning(
    `this user may not listen at ${place(port)}, and nothing answers there`,
    "Ports below 1024 need a permission: AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit. If the relay has it there, start it, and examine it again.",
  );
}

function free(port: Port): Finding {
  if (port.port === 0) return ok("any free port will do");
  return ok(`${place(port)} is free: no relay runs here`);
}

function place({ host, port }: Port): string {
  return host === undefined ? `port ${port}` : formatHostPort({ host, port });
}

/** An address at which a listener on `host` is reached from this machine. */
function reachable(host: string | undefined): string {
  return host === undefined || host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/**
 * Listens at a port, and stops at once, to see whether that is possible. Or says what is wrong with its
 * address.
 */
async function stateOf({ host, port }: Port): Promise<"any" | "free" | "taken" | "denied" | Finding> {
  if (port === 0) return "any";
  const server = createServer();
  try {
    await listen(server, { host, port }, "port");
  } catch (error) {
    const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return "taken";
    if (code === "EACCES") return "denied";
    return failed(messageOf(error), "Correct --host, or the address in the option.");
  }
  server.close();
  await once(server, "close");
  return "free";
}

/** The operator's listener: free, or the relay's, which then says how it is. */
function adminExaminations({ command, options }: Subject): Examination[] {
  const { adminListen } = options;
  if (adminListen === undefined) return [];
  const port: Port = {
    id: "admin-port",
    title: "admin port",
    host: adminListen.host,
    port: adminListen.port,
    isRelay: () => Promise.resolve(true),
  };
  return [
    {
      id: port.id,
      title: port.title,
      examine: async () => {
        const state = await stateOf(port);
        if (typeof state === "object") return state;
        if (state === "any" || state === "free") return free(port);
        if (state === "denied") return denied(port);
        return admin({
          url: readAdminUrl(formatHostPort(adminListen)),
          secret: adminOptionsOf(command)?.secret,
        });
      },
    },
  ];
}

async function admin(address: AdminAddress): Promise<Finding> {
  try {
    await adminRequest(address, "GET", "/api/tunnels");
  } catch (error) {
    return failed(
      messageOf(error),
      "If a relay is meant to have that port, it runs with another --admin-secret; otherwise another program has it.",
    );
  }
  try {
    await adminRequest(address, "GET", "/readyz");
  } catch (error) {
    return warning(`a running relay has it, but ${messageOf(error)}`, "`mcp-tunnel status` says more.");
  }
  return ok(`a running relay answers at ${address.url}, and is ready`);
}
