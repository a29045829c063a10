import { countText } from "mcp-tunnel-page/format.ts";
import { moveAmongLinks } from "mcp-tunnel-page/rows.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { useRef } from "preact/hooks";
import type { TunnelPage as Answer } from "../../../src/model.ts";
import { usePoll } from "../poll.ts";
import { go, type Route, route } from "../route.ts";
import { overview } from "../store.ts";
import { TunnelTable } from "./table.tsx";
import { TunnelRates } from "./tunnel-rates.ts";
import { Toolbar } from "./toolbar.tsx";
import "./tunnels.css";

/** As many rows as a browser lays out anew every two seconds without effort. */
const rowsOfPage = 100;

/** The tunnels, a page of them at a time. The relay searches and sorts. */
export function TunnelsPage() {
  const rates = useRef(new TunnelRates());
  const now = route.value;
  const { data, problem } = usePoll<Answer>(`tunnels?${queryOf(now)}`, {
    count: ({ total }) => total,
    onData: ({ tunnels }) => rates.current.take(tunnels, performance.now()),
  });
  const main = useRef<HTMLElement>(null);
  useKeys({ j: () => focusRow(main.current, 0), k: () => focusRow(main.current, -1) });
  return (
    <main class="page tunnels" ref={main} tabIndex={-1}>
      <h2 class="offscreen">Tunnels</h2>
      <Toolbar total={data?.total} />
      {problem !== undefined && problem.code !== "unreachable" && (
        <p class="bad page-problem" role="alert">
          {printable(problem.message)}
        </p>
      )}
      {data !== undefined && (
        <>
          {(data.silent?.length ?? 0) > 0 && (
            <p class="warn page-problem">
              {countText(data.silent!.length, "relay does", "relays do")} not answer, and tunnels there are
              not shown: {printable(data.silent!.join(", "), true)}
            </p>
          )}
          {data.tunnels.length > 0 ? (
            <div onKeyDown={moveAmongLinks}>
              <TunnelTable tunnels={data.tunnels} rates={rates.current} />
            </div>
          ) : (
            <Empty />
          )}
          <Pager total={data.total} page={now.page} />
        </>
      )}
    </main>
  );
}

function queryOf({ find, sort, isDescending, page }: Route): URLSearchParams {
  const params = new URLSearchParams({
    sort,
    order: isDescending ? "desc" : "asc",
    offset: String((page - 1) * rowsOfPage),
    limit: String(rowsOfPage),
  });
  if (find !== "") params.set("q", find);
  return params;
}

/** The first row that a key moves to, from anywhere on the page. */
function focusRow(main: HTMLElement | null, at: number): void {
  const links = [...(main?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
  links.at(at)?.focus();
}

function Empty() {
  const { find, page } = route.value;
  if (page > 1) {
    return (
      <div class="teach">
        <p>There are not so many tunnels any more.</p>
        <div>
          <button type="button" class="button" onClick={() => go({ page: 1 }, "replace")}>
            Show the first page
          </button>
        </div>
      </div>
    );
  }
  if (find !== "") {
    return (
      <div class="teach">
        <p>No tunnel matches “{printable(find, true)}”.</p>
        <div>
          <button type="button" class="button" onClick={() => go({ find: "" }, "replace")}>
            Show all tunnels
          </button>
        </div>
      </div>
    );
  }
  const domain = overview.value?.relay.domain;
  return (
    <div class="teach">
      <h2>No tunnel yet</h2>
      <p>
        A client with a token opens one:{" "}
        <code>
          mcp-tunnel-client 3000 --relay https://{domain === undefined ? "DOMAIN" : printable(domain, true)}
        </code>
      </p>
      <p class="muted">It is shown here as soon as it is there.</p>
    </div>
  );
}

function Pager({ total, page }: { readonly total: number; readonly page: number }) {
  const last = Math.max(1, Math.ceil(total / rowsOfPage));
  if (last === 1 && page === 1) return null;
  const from = (page - 1) * rowsOfPage;
  const show = (next: number) => () => {
    go({ page: next }, "replace");
    document.querySelector("main")?.scrollTo(0, 0);
  };
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" class="button" disabled={page <= 1} onClick={show(page - 1)}>
        ← Previous
      </button>
      <span>
        {Math.min(total, from + 1).toLocaleString("en")}–
        {Math.min(total, from + rowsOfPage).toLocaleString("en")} of {total.toLocaleString("en")}
      </span>
      <button type="button" class="button" disabled={page >= last} onClick={show(page + 1)}>
        Next →
      </button>
    </nav>
  );
}
