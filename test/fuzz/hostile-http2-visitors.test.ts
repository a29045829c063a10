import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { type Conversation, hostileSessions } from "./support/conversations.js";
import { Peer } from "./support/converse.js";
import { createIdentity, type Identity } from "./support/identity.js";
import { patientRuns, patientTimeoutMs, tryPlans } from "./support/patience.js";
import { FuzzedTunnel } from "./support/relay.js";
import { type Service, startService } from "./support/service.js";
import { knownPlans } from "./support/vectors.js";

// Visitors who have chosen HTTP/2 in the handshake and then send any frames, right and wrong ones, to the
// relay command. Relay and client stay up and report no fault, and the next visitors get their answers.

let identity: Identity;
let service: Service;
let tunnel: FuzzedTunnel;
beforeAll(async () => {
  identity = await createIdentity();
  service = await startService();
  tunnel = new FuzzedTunnel(service.port, identity);
  await tunnel.ready();
});
afterAll(async () => {
  await tunnel.close();
  await service.close();
  identity.close();
});

describe("whatever visitors say in frames of HTTP/2", () => {
  it(
    "the relay and the client stay up and serve the next one",
    async () => {
      const plans = fc.array(hostileSessions, { minLength: 1, maxLength: 3 });
      const judge = async (plan: Conversation[]): Promise<void> => {
        const h2 = await tunnel.ready();
        await Promise.all(plan.map((one) => Peer.converse(one, { h2 })));
        await tunnel.expectWell();
        // All visitors have left.
        await tunnel.expectNothingLeft();
      };
      const examples = knownPlans<Conversation[]>("sessions");
      await tryPlans(plans, judge, { ...patientRuns(15), examples });
    },
    patientTimeoutMs,
  );
});
