import type { ServedTunnel } from "mcp-tunnel-client";
import { headerValue } from "mcp-tunnel-protocol";
import type { ResponseHead } from "mcp-tunnel-protocol";

/**
 * A service that asks for a login asks for it at once. So a few answers tell, and later ones cost nothing.
 */
const watchedAnswers = 20;

/**
 * Looks whether the service behind a gate asks for a token of its own: 401 with a Bearer challenge. A visitor
 * has one `Authorization` to show, and the gate takes it.
 */
export class OwnLoginWatch {
  #left = watchedAnswers;

  look({ status, headers }: ResponseHead, tunnel: ServedTunnel): void {
    if (this.#left === 0) return;
    this.#left -= 1;
    if (status !== 401 || !/^bearer\b/i.test(headerValue(headers, "www-authenticate") ?? "")) return;
    this.#left = 0;
    tunnel.warn({
      code: "own_login",
      message:
        "the service asks for a login of its own (401 with a Bearer challenge), and the gate takes the " +
        "visitors' Authorization: use --visitor-auth none, and the service checks its visitors as before",
    });
  }
}
