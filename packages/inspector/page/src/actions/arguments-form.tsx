import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { CallDetail } from "../../../src/model.ts";
import { readJson } from "../parts/json-text.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "../parts/text.tsx";
import { type Draft, draftOf, withArguments, writeFields } from "./draft.ts";
import type { FormField } from "./schema.ts";

export interface ArgumentsProps {
  readonly call: CallDetail;
  readonly fields: readonly FormField[];
  /** Called with the whole message, as JSON text. */
  readonly onSend: (message: string) => void;
  readonly children: ComponentChildren;
}

/** The arguments of a tool as a form, made from its schema. */
export function ArgumentsForm({ call, fields, onSend, children }: ArgumentsProps) {
  const [draft, setDraft] = useState<Draft>(() => draftOf(fields));
  const [isChecked, setChecked] = useState(false);
  const written = useMemo(() => writeFields(fields, draft), [fields, draft]);
  const form = useRef<HTMLFormElement>(null);
  const problems = isChecked ? written.problems : new Map<string, string>();
  const submit = (event: Event): void => {
    event.preventDefault();
    setChecked(true);
    const [first] = written.problems.keys();
    if (first !== undefined) {
      form.current?.querySelector<HTMLElement>(`[name=${CSS.escape(first)}]`)?.focus();
      return;
    }
    const reading = readJson(call.request);
    const message = "node" in reading ? withArguments(reading.node, written.json) : undefined;
    if (message !== undefined) onSend(message);
  };
  return (
    <form class="replay-form" ref={form} onSubmit={submit} noValidate>
      {fields.length === 0 && <p class="muted">This tool takes no arguments.</p>}
      <Fields
        fields={fields}
        draft={draft}
        problems={problems}
        onChange={(id, text) =>
          setDraft((before) => {
            const next = new Map(before);
            if (text === undefined) next.delete(id);
            else next.set(id, text);
            return next;
          })
        }
      />
      {children}
    </form>
  );
}

interface FieldsProps {
  readonly fields: readonly FormField[];
  readonly draft: Draft;
  readonly problems: ReadonlyMap<string, string>;
  /** Undefined: the argument is left out. */
  readonly onChange: (id: string, text: string | undefined) => void;
}

function Fields({ fields, ...all }: FieldsProps) {
  return (
    <div class="form-fields">
      {fields.map((field) => {
        const { control } = field;
        if (control.kind !== "group") return <Field key={field.id} field={field} {...all} />;
        return (
          <fieldset key={field.id} class="form-group">
            <legend>
              <FieldName field={field} />
            </legend>
            <Description field={field} />
            <Fields fields={control.fields} {...all} />
          </fieldset>
        );
      })}
    </div>
  );
}

function FieldName({ field: { name, required, control } }: { readonly field: FormField }) {
  return (
    <>
      <span class="mono">{printable(name, true)}</span>
      {required && <span class="form-required"> required</span>}
      <span class="muted"> {hints[control.kind]}</span>
      {control.kind === "number" && <span class="muted"> {control.integer ? "whole number" : "number"}</span>}
    </>
  );
}

const hints: Readonly<Record<FormField["control"]["kind"], string>> = {
  text: "",
  number: "",
  choice: "",
  group: "",
  list: "one on each line",
  json: "JSON",
};

function Description({ field: { id, description } }: { readonly field: FormField }) {
  if (description === undefined) return null;
  return (
    <p class="form-said muted" id={idOf("said", id)}>
      <Plain text={description} />
    </p>
  );
}

/** An id of the document: names of arguments may have spaces, which part ids. */
function idOf(use: string, field: string): string {
  return use + field.replaceAll(/[^\w/-]/g, (character) => `.${character.charCodeAt(0)}`);
}

const maxRows = 10;

function Field({
  field,
  draft,
  problems,
  onChange,
}: { readonly field: FormField } & Omit<FieldsProps, "fields">) {
  const { id, control, required } = field;
  const text = draft.get(id);
  const problem = problems.get(id);
  // An empty field of a required text is an empty text; any other is left out.
  const change = (next: string): void =>
    onChange(id, next === "" && !(required && control.kind === "text") ? undefined : next);
  const common = {
    id: idOf("field", id),
    name: id,
    class: control.kind === "json" || control.kind === "list" ? "field mono" : "field",
    "aria-required": required,
    "aria-invalid": problem !== undefined,
    "aria-describedby":
      [field.description !== undefined && idOf("said", id), problem !== undefined && idOf("problem", id)]
        .filter(Boolean)
        .join(" ") || undefined,
  };
  return (
    <div class="form-field">
      <label for={idOf("field", id)}>
        <FieldName field={field} />
      </label>
      <Description field={field} />
      {control.kind === "choice" ? (
        <select {...common} value={text ?? ""} onChange={(event) => change(event.currentTarget.value)}>
          <option value="">{required ? "choose…" : "left out"}</option>
          {control.choices.map(({ json, label }) => (
            <option key={json} value={json}>
              {printable(label, true)}
            </option>
          ))}
        </select>
      ) : control.kind === "number" ? (
        <input
          {...common}
          inputMode="decimal"
          placeholder={required ? "" : "left out"}
          value={text ?? ""}
          onInput={(event) => change(event.currentTarget.value)}
        />
      ) : (
        <textarea
          {...common}
          rows={Math.min(maxRows, (text ?? "").split("\n").length + (control.kind === "list" ? 1 : 0))}
          placeholder={required ? "" : "left out"}
          spellcheck={false}
          value={text ?? ""}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
      {problem !== undefined && (
        <p class="bad" id={idOf("problem", id)}>
          {printable(problem, true)}
        </p>
      )}
    </div>
  );
}
