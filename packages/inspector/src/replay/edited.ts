import { headFault } from "mcp-tunnel-client/own-exchange";
import {
  AnySpelling,
  endToEndHeaders,
  fieldPairs,
  headerValue,
  isFieldValue,
  isToken,
  maxFields,
} from "mcp-tunnel-protocol";
import type { RawHeaders, RequestHead } from "mcp-tunnel-protocol";
import type { Captured } from "../captured.js";
import type { Field, ReplayRequest } from "../model.js";
import { withField } from "./outgoing.js";
import type { Outgoing } from "./outgoing.js";
import { badRequest, ReplayProblem } from "./problem.js";

export type Edit = NonNullable<ReplayRequest["edit"]>;

/** Bytes of the longest body that is sent. */
const maxBodyBytes = 1_024 * 1_024;
/** Bytes of the longest head that is sent. Node's servers take 16 KiB by default. */
const maxHeadBytes = 64 * 1_024;

/**
 * Fields that the tunnel writes, in any spelling. The forwarder makes the service's Host of the captured one,
 * and no visitor can have written an `X-Tunnel-` field: services may trust them.
 */
const tunnelFields = new AnySpelling(["host"], ["x-tunnel-"]);

/**
 * The request that an entry captured, as the service got it, with what the user has changed of it. A mark in
 * an edited text stands for the secret that the page did not show. `secretOf` tells that secret.
 * @throws ReplayProblem `bad_request` or `too_large`
 */
export function editedRequest(
  entry: Captured,
  edit: Edit,
  secretOf: (mark: string) => string | undefined,
): Outgoing {
  const { method, path, headers } = entry.serviceHead ?? entry.head;
  const whole = (text: string): string => withSecrets(text, secretOf);
  const isSameBody = edit.body === undefined;
  const body = Buffer.from(
    // A copy: the service may keep it, or write into it.
    edit.body === undefined ? entry.requestBody.bufferOf() : whole(edit.body),
  );
  if (body.length > maxBodyBytes) {
    throw new ReplayProblem(413, "too_large", `the body is longer than ${maxBodyBytes} bytes`);
  }
  const given =
    edit.headers === undefined
      ? headers
      : editedFields(
          entry,
          edit.headers.map(([name, value]) => [name, whole(value)]),
        );
  const head: RequestHead = {
    method: edit.method ?? method,
    path: edit.path === undefined ? path : whole(edit.path),
    headers: fieldsFor(given, body, isSameBody),
  };
  const trailers = isSameBody ? entry.requestTrailers : [];
  // node:http sends trailers that were announced, and those of a body without a length alone.
  const trailer = trailers.length === 0 ? undefined : headerValue(headers, "trailer");
  if (trailer !== undefined) head.headers.push("Trailer", trailer);
  checkHead(head, body.length === 0);
  return { head, body, trailers };
}

const marks = /\[hidden:([0-9a-f]{8})\]/g;

function withSecrets(text: string, secretOf: (mark: string) => string | undefined): string {
  return text.replace(marks, (whole, mark: string) => {
    const secret = secretOf(mark);
    if (secret !== undefined) return secret;
    throw badRequest(`nothing of this exchange is hidden as ${whole}: write what has to stand there`);
  });
}

/**
 * The user's fields, with the captured ones that belong to the tunnel. The page may send those back as they
 * were, or leave them out. It may also send back what a gate has taken out, such as the visitor's proof: that
 * stays out.
 */
function editedFields({ head, serviceHead = head }: Captured, edited: readonly Field[]): RawHeaders {
  const visitors = fieldPairs(head.headers);
  const services = fieldPairs(serviceHead.headers);
  const fixed = services.filter(([name]) => tunnelFields.has(name));
  const free: Field[] = [];
  for (const field of edited) {
    const [name, value] = field;
    if (!isToken(name)) throw badRequest(`${JSON.stringify(name)} is no name of a header field`);
    if (!isFieldValue(value)) {
      throw badRequest(`the value of ${name} has a character that no header field can have`);
    }
    const wasThere = isAmong(visitors, field) || isAmong(services, field);
    if (tunnelFields.has(name)) {
      if (!wasThere) throw badRequest(`${name} belongs to the tunnel: it cannot be changed here`);
    } else if (!wasThere || isAmong(services, field)) free.push(field);
  }
  return [...fixed, ...free].flat();
}

function isAmong(fields: readonly Field[], [name, value]: Field): boolean {
  return fields.some((field) => field[0].toLowerCase() === name.toLowerCase() && field[1] === value);
}

function fieldsFor(given: RawHeaders, body: Buffer, isSameBody: boolean): RawHeaders {
  const headers = endToEndHeaders(given);
  const hadLength = headerValue(headers, "content-length") !== undefined;
  if (isSameBody && !hadLength) return headers;
  const length = body.length > 0 || hadLength ? String(body.length) : undefined;
  const sized = withField(headers, "Content-Length", length);
  // An edited body is the text that the page shows, whatever the visitor's was packed in.
  return isSameBody ? sized : withField(sized, "Content-Encoding", undefined);
}

function checkHead(head: RequestHead, end: boolean): void {
  const { method, path, headers } = head;
  const fault = headFault(head, end);
  if (fault !== undefined) {
    throw badRequest(
      `this cannot be sent: ${fault}. A path begins with / and has no spaces, and other characters than ` +
        "those of ASCII are written with %",
    );
  }
  let bytes = method.length + path.length;
  for (const text of headers) bytes += text.length + 2;
  if (bytes > maxHeadBytes || headers.length > 2 * maxFields) {
    throw new ReplayProblem(413, "too_large", `the head is longer than ${maxHeadBytes} bytes`);
  }
}
