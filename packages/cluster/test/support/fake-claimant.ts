import { carriedBy, type Refusal, TunnelError, type TunnelStream } from "mcp-tunnel-protocol";
import type { Claimant, ClaimantInfo, ClientIdentity } from "../../src/directory.js";

/** A tunnel that serves nobody. */
export class FakeClaimant implements Claimant {
  readonly name: string;
  readonly info: ClaimantInfo;
  isAway = false;
  isMoving = false;
  readonly acceptsLater = false;
  readonly carries = carriedBy.json;
  readonly wire = undefined;
  streamCount = 0;
  readonly queuedBytes = 0;
  readonly takesRefusals = false;
  /** The instances of the clients that it has lost its name to. */
  readonly lostTo: (string | undefined)[] = [];

  constructor(name: string, instance: string | undefined, owner = "token", over: Partial<ClaimantInfo> = {}) {
    this.name = name;
    this.info = {
      instance,
      owner,
      address: "127.0.0.1",
      session: undefined,
      wire: "v1",
      takesRefusals: false,
      pool: undefined,
      ...over,
    };
  }

  isOfClient({ instance, owner }: ClientIdentity): boolean {
    return instance !== undefined && this.info.instance === instance && this.info.owner === owner;
  }

  open(): TunnelStream {
    throw new TunnelError("session_closed", "the tunnel has no session");
  }

  displace(by: ClientIdentity): void {
    this.lostTo.push(by.instance);
  }

  count(): void {}

  tellRefusals(_refusals: readonly Refusal[]): void {}
}
