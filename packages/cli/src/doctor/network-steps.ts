import { isIP } from "node:net";
import { isLocalhost, messageOf } from "mcp-tunnel-shared";
import { failed, ok, warning } from "mcp-tunnel-shared/command";
import type { Finding } from "mcp-tunnel-shared/command";
import { certificateFinding } from "./certificate.js";
import { connectTo, placeOf, placeText } from "./way.js";
import type { Way } from "./way.js";

/** Addresses that are tried and shown. */
const maxAddresses = 8;

/** What is reached over the network. */
export interface NetworkTarget {
  readonly url: URL;
  readonly way: Way;
  /** The option in which its name stands; undefined: the relay gave the name. */
  readonly option?: string;
}

/** Whether the host has addresses. */
export async function addressFinding({ url, way, option }: NetworkTarget): Promise<Finding> {
  const { host } = placeOf(url);
  if (isIP(host) !== 0) return ok(`${host} is an address`);
  try {
    const addresses = await way.addressesOf(host);
    if (addresses.length === 0) return failed(`${host} has no address`, noAddress(host, option));
    const shown = addresses.slice(0, maxAddresses).map(({ address }) => address);
    return ok(isLocalhost(host) ? `${host} is this machine` : `${host} is ${shown.join(", ")}`);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EAI_AGAIN")
      return failed(`${host} has no address (${messageOf(error)})`, noAddress(host, option));
    const advice = "Is this machine online, and does its resolver work? Other names may fail as well.";
    return failed(`no resolver answered for ${host} (${messageOf(error)})`, advice);
  }
}

function noAddress(host: string, option: string | undefined): string {
  if (option !== undefined)
    return `Check the spelling of ${option}, and that the name has an A or AAAA record.`;
  const domain = host.slice(host.indexOf(".") + 1);
  return `The relay's operator has to add a record for all names: *.${domain}, besides ${domain}.`;
}

/** Whether something listens at each address. */
export async function connectionFinding({ url, way }: NetworkTarget, signal: AbortSignal): Promise<Finding> {
  const { host, port } = placeOf(url);
  const addresses = (await way.addressesOf(host)).slice(0, maxAddresses);
  const tries = await Promise.all(
    addresses.map(async ({ address }) => {
      const place = placeText({ host: address, port });
      try {
        (await connectTo(address, port, signal)).destroy();
        return { place, fault: undefined };
      } catch (error) {
        return { place, fault: faultOf(error) };
      }
    }),
  );
  const good = tries.filter(({ fault }) => fault === undefined).map(({ place }) => place);
  const bad = tries
    .filter(({ fault }) => fault !== undefined)
    .map(({ place, fault }) => `${place}: ${fault}`);
  if (good.length === 0) {
    const advice =
      "Check the port. A firewall, here or there, may stand between; a relay that is down looks the same.";
    return failed(`no connection to ${bad.join("; ")}`, advice);
  }
  // Who connects to this machine tries ::1 and 127.0.0.1, and needs only one of them.
  if (bad.length === 0 || isLocalhost(host)) return ok(`connects to ${good.join(", ")}`);
  const advice =
    "Clients lose time with the address that does not answer: the operator should serve it, or take its record away.";
  return warning(`connects to ${good.join(", ")}, but not to ${bad.join("; ")}`, advice);
}

function faultOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ECONNREFUSED":
      return "refused, nothing listens there";
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "EADDRNOTAVAIL":
      return "not reachable from here";
    default:
      return messageOf(error);
  }
}

/** Names, time and chain of the certificate. */
export async function tlsFinding({ url, way }: NetworkTarget, signal: AbortSignal): Promise<Finding> {
  const place = placeOf(url);
  const socket = await way.connect(place, signal);
  try {
    const secured = await way.secure(socket, place.host, false, signal);
    return certificateFinding(secured, place.host, new Date());
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const isPlain = code === "ERR_SSL_WRONG_VERSION_NUMBER" || message.includes("wrong version number");
    if (!isPlain) return failed(`${placeText(place)} ends the TLS handshake: ${messageOf(error)}`);
    return failed(
      `${placeText(place)} answers without TLS`,
      "Write the URL with http:// if it is meant to be so. Token and traffic are not encrypted then.",
    );
  } finally {
    socket.destroy();
  }
}
