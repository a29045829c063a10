import type { ExchangeDetail } from "../../../src/model.ts";
import { Dialog } from "../parts/dialog.tsx";

export interface ReplayProps {
  readonly detail: ExchangeDetail;
  readonly onClose: () => void;
}

/** Sends a request again, as it was or edited. */
export function ReplayDialog({ detail, onClose }: ReplayProps) {
  return (
    <Dialog title={`Replay ${detail.method}`} onClose={onClose}>
      <p />
    </Dialog>
  );
}
