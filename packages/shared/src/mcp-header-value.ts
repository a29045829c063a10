const start = "=?base64?";
const end = "?=";
const canonicalBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * What the value of an `Mcp-Name` or `Mcp-Param-*` field stands for (MCP 2026-07-28, Streamable HTTP, "Value
 * Encoding"): text that a header field cannot hold is written `=?base64?...?=`. `undefined`: that part is not
 * base64 as it has to be, or not UTF-8.
 */
export function decodeHeaderValue(value: string): string | undefined {
  if (!(value.startsWith(start) && value.endsWith(end))) return value;
  const encoded = value.slice(start.length, -end.length);
  if (!canonicalBase64.test(encoded)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(encoded, "base64"));
  } catch {
    return undefined;
  }
}
