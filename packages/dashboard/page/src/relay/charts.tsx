import { Chart } from "../parts/chart.tsx";
import { byteRateText, rateText } from "../parts/numbers.ts";
import { allRequests, type Count, failedRequests, rateOf, ratePoints } from "../rates.ts";
import { overview, overviews } from "../store.ts";

const requestBytes: Count = ({ totals }) => totals.requestBytes;
const responseBytes: Count = ({ totals }) => totals.responseBytes;
const wholeText = (value: number): string => Math.round(value).toLocaleString("en");

/** How it went in the last five minutes. */
export function Charts() {
  const all = overviews.value;
  const now = overview.value;
  if (now === undefined) return null;
  const failed = rateOf(failedRequests, all) ?? 0;
  const common = { until: now.at };
  return (
    <section class="charts" aria-label="The last five minutes">
      <Chart
        {...common}
        title="Requests a second"
        now={textOf(rateOf(allRequests, all), rateText)}
        note={failed > 0 ? `${rateText(failed)} failed` : undefined}
        series={[
          { class: "series-main", points: ratePoints(allRequests, all) },
          { class: "series-bad", points: ratePoints(failedRequests, all) },
        ]}
        format={rateText}
      />
      <Chart
        {...common}
        title="Open requests"
        now={wholeText(now.totals.openRequests)}
        series={[
          { class: "series-main", points: all.map(({ at, totals }) => ({ at, value: totals.openRequests })) },
        ]}
        format={wholeText}
      />
      <Chart
        {...common}
        title="To visitors"
        now={textOf(rateOf(responseBytes, all), byteRateText)}
        series={[{ class: "series-main", points: ratePoints(responseBytes, all) }]}
        format={byteRateText}
      />
      <Chart
        {...common}
        title="From visitors"
        now={textOf(rateOf(requestBytes, all), byteRateText)}
        series={[{ class: "series-main", points: ratePoints(requestBytes, all) }]}
        format={byteRateText}
      />
    </section>
  );
}

function textOf(rate: number | undefined, format: (value: number) => string): string {
  return rate === undefined ? "…" : format(rate);
}
