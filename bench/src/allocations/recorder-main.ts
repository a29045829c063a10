// Counts what its process allocates. Node loads it before the program (`--import`). The first SIGUSR2 begins
// a count. The next one ends it, and writes it into the folder ALLOCATIONS_FOLDER. Each signal is answered by
// a file whose name has its number.
import { renameSync, writeFileSync } from "node:fs";
import { type HeapProfiler, Session } from "node:inspector";
import { join } from "node:path";
import { GCProfiler, type GCProfilerResult, getHeapStatistics } from "node:v8";
import { type Recording, recordingFile } from "./recording.js";

/** A sample for so many allocated bytes on average. */
const samplingInterval = 16_384;

const folder = process.env["ALLOCATIONS_FOLDER"] as string;
const session = new Session();
session.connect();
let profiler: GCProfiler | undefined;
let usedAtStart = 0;
let signals = 0;

process.on("SIGUSR2", () => {
  signals += 1;
  if (profiler === undefined) {
    begin();
    answer(undefined);
  } else answer(end(profiler));
});

function begin(): void {
  session.post("HeapProfiler.startSampling", {
    samplingInterval,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  profiler = new GCProfiler();
  profiler.start();
  usedAtStart = getHeapStatistics().used_heap_size;
}

function end(running: GCProfiler): Recording {
  const usedAtEnd = getHeapStatistics().used_heap_size;
  const { statistics } = running.stop();
  profiler = undefined;
  let bytes = 0;
  let used = usedAtStart;
  for (const { beforeGC, afterGC } of statistics) {
    bytes += beforeGC.heapStatistics.usedHeapSize - used;
    used = afterGC.heapStatistics.usedHeapSize;
  }
  bytes += usedAtEnd - used;
  const kept = statistics.filter(({ gcType }) => gcType === "Scavenge").map(keptBytes);
  return { bytes, kept, profile: takeProfile() };
}

/** What a collection of the young generation has copied: it stays there, or becomes old. */
function keptBytes({ beforeGC, afterGC }: GCProfilerResult["statistics"][number]): number {
  const used = ({ heapSpaceStatistics }: typeof afterGC, space: string): number =>
    heapSpaceStatistics.find(({ spaceName }) => spaceName === space)?.spaceUsedSize ?? 0;
  return used(afterGC, "new_space") + used(afterGC, "old_space") - used(beforeGC, "old_space");
}

function takeProfile(): HeapProfiler.SamplingHeapProfile {
  let taken: HeapProfiler.SamplingHeapProfile | undefined;
  session.post("HeapProfiler.stopSampling", (error, result) => {
    if (error !== null) throw error;
    taken = result.profile;
  });
  // The inspector of the own thread answers at once.
  return taken as unknown as HeapProfiler.SamplingHeapProfile;
}

/** The file appears whole, because the bench waits for it. */
function answer(recording: Recording | undefined): void {
  const file = join(folder, recordingFile(process.pid, signals));
  writeFileSync(`${file}.new`, JSON.stringify(recording ?? {}));
  renameSync(`${file}.new`, file);
}
