// What the page and its server say to each other, as JSON. Times are milliseconds since 1970 unless a field
// says otherwise. Counts are of the relay since its start, over all its processes: the page makes rates of
// the difference between two answers.

/** An answer with a status of 400 or more. */
export interface ApiError {
  /** In words for the operator. */
  readonly error: string;
  /**
   * `secret_required`: the relay has no admin secret, so it does not show the page anything.
   * `no_token_file`: its tokens are not in a file. `invalid_option`: `field` is not what it has to be.
   */
  readonly code?: string;
  /** The field of the request's body that is wrong. */
  readonly field?: string;
}

export type StatusClass = "1xx" | "2xx" | "3xx" | "4xx" | "5xx" | "none";
export type Outcome = "completed" | "refused" | "cancelled" | "cut";

/** A file, or an ACME order, that could not be read or renewed again. */
export interface StaleSource {
  readonly kind: string;
  readonly name: string;
  readonly problem: string;
  readonly since: number;
}

export interface WorkerState {
  readonly worker: number;
  readonly pid?: number;
  readonly node?: string;
  readonly ready: boolean;
}

export interface RelayState {
  readonly version: string;
  /** Its id, if it is one of several. */
  readonly node?: string;
  /** Where the relays of its cluster reach one another, by their ids. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  readonly draining: boolean;
  readonly stale: readonly StaleSource[];
  readonly localPorts: Readonly<Record<string, number>>;
  /** Of a relay of several processes. */
  readonly workers?: readonly WorkerState[];
}

export interface CertificateState {
  readonly names: readonly string[];
  readonly issuer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly source: "files" | "acme";
  /** Why it could not be read or renewed again. */
  readonly stale?: string;
}

export interface ClusterState {
  /** The id of the relay that was asked. */
  readonly node: string;
  readonly ready: boolean;
  readonly relays: readonly { readonly node: string; readonly address?: string; readonly silent?: boolean }[];
}

/** `GET /api/overview` */
export interface Overview {
  readonly at: number;
  /** `ready`: true, or why no visitor should be sent there. */
  readonly relay: RelayState & { readonly domain: string; readonly ready: true | string };
  readonly totals: {
    /** Requests that are over, by the class of their status: `none` if nothing was sent. */
    readonly requests: Readonly<Record<StatusClass, number>>;
    readonly outcomes: Readonly<Record<Outcome, number>>;
    readonly refusals: Readonly<Record<string, number>>;
    readonly limits: Readonly<Record<string, number>>;
    readonly events: Readonly<Record<string, number>>;
    readonly requestBytes: number;
    readonly responseBytes: number;
    readonly openRequests: number;
  };
  readonly tunnels: {
    readonly online: number;
    readonly away: number;
    readonly leaving: number;
    readonly gated: number;
  };
  readonly certificates: readonly CertificateState[];
  /** Where tokens come from. The page can change those of a file alone. */
  readonly tokens: "file" | "none" | "other";
  readonly cluster?: ClusterState;
}

/** A tunnel of the list. */
export interface TunnelRow {
  readonly name: string;
  readonly url: string;
  readonly state: "online" | "away" | "leaving";
  readonly since: number;
  readonly address: string;
  readonly client?: { readonly name: string; readonly version: string };
  /** The id of its token. */
  readonly token?: string;
  /** The note of its token. */
  readonly note?: string;
  readonly wire?: string;
  /** Kinds of proofs that its gate asks for. Empty: addresses alone decide. `null`: there is no gate. */
  readonly gate: readonly string[] | null;
  readonly pool: boolean;
  readonly rttMs?: number;
  /** Those that are over. */
  readonly requests: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Requests that are open. */
  readonly streams: number;
  readonly queuedBytes: number;
  /** The id of its relay, in a cluster. */
  readonly relay?: string;
}

export const sortKeys = ["name", "since", "requests", "bytes", "rtt", "streams"] as const;
export type SortKey = (typeof sortKeys)[number];

/** `GET /api/tunnels?q=TEXT&sort=KEY&order=asc|desc&offset=0&limit=200` */
export interface TunnelPage {
  readonly relay: RelayState;
  readonly tunnels: readonly TunnelRow[];
  /** How many match, on all pages. */
  readonly total: number;
  /** Relays that did not answer in time. Their tunnels are not shown. */
  readonly silent?: readonly string[];
}

/** `DELETE /api/tunnels/NAME` */
export interface DisconnectAnswer {
  readonly disconnected: string;
  readonly relays?: readonly string[];
  readonly silent?: readonly string[];
}

/** What an operator sets of a token. */
export interface TokenFields {
  /** Names that it may have, each with one `*` at most. */
  readonly subdomains: readonly string[];
  readonly note?: string;
  /** A date or a time of ISO 8601. */
  readonly expires?: string;
  readonly maxTunnels?: number;
  readonly maxRequestsPerSecond?: number;
  readonly maxBytesPerSecond?: number;
}

/** The body of `PATCH /api/tokens/ID`: what is left out stays, and null takes a field away. */
export type TokenChange = {
  readonly [Name in keyof TokenFields]?: TokenFields[Name] | null;
};

/** A token of `GET /api/tokens`. */
export interface TokenRow extends TokenFields {
  readonly id: string;
  /** Its tunnels that are up. */
  readonly tunnels: number;
}

/** The answer to `POST /api/tokens`, and to `POST /api/tokens/ID/rotate`. The token is shown here alone. */
export interface NewToken {
  readonly id: string;
  readonly token: string;
}
