// Records exchanges into the file that is its argument, until it is killed or
// cannot go on. Says when it has begun, and why it has ended.
import { Buffer } from "node:buffer";
import { statSync } from "node:fs";
import { openRecording } from "../../dist/record/recording.js";
import { Views } from "../../dist/views/views.js";

const mcp = { summary: () => undefined, callsOf: () => [], call: () => undefined };
const data = Buffer.alloc(20_000, "words ");
const body = { bytes: data.length, kept: data.length, missed: false, bufferOf: () => data };
const over = { status: 200, durationMs: 1, requestBytes: 0, responseBytes: data.length, error: undefined };

const path = process.argv[2];
const nothing = () => undefined;
const context = new Views({
  mcp,
  key: Buffer.alloc(32),
  privatePaths: [],
  publicUrl: () => "https://a.example",
  whyNot: nothing,
  warning: nothing,
});
const recording = await openRecording(path, {}, context, { minMs: 0, share: 1 });
const emptySize = statSync(path).size;
process.stdout.write("recording\n");
for (let id = 1; recording.ended === undefined; id += 1) {
  recording.over({
    id,
    startedAt: Date.now(),
    head: { method: "GET", path: `/${id}`, headers: [] },
    interim: [],
    response: { status: 200, headers: [] },
    requestBody: { bytes: 0, kept: 0, missed: false },
    responseBody: body,
    requestTrailers: [],
    responseTrailers: [],
    over,
    hold: nothing,
    letGo: nothing,
  });
  // The first entry is in the file before the others come, or a file without room for all would have none.
  do await new Promise((resolve) => setImmediate(resolve));
  while (recording.ended === undefined && statSync(path).size === emptySize);
}
process.stderr.write(`${recording.ended}\n`);
