import { headerValue } from "mcp-tunnel-protocol";
import type { RawHeaders } from "mcp-tunnel-protocol";
import type { Answer } from "../http/answer.js";
import type { RequestBody } from "../http/body.js";
import { localHeaders } from "../http/headers.js";
import type { HeaderPolicy } from "../http/headers.js";

/**
 * Whether a Request of this method takes a body (WHATWG Fetch, "new Request(input, init)", step 35). A
 * Request changes the letter case of such a method.
 */
export function takesBody(method: string): boolean {
  return !/^(?:get|head)$/i.test(method);
}

/**
 * Whether a Request does not take the method at all (WHATWG Fetch, "forbidden method"), in any letter case.
 */
export function isForbiddenMethod(method: string): boolean {
  return /^(?:connect|trace|track)$/i.test(method);
}

/** Whether the visitor waits for a 100 before he sends the body (RFC 9110 section 10.1.1). */
export function awaitsContinue(headers: RawHeaders): boolean {
  return headerValue(headers, "expect")?.toLowerCase() === "100-continue";
}

/** The request in the web's form. `body` is undefined if the request has none. */
export function webRequest(
  answer: Answer,
  policy: HeaderPolicy,
  body: RequestBody | undefined,
  signal: AbortSignal,
): Request {
  const { head, agreement } = answer;
  const headers = webHeaders(localHeaders(head, policy, agreement));
  const url = agreement.serviceOrigin + webPath(head.path);
  if (body === undefined) return new Request(url, { method: head.method, headers, signal });
  return new Request(url, { method: head.method, headers, signal, body: webBody(body), duplex: "half" });
}

/**
 * The path as URLs have it. Bytes beyond ASCII are escaped one by one, because a URL would take each for a
 * character.
 */
function webPath(path: string): string {
  const escaped = path.replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return escaped.startsWith("/") ? escaped : `/${escaped}`;
}

/** Repeated fields are joined with a comma, and cookies with a semicolon (RFC 9113 section 8.2.3). */
function webHeaders(raw: RawHeaders): Headers {
  const headers = new Headers();
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i] as string, raw[i + 1] as string];
    const cookies = name.length === 6 && name.toLowerCase() === "cookie" ? headers.get("cookie") : null;
    if (cookies === null) headers.append(name, value);
    else headers.set("cookie", `${cookies}; ${value}`);
  }
  return headers;
}

/**
 * The body, read only as fast as the handler takes it: the rest stays with the visitor. Chunks are copied for
 * two reasons. They are parts of larger reads. And they are Buffers, whose `slice` and `toString` differ from
 * those of the web.
 */
function webBody(body: RequestBody): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await body.next();
        if (done === true) controller.close();
        else controller.enqueue(new Uint8Array(value));
      },
      cancel(reason) {
        body.abandon(reason instanceof Error ? reason : new Error("the request body is not wanted any more"));
      },
    },
    { highWaterMark: 0 },
  );
}
