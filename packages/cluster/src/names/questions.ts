import {
  Fault,
  flag,
  listOf,
  objectOf,
  type Shape,
  text,
  TunnelError,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { ClaimantInfo } from "../directory.js";
import { identityShape, infoShape } from "../info.js";
import type { Granted } from "./own-names.js";

/** Which of its tunnels a relay has for a name, as it answers to `has`. */
export interface OwnAnswer {
  readonly gen: number;
  readonly info: ClaimantInfo;
  readonly moving: boolean;
  /** It would take a request now. */
  readonly takes: boolean;
}

const hasShape = objectOf<{ name: string }>({ name: text() });

const ownAnswersShape: Shape<OwnAnswer[]> = listOf(
  objectOf<OwnAnswer>({ gen: wholeNumber(1), info: infoShape, moving: flag, takes: flag }),
);

const grantedShape: Shape<Granted> = objectOf<Granted>({
  name: text(),
  gen: wholeNumber(1),
  by: identityShape,
  pool: text().optional(),
});

/** Each of these reads what a peer has said. @throws TunnelError `protocol_error`. */
export const readHas = (body: unknown): { name: string } => read(hasShape, body);
export const readOwnAnswers = (body: unknown): OwnAnswer[] => read(ownAnswersShape, body);
export const readGranted = (body: unknown): Granted => read(grantedShape, body);

function read<T>(shape: Shape<T>, body: unknown): T {
  const value = shape.read(body);
  if (!(value instanceof Fault)) return value;
  throw new TunnelError(
    "protocol_error",
    `another relay sent ${value.path.join(".") || "a message"} that is not ${value.expected}; ` +
      "relays of one cluster should have one version",
  );
}
