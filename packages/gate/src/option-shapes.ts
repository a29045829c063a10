import {
  anything,
  callback,
  checkOptions,
  flag,
  listOf,
  objectWith,
  onlyObjectOf,
  text,
  unusable,
} from "mcp-tunnel-protocol";
import type { GrantStorage } from "./grants.js";
import { type GateOptions, gateKinds } from "./options.js";

/** The types of all options. Messages tell the type of what was given, and never a secret. */
const shapes = {
  bearer: anything,
  basic: anything,
  oauth: anything,
  allowAddresses: listOf(text(), "an array of strings").optional(),
  onEvent: callback().optional(),
} satisfies Record<keyof GateOptions, unknown>;

const bearer = {
  keys: listOf(onlyObjectOf({ name: text(), key: text() }), "an array of keys"),
};

const basic = {
  users: listOf(onlyObjectOf({ name: text(), password: text() }), "an array of users"),
};

const oauth = {
  title: text().optional(),
  passcode: text().optional(),
  terminal: flag.optional(),
  login: anything,
  storage: objectWith<GrantStorage>(["read", "changed", "onRevoke", "close"]).optional(),
  issParameter: flag.optional(),
};

const login = {
  issuer: text(),
  clientId: text(),
  clientSecret: text().optional(),
  allowEmails: listOf(text(), "an array of strings"),
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
