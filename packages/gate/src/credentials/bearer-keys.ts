import { unusable } from "mcp-tunnel-protocol";
import { type BearerKey, keyShape } from "../options.js";
import type { Identity } from "../visit.js";
import { Secrets } from "./secrets.js";
import { checkName } from "./names.js";

/**
 * Reads the keys of a gate. Errors name a key and never show it.
 * @throws TunnelError `invalid_option`.
 */
export function bearerKeys(keys: readonly BearerKey[]): Secrets<Identity> {
  const options = ["bearer"];
  if (keys.length === 0) throw unusable("bearer has no keys: nobody could come in", { options });
  const secrets = new Secrets<Identity>();
  const names = new Set<string>();
  for (const { name, key } of keys) {
    checkName(name, "the name of a key", options);
    if (names.has(name)) throw unusable(`two keys have the name '${name}'`, { options });
    names.add(name);
    if (!keyShape.test(key)) {
      throw unusable(`the key '${name}' cannot be used: a key has at least 16 visible characters of ASCII`, {
        options,
      });
    }
    if (!secrets.add(key, { user: name })) {
      throw unusable(`the key '${name}' is the same as another one: give each its own`, { options });
    }
  }
  return secrets;
}
