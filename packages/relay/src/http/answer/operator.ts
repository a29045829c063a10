import { Fault, onlyObjectOf, text, unusable } from "mcp-tunnel-protocol";
import { type Html, html } from "mcp-tunnel-shared/visitor-page";

/** Who runs a relay, for the visitors who see a page of its own. */
export interface Operator {
  /** Up to 100 characters, such as the name of a team. */
  readonly name?: string | undefined;
  /** How visitors reach the operator: an address of e-mail, or an `https:`, `http:` or `mailto:` URL. */
  readonly contact?: string | undefined;
}

const maxLength = 100;

/** One line that shows as it is written. A contact becomes a link, so its scheme must not be a script's. */
const line = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u;
const eMail = /^[^\s@<>"]+@[^\s@<>"]+$/;

export const operatorShape = onlyObjectOf<Operator>({
  name: text()
    .refine(
      (name) => name.length <= maxLength && line.test(name),
      `one line of up to ${maxLength} characters`,
    )
    .optional(),
  contact: text()
    .refine((contact) => hrefOf(contact) !== undefined, "an e-mail address, or an https: or mailto: URL")
    .optional(),
});

/** @throws TunnelError `invalid_option` that says what the first wrong part has to be. */
export function checkOperator(operator: Operator): void {
  const read = operatorShape.read(operator);
  if (read instanceof Fault) throw unusable(`'${String(read.given)}' is not ${read.expected}`);
}

/** What a page says of the operator, if anything is known. */
export function signature({ name, contact }: Operator): Html | undefined {
  if (contact === undefined) return name === undefined ? undefined : html`Run by ${name}`;
  const link = html`<a href="${hrefOf(contact)}">${withoutScheme(contact)}</a>`;
  return name === undefined ? html`Contact: ${link}` : html`Run by ${name}, ${link}`;
}

/** The address that a contact means. `undefined` if it is none. */
function hrefOf(contact: string): string | undefined {
  if (contact.length > 1_000 || !line.test(contact)) return undefined;
  if (eMail.test(contact) && !contact.includes(":")) return `mailto:${encodeURI(contact)}`;
  const url = URL.canParse(contact) ? new URL(contact) : undefined;
  return url !== undefined && /^(?:https?|mailto):$/.test(url.protocol) ? url.href : undefined;
}

function withoutScheme(contact: string): string {
  return contact.replace(/^(?:mailto:|https?:\/\/)/, "").replace(/\/$/, "");
}
