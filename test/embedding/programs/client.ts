/**
 * A program that uses the whole surface of the client's library, as an engineer would write it who compiles
 * strictly. The test beside compiles it with the compiler alone, against the published types, and runs it.
 *
 * Arguments: the URL of a relay with TLS, the file of its authority, the origin of a service with TLS.
 */
import { once, on } from "node:events";
import { readFileSync } from "node:fs";
import { checkRegistration, startTunnelClient, TunnelClient, TunnelError } from "mcp-tunnel-client";
import type {
  CheckOptions,
  ClientEvents,
  ClientStateName,
  Logger,
  RelayConnectionOptions,
  RequestEndEvent,
  RequestStartEvent,
  ServiceTlsOptions,
  TlsOptions,
  TunnelClientOptions,
} from "mcp-tunnel-client";

const [relayUrl = "", caFile = "", target = ""] = process.argv.slice(2);
const ca = readFileSync(caFile);

const relayTls: TlsOptions = { ca };
const serviceTls: ServiceTlsOptions = { ca: [ca.toString()], servername: "service.test" };
const relay: RelayConnectionOptions = { relayUrl, relayTls, relayHeaders: { "X-Access": "t0ken" } };

const say = (...words: readonly unknown[]): void => console.log(...words);

const lines: string[] = [];
const logger: Logger = {
  debug: (_fields, message) => lines.push(message),
  info: (_fields, message) => lines.push(message),
  warn: (_fields, message) => lines.push(message),
  error: (_fields, message) => lines.push(message),
};

// What a registration would get, and a check that is given up.
const check: CheckOptions = { ...relay, token: "s3cret", subdomain: "demo" };
say("in use:", (await checkRegistration(check)).inUse);
await checkRegistration({ ...check, signal: AbortSignal.abort("no need") }).catch((error: unknown) => {
  if (error instanceof TunnelError) say(error.name, error.code, error.cause);
});

// A client that is followed from its start, and closed by a signal.
const abort = new AbortController();
const options: TunnelClientOptions = {
  ...relay,
  ...{ target, serviceTls, token: "s3cret", subdomain: "demo" },
  ...{ signal: abort.signal, logger },
};
{
  await using client = new TunnelClient(options);
  // @ts-expect-error There is no such event: Node throws one of that name if nobody listens.
  client.on("error", say);
  const connected = once(client, "connected") as Promise<ClientEvents["connected"]>;
  client.once("requestStart", ({ id, requestId, visitorAddress, method, path, headers }: RequestStartEvent) =>
    say("begins:", id, typeof requestId, visitorAddress, method, path, headers.length > 0),
  );
  await client.start();
  const [{ subdomain, resumed }] = await connected;
  const state: ClientStateName = client.state;
  say("connected:", subdomain, resumed, state);
  say(client.url);
  for await (const [event] of on(client, "request", { close: ["closed"] }) as AsyncIterable<
    [RequestEndEvent]
  >) {
    say("over:", event.id, event.path, event.status, event.responseBytes, event.error?.code);
    abort.abort("that was enough");
  }
  const [closed]: ClientEvents["closed"] = [{ error: undefined }];
  say("closed:", client.state, closed.error);
}
say("logged:", lines.includes("tunnel connected"), lines.includes("request over"), lines.at(-1));

// A signal that was aborted before.
try {
  await using client = await startTunnelClient(options);
  say("never", client.url);
} catch (error) {
  if (!(error instanceof TunnelError)) throw error;
  say(error.name, error.code, error.cause);
}
