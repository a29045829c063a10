import { createApi } from "mcp-tunnel-page/api.ts";
import { TabSecret } from "mcp-tunnel-page/secret.ts";
import type { StreamMessage } from "../../src/model.ts";

export { ApiProblem, messageOf } from "mcp-tunnel-page/api.ts";

export const secret = new TabSecret("mcp-tunnel-inspector-secret");

export const { access, callApi, getJson, sendJson } = createApi({
  secret,
  missing: "Open the URL that the terminal shows.",
  unreachable: "The inspector does not answer. Is the client still running?",
});

export async function getText(path: string): Promise<string> {
  return (await callApi(path)).text();
}

/** Reads the stream of changes until it ends. Messages that came together are given together. */
export async function readStream(
  query: string,
  onMessages: (messages: readonly StreamMessage[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await callApi(`stream${query}`, { signal });
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    const messages = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as StreamMessage);
    if (messages.length > 0) onMessages(messages);
  }
}
