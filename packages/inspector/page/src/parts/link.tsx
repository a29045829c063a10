import type { ComponentChildren } from "preact";
import { go, hrefOf, type Route } from "../route.ts";

export interface LinkProps {
  readonly to: Partial<Route>;
  readonly class?: string;
  /** The link names what is shown now. */
  readonly isCurrent?: boolean;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** A link within the page. A click with a modifier opens a tab, as with any link. */
export function Link({ to, class: className, isCurrent, title, children }: LinkProps) {
  return (
    <a
      href={hrefOf(to)}
      class={className}
      title={title}
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
}
