import { setTimeout as delay } from "node:timers/promises";
import type { Authorization, Client } from "acme-client";
import type { Logger } from "../../telemetry/log.js";
import { Certificate } from "../certificate.js";
import { runHook } from "./hook.js";
import type { ResolvedAcmeOptions } from "./options.js";
import type { AcmeStore } from "./store.js";

/** How long one request to the authority may take. */
const requestTimeoutMs = 60_000;

/**
 * How often the relay asks whether the authority is done. Most authorities are done within seconds, and none
 * should take five minutes.
 */
const polling = { backoffMin: 1_000, backoffMax: 30_000, backoffAttempts: 14 };

/** A challenge and the record that meets it. */
interface Proof {
  authorization: Authorization;
  challenge: Authorization["challenges"][number];
  record: string;
  value: string;
}

/**
 * Gets a certificate for `domain` and `*.domain`. The relay makes an order and sets a TXT record for each
 * name (RFC 8555 section 8.4: only this kind of challenge is good for a wildcard). It clears the records
 * again, whatever became of the order.
 */
export async function obtainCertificate(
  domain: string,
  options: ResolvedAcmeOptions,
  store: AcmeStore,
  logger: Logger,
  signal: AbortSignal,
): Promise<Certificate> {
  // The library is loaded here, so that a relay without ACME does not pay for it.
  const { default: acme } = await import("acme-client");
  acme.axios.defaults.timeout = requestTimeoutMs;

  let accountKey = await store.accountKey();
  if (accountKey === undefined) {
    accountKey = String(await acme.crypto.createPrivateEcdsaKey());
    // The key is saved before it is used, because an account without its key is lost.
    await store.saveAccountKey(accountKey);
  }
  const client = new acme.Client({ directoryUrl: options.directory, accountKey, ...polling });
  // Finds the account of this key if there is one.
  await client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${options.email}`] });

  const names = [domain, `*.${domain}`];
  const order = await client.createOrder({
    identifiers: names.map((value) => ({ type: "dns", value })),
  });
  const proofs = await proofsOf(client, await client.getAuthorizations(order));
  await prove(client, proofs, options, logger, signal);

  const [key, csr] = await acme.crypto.createCsr(
    { commonName: domain, altNames: names },
    await acme.crypto.createPrivateEcdsaKey(),
  );
  const chain = await client.getCertificate(await client.finalizeOrder(order, csr));
  return new Certificate(chain, String(key), options.directory);
}

async function proofsOf(client: Client, authorizations: readonly Authorization[]): Promise<Proof[]> {
  const proofs: Proof[] = [];
  for (const authorization of authorizations) {
    // The authority may remember an earlier proof.
    if (authorization.status === "valid") continue;
    const name = authorization.identifier.value;
    const challenge = authorization.challenges.find(({ type }) => type === "dns-01");
    if (challenge === undefined) throw new Error(`the authority offers no dns-01 challenge for ${name}`);
    const value = await client.getChallengeKeyAuthorization(challenge);
    proofs.push({ authorization, challenge, record: `_acme-challenge.${name}`, value });
  }
  return proofs;
}

async function prove(
  client: Client,
  proofs: readonly Proof[],
  options: ResolvedAcmeOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (proofs.length === 0) return;
  const attempted: Proof[] = [];
  try {
    // The hook runs for one name after the other: many DNS providers lose one of two changes of a record at
    // the same time.
    for (const proof of proofs) {
      attempted.push(proof);
      await runHook(options.hook, "set", proof.record, proof.value, signal);
    }
    await delay(options.propagationMs, undefined, { signal });
    for (const { challenge, authorization } of proofs) {
      await client.completeChallenge(challenge);
      await client.waitForValidStatus(authorization);
    }
  } finally {
    for (const { record, value } of attempted) {
      // A record that stays does no harm, and is no reason to lose the certificate.
      await runHook(options.hook, "clear", record, value).catch((error: unknown) =>
        logger.warn({ record, error: String(error) }, "the ACME record was not cleared"),
      );
    }
  }
}
