/** Exit statuses, by why the command ended. `--help` lists them, too. */
export const exitStatus = { ended: 0, failed: 1, usage: 2, refused: 3, evicted: 4 } as const;
