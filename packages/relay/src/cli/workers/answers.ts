import { ownFacts, ownState, ownTunnels, unreadinessOf } from "../../admin/source.js";
import type { Served } from "../serving/served.js";
import type { WorkerAnswers, WorkerQuestion } from "./messages.js";

/** What a worker answers to the operator. */
export async function answerOf(
  { relay, metrics }: Served,
  question: WorkerQuestion,
): Promise<WorkerAnswers[keyof WorkerAnswers] | undefined> {
  const { cluster } = relay;
  switch (question.about) {
    case "state":
      return { ...ownState(relay), unreadiness: unreadinessOf(relay) } satisfies WorkerAnswers["state"];
    case "facts":
      return (metrics && (await ownFacts(relay, metrics))) satisfies WorkerAnswers["facts"] | undefined;
    case "reload":
      await relay.reload();
      return null;
    case "tunnels":
      return (await cluster?.tunnels()) satisfies WorkerAnswers["tunnels"] | undefined;
    case "ownTunnels":
      return ownTunnels(relay) satisfies WorkerAnswers["ownTunnels"];
    case "disconnect":
      return (await cluster?.disconnect(question.name)) satisfies WorkerAnswers["disconnect"] | undefined;
    case "metrics":
      return (await metrics?.data(relay)) satisfies WorkerAnswers["metrics"] | undefined;
  }
}
