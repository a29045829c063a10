import type { RawHeaders, RequestHead } from "mcp-tunnel-protocol";

/** A request that the inspector sends to the service. */
export interface Outgoing {
  readonly head: RequestHead;
  readonly body: Buffer;
  readonly trailers: RawHeaders;
}

/** A copy of fields in which `name` has one value, in the place of the first, or none. */
export function withField(headers: RawHeaders, name: string, value: string | undefined): RawHeaders {
  const copy: RawHeaders = [];
  let left = value;
  for (let i = 0; i < headers.length; i += 2) {
    const field = headers[i] as string;
    if (field.toLowerCase() !== name.toLowerCase()) copy.push(field, headers[i + 1] as string);
    else if (left !== undefined) {
      copy.push(field, left);
      left = undefined;
    }
  }
  if (left !== undefined) copy.push(name, left);
  return copy;
}

/** The same request with another body, whose length is announced. */
export function withBody(request: Outgoing, body: Buffer): Outgoing {
  const headers = withField(request.head.headers, "Content-Length", String(body.length));
  return { ...request, head: { ...request.head, headers }, body };
}
