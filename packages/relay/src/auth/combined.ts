import type { AuthenticationResult, Authenticator } from "./authenticator.js";

/** Asks authenticators one after the other until one lets the token in. A refusal is that of the last one. */
export function combinedAuthenticator(parts: readonly [Authenticator, ...Authenticator[]]): Authenticator {
  return {
    mode: parts.map(({ mode }) => mode).join(" + "),
    async authenticate(credentials) {
      let result: AuthenticationResult = { refused: "invalid token" };
      for (const part of parts) {
        result = await part.authenticate(credentials);
        if ("allowed" in result) break;
      }
      return result;
    },
    get stale() {
      return parts.flatMap(({ stale }) => stale ?? []);
    },
    watchRevoked(revoked) {
      const ends = parts.map((part) => part.watchRevoked?.(revoked));
      return () => {
        for (const end of ends) end?.();
      };
    },
    async reload() {
      for (const part of parts) await part.reload?.();
    },
    async close() {
      for (const part of parts) await part.close?.();
    },
  };
}
