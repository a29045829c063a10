import type { TunnelError } from "mcp-tunnel-protocol";
import type { TunnelClient } from "mcp-tunnel-client";
import type { GateEvent } from "mcp-tunnel-gate";
import type { ReplayEvent } from "mcp-tunnel-inspector";
import type { OpenLine, RequestLine } from "mcp-tunnel-inspector/lines";
import type { StdioEvent } from "mcp-tunnel-stdio";
import type { FoundMcp, McpPlace } from "./mcp-addresses.js";
import type { VisitorAuth } from "./visitor-lines.js";

/**
 * Tells a person, or a program, what the client does. Much of the text comes from visitors, services and
 * relays. All of that is escaped.
 */
export interface Renderer {
  /**
   * `places`: the MCP servers that the client serves in place of a local service. Default: none. `auth`: who
   * may visit. Default: everybody.
   */
  follow(client: TunnelClient, places?: readonly McpPlace[], auth?: VisitorAuth): void;
  /** A stream or a connection stays open. */
  opened(line: OpenLine): void;
  /** A request is over. */
  request(line: RequestLine): void;
  /** The user of the inspector has sent a request again. Called when that begins, and when it is over. */
  replay(event: ReplayEvent): void;
  /** The inspector's page is at `url`, which has a secret in it. */
  inspector(url: string): void;
  /** What passes is written into `file`. */
  recording(file: string): void;
  /**
   * A process of an MCP server does or says something. `name`: that in the config file, if there is one.
   * `text`: the event in words.
   */
  server(name: string | undefined, event: StdioEvent, text: string): void;
  /**
   * Something happens at the gate. `others`: how many events of the kind were left out before. `canApprove`:
   * the person may type the number of a page now.
   */
  gate(event: GateEvent, others: number, canApprove: boolean): void;
  /** Nothing takes connections at the local service, as `message` says. Undefined: now something does. */
  listening(message: string | undefined): void;
  /** A visitor has found an MCP server behind the local service. */
  foundMcp(found: FoundMcp): void;
  /** The person is asked something, and the question needs the screen. */
  asking(): void;
  /** Something that the person should know. `code`: for programs. */
  warn(code: string, message: string): void;
  /** The client is asked to end while so many requests are open. */
  closing(openRequests: number): void;
  /** The command fails with this error. */
  failed(error: TunnelError): void;
}
