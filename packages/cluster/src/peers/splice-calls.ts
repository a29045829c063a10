import { closeCodes, fromJson, type Logger } from "mcp-tunnel-protocol";
import type { Caller } from "./acceptor.js";
import { type SpliceReply, spliceRequest } from "./messages.js";
import type { PeerHandler, SpliceAnswer } from "./peers.js";
import type { Splices } from "./splices.js";

/** Takes the link of a client of another relay, if this relay has the session that the client wants. */
export function acceptSplice(caller: Caller, splices: Splices, handler: PeerHandler, logger: Logger): void {
  const hello = fromJson(spliceRequest, caller.request);
  if (hello === undefined) {
    logger.warn({ peer: caller.node }, "a relay has asked for a splice in no known form");
    caller.link.close(closeCodes.protocolError, "no known form of a request");
    return;
  }
  const answer = handler.onSplice(hello);
  caller.answer(replyOf(answer));
  if (answer !== "known") {
    caller.link.close(closeCodes.normal, "");
    return;
  }
  splices.add(caller.link, caller.socket);
  handler.onSpliced(caller.link, hello);
}

function replyOf(answer: SpliceAnswer): SpliceReply {
  return typeof answer === "string" ? { splice: answer } : { splice: "refused", verdict: answer.refused };
}
