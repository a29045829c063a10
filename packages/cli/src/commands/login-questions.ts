import type { Readable } from "node:stream";
import { isCancel, password, text } from "@clack/prompts";
import { registerUrl } from "mcp-tunnel-client/options";
import { maxTokenLength, unusable } from "mcp-tunnel-protocol";
import { messageOf, printable } from "mcp-tunnel-shared";

/** Asks a person for a relay. `kept`: the default of now. @throws TunnelError `invalid_option`. */
export async function askRelay(kept: string | undefined): Promise<string> {
  const answer = await text({
    message: "The relay's URL",
    placeholder: kept ?? "https://tunnel.example.com",
    ...(kept === undefined ? {} : { defaultValue: kept }),
    validate: (value = "") => (value === "" && kept !== undefined ? undefined : relayFault(value)),
  });
  if (isCancel(answer)) throw cancelled("relay");
  return answer;
}

function relayFault(value: string): string | undefined {
  try {
    registerUrl(value);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Asks a person for a token, which does not show. @throws TunnelError `invalid_option`. */
export async function askToken(relayUrl: string): Promise<string> {
  const answer = await password({
    message: `The token for ${printable(relayUrl)}`,
    mask: "*",
    validate: (value = "") => tokenFault(value.trim()),
  });
  if (isCancel(answer)) throw cancelled("token");
  return answer.trim();
}

/**
 * Reads a token from the first line of a stream.
 * @throws TunnelError `invalid_option` if there is none, or it is too long.
 */
export async function readPipedToken(stream: Readable): Promise<string> {
  let read = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    read += String(chunk);
    // What follows is nobody's business, and a stream may never end.
    if (read.trimStart().includes("\n") || read.length > 2 * maxTokenLength) break;
  }
  const token = read.trim().split(/\r?\n/)[0]?.trim() ?? "";
  const fault = tokenFault(token);
  if (fault !== undefined)
    throw unusable(`the standard input has no token: ${fault}`, { options: ["token"] });
  return token;
}

function tokenFault(token: string): string | undefined {
  if (token === "") return "it is empty";
  if (token.length <= maxTokenLength) return undefined;
  return `it is longer than ${maxTokenLength.toLocaleString("en")} characters`;
}

function cancelled(option: string): Error {
  return unusable(`no ${option} was given: cancelled`, { options: [option] });
}
