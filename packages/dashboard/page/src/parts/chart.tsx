import type { Point } from "../rates.ts";
import { keptMs } from "../rates.ts";

const width = 300;
const height = 60;

export interface Series {
  /** Its color: a class of the style sheet. */
  readonly class: string;
  readonly points: readonly Point[];
}

export interface ChartProps {
  readonly title: string;
  /** The value now, in words. */
  readonly now: string;
  /** The first is drawn as an area, those after it as lines over it. */
  readonly series: readonly Series[];
  /** The end of the time that is shown, in milliseconds since 1970. It begins five minutes before. */
  readonly until: number;
  readonly format: (value: number) => string;
  /** More about the value now. */
  readonly note?: string | undefined;
}

/** How something went in the last five minutes. Its words say what a screen reader needs of it. */
export function Chart({ title, now, series, until, format, note }: ChartProps) {
  const values = series.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
  const highest = Math.max(0, ...values);
  const top = highest === 0 ? 1 : highest * 1.08;
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-peak">{values.length > 1 && `peak ${format(highest)}`}</span>
        <span class="chart-now">{now}</span>
        {note !== undefined && <span class="chart-note">{note}</span>}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        {series.map(({ class: className, points }, i) => {
          const runs = runsOf(points, until, top);
          return (
            <g key={className} class={className}>
              {i === 0 && <path class="chart-area" d={runs.map(areaOf).join("")} />}
              <path class="chart-line" vector-effect="non-scaling-stroke" d={runs.map(lineOf).join("")} />
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

type Place = readonly [x: number, y: number];

/** The points in the picture: in several runs, if values between them are not known. */
function runsOf(points: readonly Point[], until: number, top: number): readonly (readonly Place[])[] {
  const runs: Place[][] = [[]];
  for (const { at, value } of points) {
    if (value === undefined) runs.push([]);
    else {
      const x = width * (1 - (until - at) / keptMs);
      if (x >= 0) runs.at(-1)!.push([round(x), round(height - 1 - (height - 2) * (value / top))]);
    }
  }
  return runs.filter((run) => run.length > 0);
}

const round = (value: number): number => Math.round(value * 10) / 10;

function lineOf(run: readonly Place[]): string {
  return `M${run.map(([x, y]) => `${x} ${y}`).join("L")}`;
}

function areaOf(run: readonly Place[]): string {
  return `${lineOf(run)}L${run.at(-1)![0]} ${height}L${run[0]![0]} ${height}Z`;
}
