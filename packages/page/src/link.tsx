import type { ComponentChildren, VNode } from "preact";
import type { Router } from "./router.ts";

export interface LinkProps<Route extends object> {
  readonly to: Partial<Route>;
  readonly class?: string;
  /** The link names what is shown now. */
  readonly isCurrent?: boolean;
  readonly title?: string;
  /** Of a row in a list in which keys move the focus: whether Tab leads to it. */
  readonly row?: { readonly isReached: boolean };
  readonly children: ComponentChildren;
}

/** A link within the page. A click with a modifier opens a tab, as with any link. */
export function createLink<Route extends object>({
  go,
  hrefOf,
}: Router<Route>): (props: LinkProps<Route>) => VNode {
  return function Link({ to, class: className, isCurrent, title, row, children }) {
    return (
      <a
        href={hrefOf(to)}
        class={className}
        title={title}
        {...(row !== undefined && { "data-row": "", tabIndex: row.isReached ? 0 : -1 })}
        aria-current={isCurrent === true ? "page" : undefined}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
          event.preventDefault();
          go(to);
        }}
      >
        {children}
      </a>
    );
  };
}
