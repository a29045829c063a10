import { unusable } from "mcp-tunnel-protocol";
import type { BasicUser } from "../options.js";
import type { Identity } from "../visit.js";
import { Secrets } from "./secrets.js";
import { checkName } from "./names.js";

/**
 * A password that is as long as this needs no limit of tries, as a key needs none. Of shorter ones strangers
 * would guess some.
 */
const unguessableLength = 16;

/**
 * Longer ones are nobody's. A stranger's text of 24 KB, with its accents in the wrong order, would take half
 * a second to bring to its normal form, which is quadratic. One of this length takes a millisecond.
 */
const maxCredentials = 4_096;
const maxPasswordLength = 200;

/** The users of HTTP Basic authentication (RFC 7617). */
export class BasicUsers {
  readonly #secrets = new Secrets<Identity>();
  /** Some password could be guessed, if a visitor might try as often as he likes. */
  readonly isGuessable: boolean;

  /**
   * Errors name a user and never show a password.
   * @throws TunnelError `invalid_option`.
   */
  constructor(users: readonly BasicUser[]) {
    const options = ["basic"];
    if (users.length === 0) throw unusable("basic has no users: nobody could come in", { options });
    const names = new Set<string>();
    for (const { name, password } of users) {
      checkName(name, "the name of a user", options);
      // RFC 7617 section 2: the first colon ends the name.
      if (name.includes(":")) throw unusable(`the user '${name}' has a colon in his name`, { options });
      if (names.has(name.normalize("NFC"))) throw unusable(`two users have the name '${name}'`, { options });
      names.add(name.normalize("NFC"));
      if (password === "") throw unusable(`the password of the user '${name}' is empty`, { options });
      if (password.length > maxPasswordLength) {
        const message = `the password of the user '${name}' is longer than ${maxPasswordLength} characters`;
        throw unusable(message, { options });
      }
      if (/\p{Cc}/u.test(password)) {
        throw unusable(`the password of the user '${name}' has a control character`, { options });
      }
      this.#secrets.add(normal(`${name}:${password}`), { user: name });
    }
    this.isGuessable = users.some(({ password }) => password.length < unguessableLength);
  }

  /** Whose `credentials` these are: the part of the field after the scheme. */
  find(credentials: string): Identity | undefined {
    if (credentials.length > maxCredentials) return undefined;
    return this.#secrets.find(normal(Buffer.from(credentials, "base64").toString("utf8")));
  }
}

/** Keyboards of some systems write an accent as a character of its own (RFC 8265 section 4.1: NFC). */
const normal = (text: string): string => text.normalize("NFC");
