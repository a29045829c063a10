import { ApiProblem, messageOf } from "mcp-tunnel-page/api.ts";
import { Dialog } from "mcp-tunnel-page/dialog.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type DraftField, faultOf, type TokenDraft, units } from "./fields.ts";

export interface TokenFormProps {
  readonly title: string;
  readonly action: string;
  readonly draft: TokenDraft;
  /** Sends it. What it throws is shown in the form: at its field, if the relay names one. */
  readonly onSend: (draft: TokenDraft) => Promise<void>;
  readonly onClose: () => void;
}

interface Fault {
  readonly field: DraftField | undefined;
  readonly text: string;
}

/** The fields of a token, to create it or to change it. */
export function TokenForm({ title, action, draft: given, onSend, onClose }: TokenFormProps) {
  const [draft, setDraft] = useState(given);
  const [fault, setFault] = useState<Fault | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  // Behind the effect of the dialog, which gives the focus to its first button.
  useLayoutEffect(() => queueMicrotask(() => focusField("subdomains")), []);

  function focusField(field: DraftField): void {
    form.current?.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
  }
  function tell(field: DraftField | undefined, text: string): void {
    setFault({ field, text });
    if (field !== undefined) focusField(field);
  }
  async function send(): Promise<void> {
    const wrong = faultOf(draft);
    if (wrong !== undefined) return tell(...wrong);
    setBusy(true);
    try {
      await onSend(draft);
    } catch (error) {
      setBusy(false);
      const field = error instanceof ApiProblem ? error.field : undefined;
      const isKnown = field !== undefined && field !== "unit" && Object.hasOwn(draft, field);
      tell(isKnown ? (field as DraftField) : undefined, messageOf(error));
    }
  }
  const field = (name: DraftField): FieldProps => ({
    name,
    value: draft[name],
    fault: fault?.field === name ? fault.text : undefined,
    onValue: (value) => setDraft((before) => ({ ...before, [name]: value })),
  });

  return (
    <Dialog title={title} onClose={onClose}>
      <form
        ref={form}
        class="token-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <TextField {...field("subdomains")} label="Names" hint="Each may have one *: demo ann-*" isMono />
        <TextField {...field("note")} label="Note" hint="Whose it is. It is shown with the tunnels." />
        <TextField
          {...field("expires")}
          label="Good until"
          hint="To the end of that day in UTC. Nothing: for ever."
          type={/^(?:\d{4}-\d\d-\d\d)?$/.test(given.expires) ? "date" : "text"}
        />
        <fieldset class="token-limits">
          <legend>Limits</legend>
          <TextField
            {...field("maxTunnels")}
            label="Tunnels at once"
            hint="Nothing: the relay's own limit."
            type="number"
          />
          <TextField
            {...field("maxRequestsPerSecond")}
            label="Requests a second"
            hint="Nothing: the relay's own limit."
            type="number"
          />
          <TextField
            {...field("maxBytesPerSecond")}
            label="Bytes a second"
            hint="Both ways together. Nothing: the relay's own limit."
            type="number"
          >
            <select
              aria-label="Unit of bytes a second"
              value={String(draft.unit)}
              onChange={({ currentTarget: { value } }) =>
                setDraft((before) => ({ ...before, unit: Number(value) }))
              }
            >
              {units.map(([name, bytes]) => (
                <option key={name} value={String(bytes)}>
                  {name}
                </option>
              ))}
            </select>
          </TextField>
        </fieldset>
        {fault !== undefined && fault.field === undefined && (
          <p class="bad form-said" role="alert">
            {printable(fault.text)}
          </p>
        )}
        <div class="dialog-actions">
          <button type="submit" class="button primary" disabled={isBusy}>
            {action}
          </button>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  readonly name: DraftField;
  readonly value: string;
  readonly fault: string | undefined;
  readonly onValue: (value: string) => void;
}

interface TextFieldProps extends FieldProps {
  readonly label: string;
  readonly hint: string;
  readonly type?: "text" | "number" | "date";
  readonly isMono?: boolean;
  /** What stands beside the field. */
  readonly children?: ComponentChildren;
}

function TextField({
  name,
  value,
  fault,
  onValue,
  label,
  hint,
  type = "text",
  isMono,
  children,
}: TextFieldProps) {
  const id = useId();
  // The types of Preact take one type of a field at a time.
  const typed = { type } as { readonly type: "text" };
  return (
    <div class="form-field">
      <label for={id}>{label}</label>
      <span class="form-line-of-field">
        <input
          id={id}
          name={name}
          {...typed}
          class={isMono === true ? "field mono" : "field"}
          min={type === "number" ? 0 : undefined}
          step={type === "number" ? "any" : undefined}
          value={value}
          spellcheck={false}
          autocomplete="off"
          aria-invalid={fault !== undefined}
          aria-describedby={`${id}-said`}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
        {children}
      </span>
      <span
        id={`${id}-said`}
        class={fault === undefined ? "form-said muted" : "form-said bad"}
        role={fault === undefined ? undefined : "alert"}
      >
        {fault === undefined ? hint : printable(fault)}
      </span>
    </div>
  );
}
