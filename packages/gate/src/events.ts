/** What the person who runs a gate is told of it. Names come from strangers: escape them before you print. */
export type GateEvent =
  /** A host asks for a grant, and the owner may answer by {@link Gate.approve}. */
  | {
      readonly type: "asked";
      readonly clientName: string;
      /** Where the answer would go: a host name, or `this computer` for loopback. */
      readonly redirectHost: string;
      readonly address: string | undefined;
    }
  /** A grant was made: by passcode, by the owner at the terminal, or by an upstream login. */
  | {
      readonly type: "granted";
      readonly grant: string;
      readonly clientName: string;
      readonly user: string;
      readonly by: ApprovalKind;
    }
  /** A grant is over. */
  | { readonly type: "revoked"; readonly grant: string; readonly clientName: string }
  /** Somebody was turned away at the pages of the gate. */
  | {
      readonly type: "denied";
      readonly reason:
        | "wrong_passcode"
        | "too_many_tries"
        | "wrong_number"
        | "not_on_list"
        | "login_failed"
        | "cancelled"
        | "expired";
      readonly clientName: string | undefined;
      readonly address: string | undefined;
    }
  /**
   * Visitors were refused: their proof is missing or wrong, or their address is not among those that are
   * allowed. `count` since the last event of this kind and reason: at most one a second.
   */
  | {
      readonly type: "refused";
      readonly reason: RefusedReason;
      readonly count: number;
      readonly address: string | undefined;
    }
  /** Something that the person should know, as text. */
  | { readonly type: "notice"; readonly text: string };

/** What was missing or wrong of a visitor who was refused. */
export type RefusedReason = "proof" | "address";

/** How a grant is approved. */
export type ApprovalKind = "passcode" | "terminal" | "login";
