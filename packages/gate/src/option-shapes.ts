import { callback, checkOptions, flag, objectWith, text, unusable } from "mcp-tunnel-protocol";
import { z } from "zod";
import type { GrantStorage } from "./grants.js";
import { type GateOptions, gateKinds } from "./options.js";

/** The types of all options. Messages tell the type of what was given, and never a secret. */
const shapes = {
  bearer: z.unknown().optional(),
  basic: z.unknown().optional(),
  oauth: z.unknown().optional(),
  allowAddresses: z.array(text(), "an array of strings").optional(),
  onEvent: callback().optional(),
} satisfies Record<keyof GateOptions, z.ZodType>;

const bearer = {
  keys: z.array(z.strictObject({ name: text(), key: text() }, "an object"), "an array of keys"),
};

const basic = {
  users: z.array(z.strictObject({ name: text(), password: text() }, "an object"), "an array of users"),
};

const oauth = {
  title: text().optional(),
  passcode: text().optional(),
  terminal: flag.optional(),
  login: z.unknown().optional(),
  storage: objectWith<GrantStorage>(["read", "changed", "onRevoke", "close"]).optional(),
  issParameter: flag.optional(),
};

const login = {
  issuer: text(),
  clientId: text(),
  clientSecret: text().optional(),
  allowEmails: z.array(text(), "an array of strings"),
};

/**
 * Checks the names and the types of a gate's options.
 * @throws TunnelError `invalid_option`.
 */
export function checkGateOptions(options: GateOptions): void {
  checkOptions(options, shapes);
  if (options.bearer !== undefined) checkOptions(options.bearer, bearer, { within: "bearer" });
  if (options.basic !== undefined) checkOptions(options.basic, basic, { within: "basic" });
  if (options.oauth !== undefined) {
    checkOptions(options.oauth, oauth, { within: "oauth" });
    const { passcode, terminal, login: upstream } = options.oauth;
    if (passcode === undefined && terminal !== true && upstream === undefined) {
      const ways = ["oauth.passcode", "oauth.terminal", "oauth.login"];
      throw unusable(`nobody could consent: give one of ${ways.join(", ")}`, { options: ways });
    }
    if (options.oauth.login !== undefined) {
      checkOptions(options.oauth.login, login, { within: "oauth.login" });
    }
  }
  if (options.allowAddresses === undefined && gateKinds.every((kind) => options[kind] === undefined)) {
    const options = [...gateKinds, "allowAddresses"];
    throw unusable(`nothing is given to decide by: give one of ${options.join(", ")}`, { options });
  }
}
