import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Filters } from "../../../src/model.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { type FilterName, go, queryOf, route, setFilter } from "../route.ts";
import { entries, link, sessions, state } from "../store.ts";

const labels: Readonly<Record<FilterName, string>> = {
  tunnel: "Tunnel",
  method: "Method",
  path: "Path",
  status: "Status",
  text: "Text",
  mcp: "MCP method",
  tool: "Tool",
  session: "Session",
  errors: "Errors only",
  slower: "Slower than",
  kind: "Kind",
  replays: "Replays",
};

/** Filters in the order in which they stand. The text and the errors have controls of their own. */
const inPanel: readonly (readonly [FilterName, placeholder: string])[] = [
  ["method", "GET,POST"],
  ["path", "/mcp"],
  ["status", "404, 5xx"],
  ["mcp", "tools/call"],
  ["tool", "name or URI"],
  ["slower", "ms"],
];

const kinds: readonly (readonly [string, string])[] = [
  ["", "all"],
  ["http", "plain HTTP"],
  ["stream", "event streams"],
  ["websocket", "WebSockets"],
  ["refused", "refused by the relay"],
];
const replays: readonly (readonly [string, string])[] = [
  ["", "all"],
  ["1", "only replays"],
  ["0", "none"],
];

export function FilterBar() {
  const [isPanelOpen, setPanelOpen] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const panelId = useId();
  const { filters } = route.value;
  useKeys({
    "/": () => search.current?.focus(),
    e: () => setFilter("errors", filters.errors === "1" ? undefined : "1"),
    f: () => setPanelOpen((isOpen) => !isOpen),
  });
  const chips = (Object.keys(labels) as FilterName[]).filter(
    (name) => name !== "text" && name !== "errors" && filters[name] !== undefined,
  );
  return (
    <div role="search" class="filters" aria-label="Filters">
      <div class="filter-line">
        <Typed
          name="text"
          inputRef={search}
          class="field filter-text"
          label="Search in heads and bodies"
          placeholder="Search in heads and bodies  ( / )"
        />
        <button
          type="button"
          class={filters.errors === "1" ? "button pressed" : "button"}
          aria-pressed={filters.errors === "1"}
          onClick={() => setFilter("errors", filters.errors === "1" ? undefined : "1")}
        >
          Errors only
        </button>
        <button
          type="button"
          class="button"
          aria-expanded={isPanelOpen}
          aria-controls={panelId}
          onClick={() => setPanelOpen(!isPanelOpen)}
        >
          Filters {isPanelOpen ? "▴" : "▾"}
        </button>
        <span class="filter-count">{countOf(filters)}</span>
      </div>
      {isPanelOpen && <Panel id={panelId} />}
      {chips.length > 0 && (
        <ul class="chips" aria-label="Active filters">
          {chips.map((name) => (
            <li key={name} class="chip">
              <span class="muted">{labels[name]}</span> <span class="cut">{shownValue(name, filters)}</span>
              <button type="button" class="chip-remove" onClick={() => setFilter(name, undefined)}>
                <span aria-hidden="true">×</span>
                <span class="offscreen">Remove the filter {labels[name]}</span>
              </button>
            </li>
          ))}
          <li>
            <button type="button" class="link" onClick={() => go({ filters: {} }, "replace")}>
              clear all
            </button>
          </li>
        </ul>
      )}
      {link.value.kind === "bad_filter" && (
        <p class="bad" role="alert">
          {link.value.message}
        </p>
      )}
    </div>
  );
}

function countOf(filters: Filters): string {
  const shown = entries.value.length.toLocaleString("en");
  const kept = state.value?.kept.exchanges.toLocaleString("en");
  if (kept === undefined) return "";
  return queryOf(filters) === "" ? `${shown} kept` : `${shown} of ${kept} kept`;
}

function shownValue(name: FilterName, filters: Filters): string {
  const value = filters[name] ?? "";
  if (name === "slower") return `${value} ms`;
  if (name === "kind") return kinds.find(([kind]) => kind === value)?.[1] ?? value;
  if (name === "replays") return value === "1" ? "only" : "none";
  if (name === "session") return sessionText(value);
  return printable(value, true);
}

function sessionText(key: string): string {
  const session = sessions.value.find((each) => each.key === key);
  if (session === undefined) return printable(key, true);
  return printable(`${session.client?.name ?? "unknown client"} (${key})`, true);
}

function Panel({ id }: { readonly id: string }) {
  const { session } = route.value.filters;
  const choices = sessions.value.map(({ key }) => [key, sessionText(key)] as const);
  const isGone = session !== undefined && !choices.some(([key]) => key === session);
  return (
    <div class="filter-panel" id={id}>
      {inPanel.map(([name, placeholder]) => (
        <Labelled key={name} name={name}>
          <Typed
            name={name}
            class="field"
            label={labels[name]}
            placeholder={placeholder}
            inputMode={name === "slower" ? "numeric" : "text"}
          />
        </Labelled>
      ))}
      <Labelled name="kind">
        <Choice name="kind" options={kinds} />
      </Labelled>
      <Labelled name="replays">
        <Choice name="replays" options={replays} />
      </Labelled>
      <Labelled name="session">
        <Choice
          name="session"
          options={[["", "all"], ...choices, ...(isGone ? [[session, session] as const] : [])]}
        />
      </Labelled>
    </div>
  );
}

function Labelled({ name, children }: { readonly name: FilterName; readonly children: ComponentChildren }) {
  return (
    <label class="labelled">
      <span>{labels[name]}</span>
      {children}
    </label>
  );
}

interface ChoiceProps {
  readonly name: FilterName;
  readonly options: readonly (readonly [value: string, text: string])[];
}

function Choice({ name, options }: ChoiceProps) {
  return (
    <select
      value={route.value.filters[name] ?? ""}
      onChange={(event) => setFilter(name, event.currentTarget.value)}
    >
      {options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface TypedProps {
  readonly name: FilterName;
  readonly label: string;
  readonly class: string;
  readonly placeholder: string;
  readonly inputMode?: "numeric" | "text";
  readonly inputRef?: { current: HTMLInputElement | null };
}

function Typed({ name, label, inputRef, inputMode, placeholder, class: className }: TypedProps) {
  const own = useRef<HTMLInputElement>(null);
  const input = inputRef ?? own;
  const value = route.value.filters[name] ?? "";
  // While the user types, the route follows the field, and it lags behind.
  useEffect(() => {
    const field = input.current;
    if (field !== null && field !== document.activeElement) field.value = value;
  }, [value]);
  return (
    <input
      ref={input}
      type="search"
      class={className}
      aria-label={label}
      placeholder={placeholder}
      inputMode={inputMode}
      spellcheck={false}
      autocomplete="off"
      onInput={(event) => setFilter(name, event.currentTarget.value.trim())}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        if (event.currentTarget.value === "") event.currentTarget.blur();
        else {
          event.currentTarget.value = "";
          setFilter(name, undefined);
        }
      }}
    />
  );
}
