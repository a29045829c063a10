/** How a client shows at the token endpoint who it is (RFC 7591 section 2). */
export type AuthMethod = "none" | "private_key_jwt" | "client_secret_post" | "client_secret_basic";

/** What clients say of themselves: in a document (CIMD), or when they register (RFC 7591). */
export interface ClientMetadata {
  readonly client_id?: string;
  readonly client_name?: string;
  readonly redirect_uris: readonly string[];
  readonly [field: string]: unknown;
}

/** How a host gets a client id. */
export type Identity =
  /** Its id is the https URL of a document that it has published. */
  | { readonly by: "document"; readonly document: ClientMetadata & { readonly client_id: string } }
  | {
      readonly by: "registration";
      readonly body: ClientMetadata;
      /** It registers for the scope that it is going to ask for. */
      readonly namesScope: boolean;
      /** Of the grant types in the body it only names those that the server announces. */
      readonly onlyAnnouncedGrants?: boolean;
    };

/** Something without which a host does not go on. */
export type Demand =
  /** The metadata's `resource` is the URL that was dialled, letter for letter. */
  | "resource is the URL"
  /** The server takes documents (CIMD), and public clients. */
  | "documents and none"
  /** `grant_types_supported` is there. Without it, a host asks for a flow with a device code. */
  | "grant types"
  /** S256 is announced. */
  | "S256"
  /** The server registers clients. */
  | "registration";

/** An MCP host as its server sees it. */
export interface Host {
  readonly name: string;
  readonly identity: Identity;
  /** All that it may send. `{port}` is a port that it draws for a login. */
  readonly redirectUris: readonly string[];
  /** The one that it likes most comes first. It takes the first one that the server announces. */
  readonly authMethods: readonly AuthMethod[];
  /**
   * How it finds the resource's metadata: from the challenge of a 401; at the address of RFC 9728 section
   * 3.1, without looking at the challenge; at the root alone; or not at all (revision 2025-03-26).
   */
  readonly finds: "by challenge" | "by address" | "at the root" | "nothing";
  /** Where it looks for the authorization server's metadata: in this order, until there is an answer. */
  readonly asks: readonly ("oauth-authorization-server" | "openid-configuration")[];
  /** Which scope it asks for: the challenge's, all that the metadata names, or none. */
  readonly scope: "challenged" | "supported" | "none";
  /** Words that it adds to the scope. */
  readonly addsScope?: string;
  readonly prompt?: string;
  /** In which requests it names the resource (RFC 8707). */
  readonly namesResource: readonly ("authorize" | "token" | "refresh")[];
  /**
   * What it does with `iss` in the answer (RFC 9207): it checks it, it ignores it, or it drops it and then
   * misses it if the server has announced it.
   */
  readonly iss: "checked" | "ignored" | "dropped";
  readonly demands: readonly Demand[];
  /** A page in a browser: it sends this `Origin`, asks beforehand, and reads only what CORS lets it read. */
  readonly origin?: string;
  /** Each fact above, and where it comes from. */
  readonly sources: readonly string[];
}
