import { randomFillSync } from "node:crypto";

const idBytes = 16;
/** Random bytes for the next ids. A call for each id would cost ten times as much. */
const pool = Buffer.alloc(256 * idBytes);
let used = pool.length;

/**
 * Draws an id for a request: 32 hexadecimal digits, as nginx's `$request_id`. `randomUUID` would build its
 * text from twenty pieces, which are put together again wherever the id is written: into the request, the
 * response and the log.
 */
export function drawRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += idBytes;
  return pool.toString("hex", used - idBytes, used);
}
