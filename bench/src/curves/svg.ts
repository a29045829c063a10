/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** In rising order of x; all above 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** The y axis starts at 0 instead of being logarithmic. */
  readonly linearY?: boolean;
}

const width = 640;
const height = 360;
const box = { left: 72, top: 40, right: 24, bottom: 52 };
const colors = ["#0b6e99", "#c2571a", "#4d8a3d", "#8a3d7a"];

/** Draws a line chart with a logarithmic x axis as an SVG of its own, readable on light and dark pages. */
export function drawChart(chart: Chart): string {
  const xs = chart.series.flatMap(({ points }) => points.map(([x]) => x));
  const ys = chart.series.flatMap(({ points }) => points.map(([, y]) => y));
  const xScale = logScale(Math.min(...xs), Math.max(...xs), box.left, width - box.right);
  const bottom = height - box.bottom;
  const yScale =
    chart.linearY === true
      ? linearScale(Math.max(...ys), bottom, box.top)
      : logScale(Math.min(...ys), Math.max(...ys), bottom, box.top);
  const parts = [
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 22, chart.title, "middle", 15),
    text(box.left + (width - box.left - box.right) / 2, height - 14, chart.x, "middle"),
    `<g transform="rotate(-90 16 ${height / 2})">${text(16, height / 2, chart.y, "middle")}</g>`,
    ...yScale.ticks.map((tick) => {
      const y = yScale.at(tick);
      return line(box.left, y, width - box.right, y) + text(box.left - 8, y + 4, label(tick), "end");
    }),
    ...xScale.ticks.map((tick) => {
      const x = xScale.at(tick);
      return line(x, box.top, x, bottom) + text(x, bottom + 18, label(tick), "middle");
    }),
    ...chart.series.map((series, i) => drawSeries(series, i, xScale.at, yScale.at)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#333">
${parts.join("\n")}
</svg>
`;
}

function drawSeries(
  series: Series,
  i: number,
  xAt: (x: number) => number,
  yAt: (y: number) => number,
): string {
  const color = colors[i % colors.length] as string;
  const points = series.points.map(([x, y]) => [round(xAt(x)), round(yAt(y))] as const);
  const path = points.map(([x, y]) => `${x},${y}`).join(" ");
  const dots = points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3.5" fill="${color}"/>`).join("");
  const legendY = box.top + 16 + i * 18;
  return (
    `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>${dots}` +
    `<circle cx="${box.left + 16}" cy="${legendY - 4}" r="3.5" fill="${color}"/>` +
    text(box.left + 26, legendY, series.name, "start")
  );
}

interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/** From the power of ten at or below `low` to the one at or above `high`. */
function logScale(low: number, high: number, from: number, to: number): Scale {
  const first = Math.floor(Math.log10(low));
  const last = Math.max(Math.ceil(Math.log10(high)), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  return { ticks, at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from) };
}

function linearScale(high: number, from: number, to: number): Scale {
  const step = 10 ** Math.floor(Math.log10(high));
  const steps = Math.ceil(high / step);
  const stride = steps <= 2 ? step / 4 : steps <= 5 ? step / 2 : step;
  const top = Math.ceil(high / stride) * stride;
  const ticks = Array.from({ length: Math.round(top / stride) + 1 }, (_, i) => i * stride);
  return { ticks, at: (value) => from + (value / top) * (to - from) };
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, anchor: string, size = 12): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}">${escaped}</text>`;
}

function label(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  if (value >= 1_000) return `${value / 1_000}k`;
  return String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
