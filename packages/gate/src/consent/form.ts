import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** In bytes. The longest form has a token and a passcode. */
const maxBody = 4 * 1024;

/** Why a form is not read: the status to answer with. */
export class FormError extends Error {
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string) {
    super(message);
    this.name = "FormError";
    this.status = status;
  }
}

/** Reads the body of a form (`application/x-www-form-urlencoded`). @throws FormError */
export async function readForm(req: IncomingMessage): Promise<URLSearchParams> {
  const [type = ""] = (req.headers["content-type"] ?? "").split(";");
  if (type.trim().toLowerCase() !== "application/x-www-form-urlencoded") {
    throw new FormError(415, "The request is not a form.");
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // Otherwise the end of the loop would cut the connection, and with it the answer.
    for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBody) throw new FormError(413, "The form is too long.");
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof FormError ? error : new FormError(400, "The form did not come whole.");
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

/**
 * What proves that a form comes from a page that a browser with the cookie of the request was given. The
 * cookie is SameSite, but tunnels of strangers on the same relay are the same site. The id in the path is
 * unguessable, but paths end up in histories and on screens. The token does neither.
 */
export class FormTokens {
  /** Requests for consent do not outlive the process, and neither need their tokens. */
  readonly #key = randomBytes(32);

  /** The token for what `purpose` says about the request `id`. */
  of(id: string, purpose: "form" | "cancel" = "form"): string {
    return createHmac("sha256", this.#key).update(`${purpose} ${id}`).digest("base64url");
  }

  isRight(token: string | null, id: string, purpose: "form" | "cancel" = "form"): boolean {
    const right = Buffer.from(this.of(id, purpose));
    const given = Buffer.from(token ?? "");
    return given.length === right.length && timingSafeEqual(given, right);
  }
}

/**
 * Whether a page of another origin sent this form, as far as the browser says so. Browsers write
 * `Origin: null` for pages with `Referrer-Policy: no-referrer` (Fetch, "append a request Origin header"), so
 * `null` says nothing. All current ones write `Sec-Fetch-Site`.
 */
export function isForeign({ headers }: IncomingMessage, origin: string): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return true;
  return headers.origin !== undefined && headers.origin !== "null" && headers.origin !== origin;
}
