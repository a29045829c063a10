export interface CompareProps {
  /** The ids of two exchanges. */
  readonly a: number;
  readonly b: number;
  readonly onClose: () => void;
}

/** Two exchanges side by side. */
export function ComparePage({ a, b }: CompareProps) {
  return (
    <main class="page">
      {a} {b}
    </main>
  );
}
