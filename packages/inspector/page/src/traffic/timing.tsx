import type { Timing } from "../../../src/model.ts";
import { durationText } from "mcp-tunnel-page/format.ts";

interface Phase {
  readonly name: string;
  readonly fromMs: number;
  /** Undefined: it goes on. */
  readonly toMs: number | undefined;
  readonly className: string;
}

/** The request may still be on its way when the answer begins. */
function phasesOf({ requestEndMs, headMs, firstByteMs, endMs }: Timing): readonly Phase[] {
  const phases: Phase[] = [
    { name: "Request received", fromMs: 0, toMs: requestEndMs ?? endMs, className: "sent" },
  ];
  const waitFrom = Math.min(requestEndMs ?? 0, headMs ?? Infinity);
  if (requestEndMs !== undefined || headMs !== undefined) {
    phases.push({
      name: "Waiting for the service",
      fromMs: waitFrom,
      toMs: headMs ?? endMs,
      className: "wait",
    });
  }
  if (headMs !== undefined) {
    const firstMs = firstByteMs ?? headMs;
    if (firstByteMs !== undefined) {
      phases.push({ name: "First byte", fromMs: headMs, toMs: firstMs, className: "first" });
    }
    phases.push({ name: "Answer", fromMs: firstMs, toMs: endMs, className: "answer" });
  }
  return phases;
}

export function TimingView({ timing, isOpen }: { readonly timing: Timing; readonly isOpen: boolean }) {
  const phases = phasesOf(timing);
  const wholeMs = Math.max(timing.endMs ?? 0, ...phases.map(({ fromMs, toMs }) => toMs ?? fromMs), 0.001);
  const percent = (ms: number): string => `${Math.min(100, (ms / wholeMs) * 100)}%`;
  return (
    <table class="timing">
      <tbody>
        {phases.map(({ name, fromMs, toMs, className }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="timing-bars" aria-hidden="true">
              <span
                class={`timing-bar ${className}`}
                style={{ left: percent(fromMs), width: percent((toMs ?? wholeMs) - fromMs) }}
              />
            </td>
            <td class="number">{toMs === undefined ? "…" : durationText(Math.max(0, toMs - fromMs))}</td>
          </tr>
        ))}
        <tr class="timing-whole">
          <th scope="row">Whole</th>
          <td aria-hidden="true" />
          <td class="number">
            {timing.endMs === undefined ? (isOpen ? "open" : "") : durationText(timing.endMs)}
          </td>
        </tr>
      </tbody>
    </table>
  );
}
