import {
  Client as V2Client,
  StreamableHTTPClientTransport as V2Transport,
  UnauthorizedError as V2UnauthorizedError,
} from "@modelcontextprotocol/client";
import { UnauthorizedError as V1UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { type Dispatcher, fetch as undiciFetch } from "undici";
import { sdkDocument } from "./world.js";

export interface Tokens {
  readonly access_token: string;
  readonly token_type: string;
  readonly refresh_token?: string | undefined;
}

interface ClientId {
  readonly client_id: string;
}

/** What both SDKs' clients save between the steps of a login. */
interface Saved {
  client?: ClientId;
  tokens?: Tokens;
  verifier?: string;
  discovery?: unknown;
}

/** The part of an SDK that a program writes itself: where secrets are kept, and how a browser is opened. */
export class Keeper {
  readonly saved: Saved = {};
  /** The authorization URLs that would have been opened in a browser. */
  readonly opened: URL[] = [];
  readonly redirectUrl: string;
  readonly clientMetadataUrl?: string;

  /** Nothing listens at the default `redirectUrl`. */
  constructor(by: "registration" | "document", redirectUrl = "http://127.0.0.1:43117/callback") {
    this.redirectUrl = redirectUrl;
    if (by === "document") this.clientMetadataUrl = sdkDocument.client_id;
  }

  get clientMetadata(): { client_name: string; redirect_uris: string[]; token_endpoint_auth_method: string } {
    return {
      client_name: sdkDocument.client_name,
      redirect_uris: [this.redirectUrl],
      token_endpoint_auth_method: "none",
    };
  }
  state = (): string => "a state";
  // oxlint-disable-next-line typescript/no-explicit-any -- the SDKs' own types differ
  clientInformation = (): any => this.saved.client;
  saveClientInformation(client: ClientId): void {
    this.saved.client = client;
  }
  // oxlint-disable-next-line typescript/no-explicit-any -- the SDKs' own types differ
  tokens = (): any => this.saved.tokens;
  saveTokens(tokens: Tokens): void {
    this.saved.tokens = tokens;
  }
  saveCodeVerifier(verifier: string): void {
    this.saved.verifier = verifier;
  }
  codeVerifier = (): string => this.saved.verifier as string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the type is SDK 2's own
  discoveryState = (): any => this.saved.discovery;
  saveDiscoveryState(state: unknown): void {
    this.saved.discovery = state;
  }
  redirectToAuthorization(url: URL): void {
    this.opened.push(url);
  }
  invalidateCredentials(what: "all" | "client" | "tokens" | "verifier" | "discovery"): void {
    if (what === "all" || what === "client") delete this.saved.client;
    if (what === "all" || what === "tokens") delete this.saved.tokens;
    if (what === "all" || what === "discovery") delete this.saved.discovery;
  }
}

/** A client of an SDK that is logged in, or wants to be. */
export interface SdkClient {
  /** Fails with {@link unauthorized} if somebody has to consent first. */
  connect(): Promise<void>;
  /** Gives the answer of the authorization endpoint to the SDK. */
  finish(callback: URL): Promise<void>;
  callTool(name: string, args: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export const unauthorized = { v1: V1UnauthorizedError, v2: V2UnauthorizedError };
export type Generation = keyof typeof unauthorized;

const identity = { name: "mcp-tunnel-tests", version: "1.0.0" };

export function createSdkClient(
  generation: Generation,
  url: string,
  keeper: Keeper,
  dispatcher: Dispatcher,
): SdkClient {
  const fetchThere = async (input: string | URL, init?: object): Promise<Response> => {
    const { status, headers, body } = await undiciFetch(input, { ...init, dispatcher });
    // The SDKs look whether an answer is a Response of Node's own.
    return new Response(body as ReadableStream | null, { status, headers: [...headers] });
  };
  const options = { fetch: fetchThere, authProvider: keeper };
  const [client, newTransport] =
    generation === "v1"
      ? [new V1Client(identity), () => new V1Transport(new URL(url), options)]
      : [new V2Client(identity), () => new V2Transport(new URL(url), options)];
  const transports: (V1Transport | V2Transport)[] = [];
  return {
    async connect() {
      const transport = newTransport();
      transports.push(transport);
      await client.connect(transport);
    },
    async finish({ searchParams }) {
      const transport = transports.at(-1);
      if (transport instanceof V2Transport) await transport.finishAuth(searchParams);
      else await transport?.finishAuth(searchParams.get("code") as string);
      // A transport is started once.
      await transport?.close();
    },
    async callTool(name, args) {
      const result = await client.callTool({ name, arguments: args });
      return (result["content"] as { text: string }[]).map(({ text }) => text).join("\n");
    },
    async close() {
      await client.close();
      for (const transport of transports) await transport.close();
    },
  };
}
