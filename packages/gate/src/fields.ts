import { AnySpelling, type RawHeaders } from "mcp-tunnel-protocol";
import { isOwnCookie, ownCookieMark } from "./paths.js";

/** A field that may be a proof for the gate, as it came. */
export interface ProofField {
  readonly name: string;
  readonly value: string;
}

/** The fields of a visit, taken apart. */
export interface VisitFields {
  /** The fields that the service may get from any visitor: no proofs, no cookies of the gate. */
  readonly others: RawHeaders;
  readonly authorization: ProofField | undefined;
  readonly apiKey: ProofField | undefined;
  /** A proof came twice. The gate and the service might each read another one. */
  readonly isAmbiguous: boolean;
  /** A browser asks for the script of a service worker (Service Workers, "Update"). */
  readonly isServiceWorker: boolean;
}

/** Takes the fields of visits apart, for a gate that knows which of them are proofs. */
export class FieldReader {
  readonly #taken: AnySpelling;

  /** Fields that are no proof for this gate stay among the others. */
  constructor(proofs: { readonly authorization: boolean; readonly apiKey: boolean }) {
    const names = ["cookie", "service-worker"];
    if (proofs.authorization) names.push("authorization");
    if (proofs.apiKey) names.push("x-api-key");
    this.#taken = new AnySpelling(names, ["x-tunnel-"]);
  }

  /** One pass: it runs for every request. */
  read(headers: RawHeaders): VisitFields {
    // Most fields stay where they are. A copy that is closed up costs less than one that grows.
    const others = headers.slice();
    let end = 0;
    let authorization: ProofField | undefined;
    let apiKey: ProofField | undefined;
    let isAmbiguous = false;
    let isServiceWorker = false;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      let value = headers[i + 1] as string;
      if (mayBeTaken(name) && this.#taken.has(name)) {
        switch (name.toLowerCase()) {
          case "authorization":
            isAmbiguous ||= authorization !== undefined;
            authorization = { name, value };
            continue;
          case "x-api-key":
            isAmbiguous ||= apiKey !== undefined;
            apiKey = { name, value };
            continue;
          case "cookie":
            value = withoutOwnCookies(value);
            if (value === "") continue;
            break;
          case "service-worker":
            isServiceWorker = true;
            continue;
          case "x-tunnel-visitor":
            // The program that mounts the gate lets this field in only if it is not the visitor's own.
            break;
          default:
            // The field is X-Tunnel-User or one of its relatives, or a name that a service behind CGI could
            // take for one of the fields above: `X_API_Key`.
            continue;
        }
      }
      others[end++] = name;
      others[end++] = value;
    }
    others.length = end;
    return { others, authorization, apiKey, isAmbiguous, isServiceWorker };
  }
}

/** Many names begin with `x-`, but those that are taken go on with an `a` or a `t`, in either case. */
function mayBeTaken(name: string): boolean {
  if ((name.charCodeAt(0) | 0x20) !== 0x78) return true;
  const third = name.charCodeAt(2) | 0x20;
  return third === 0x61 || third === 0x74;
}

function withoutOwnCookies(value: string): string {
  if (!value.includes(ownCookieMark)) return value;
  const kept = value.split(";").filter((cookie) => !isOwnCookie(cookie.split("=", 1)[0] as string));
  return kept.join(";").trim();
}

/**
 * The fields that tell the service who visits. Only visible ASCII and inner spaces stand as they are. Other
 * characters, and `%`, are written as in URLs, their UTF-8 in `%XX`: `decodeURIComponent` gives the name.
 */
export function identityFields(identity: {
  readonly user: string;
  readonly client?: string;
  readonly scope?: string;
}): RawHeaders {
  const fields = ["X-Tunnel-User", asFieldValue(identity.user)];
  if (identity.client !== undefined) fields.push("X-Tunnel-Client", asFieldValue(identity.client));
  if (identity.scope !== undefined) fields.push("X-Tunnel-Scope", asFieldValue(identity.scope));
  return fields;
}

const plain = /^[\x21-\x24\x26-\x7e]+(?: [\x21-\x24\x26-\x7e]+)*$/;

function asFieldValue(text: string): string {
  if (plain.test(text)) return text;
  // A lone surrogate becomes U+FFFD, where `encodeURIComponent` would throw.
  return Buffer.from(text, "utf8")
    .toString("latin1")
    .replaceAll(/[^\x21-\x24\x26-\x7e]/g, (char) => {
      return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
    });
}
