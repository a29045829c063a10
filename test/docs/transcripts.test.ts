import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingProgram } from "../support/requires.js";
import { pattern } from "./blocks.js";
import { transcriptBlocks } from "./plan.js";
import { scenes } from "./scenes.js";
import { Stage } from "./stage.js";
import { Transcript } from "./transcript.js";

// Runs the commands of the pages as they are written: `npm run test:docs`. plan.ts says which test has the
// others. Replaced are the names of hosts, ports and secrets (stage.ts), and what a page takes for granted
// is prepared (scenes.ts).

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ");

const pages = [...new Set(transcriptBlocks.map(({ page }) => page))];

describe.skipIf(process.platform === "win32" || missingProgram("curl"))("the commands of the pages", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  it.each(pages)(
    "%s",
    async (page) => {
      const scene = scenes[page] ?? {};
      const transcript = await Transcript.open(stage, scene);
      try {
        await scene.prepare?.(transcript);
        for (const block of transcriptBlocks.filter((one) => one.page === page)) {
          const output = await transcript.run(block);
          if (block.shown === undefined) continue;
          // Addresses are longer here, and so lines break elsewhere.
          const shown = pattern(oneLine(transcript.here(block.shown)));
          expect(oneLine(output), block.where).toMatch(shown);
        }
      } finally {
        await transcript.close();
      }
    },
    180_000,
  );

  it("has no scene for a page that it does not run", () => {
    for (const page of Object.keys(scenes)) expect(pages).toContain(page);
  });
});
