import type { DeclaredGate, Service } from "mcp-tunnel-client";

/** A service that declares a gate, if one is given. The gate lets everybody in. */
export function declaring(gate: DeclaredGate | undefined, service: Service): Service {
  return {
    accept: (...request) => service.accept(...request),
    get open() {
      return service.open;
    },
    ...(gate === undefined ? {} : { gate }),
    close: () => service.close(),
  };
}
