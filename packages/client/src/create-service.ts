import { checkOptions } from "mcp-tunnel-protocol";
import { FetchService } from "./service/handler/fetch.js";
import { handlerService, serverService } from "./service/handler/in-process.js";
import { Forwarder } from "./service/http/forwarder.js";
import { tcpPool } from "./service/http/local-pool.js";
import type { Service } from "./service/service.js";
import { formNames, resolveService, serviceShapes } from "./service-options.js";
import type { ResolvedService, ServiceOptions } from "./service-options.js";

/**
 * Makes the service that `startTunnelClient` would make of these options, for a wrapper: a gate, for example.
 *
 * @example
 * const service = gated(createService({ port: 3000 }));
 * const tunnel = await startTunnelClient({ service, relayUrl: "https://tunnel.example.com" });
 * @throws TunnelError `invalid_option`.
 */
export function createService(options: ServiceOptions): Service {
  checkOptions(options, serviceShapes);
  return makeService(resolveService(options, formNames));
}

/** The service of options that have been checked. */
export function makeService(options: ResolvedService): Service {
  const { form } = options;
  switch (form.name) {
    case "target":
      return new Forwarder(options, tcpPool(options));
    case "handler":
      return handlerService(form.handler, options);
    case "server":
      return serverService(form.server, options);
    case "fetch":
      return new FetchService(form.fetch, options);
    case "service":
      return form.service;
  }
}
