import { isWide } from "../media.ts";
import { route } from "../route.ts";
import { Details } from "../traffic/details.tsx";
import { FilterBar } from "../traffic/filter-bar.tsx";
import { ExchangeList } from "../traffic/list.tsx";
import "../traffic/traffic.css";

/** What went through the tunnel, the newest on top, and one exchange in all its parts. */
export function TrafficPage() {
  const { id } = route.value;
  return (
    <main class={id === undefined ? "page traffic" : "page traffic with-details"}>
      {/* Under the details nothing can be seen, so nothing there may have the focus. */}
      <div class="traffic-list" inert={id !== undefined && !isWide.value}>
        <FilterBar />
        <ExchangeList />
      </div>
      {id !== undefined && <Details id={id} />}
    </main>
  );
}
