import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { connect, refresh, startOAuth } from "./oauth-rig.js";

it("loads the library without its word on the runtime, and keeps back nothing else", async () => {
  const load = new URL("../dist/oauth/load.js", import.meta.url).href;
  const script = `
    const { loadLibrary } = await import(${JSON.stringify(load)});
    const loading = loadLibrary();
    console.warn("oidc-provider WARNING: something else");
    const { Provider } = await loading;
    console.warn("afterwards", typeof Provider);`;
  const run = promisify(execFile);
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "--eval", script]);
  expect(stdout).toBe("");
  expect(stderr).toBe("oidc-provider WARNING: something else\nafterwards function\n");
});

it("leaves nothing open", async () => {
  await expectNoLeaks(async () => {
    const rig = await startOAuth();
    const { clientId, refresh: token } = await connect(rig);
    await refresh(rig, clientId, token);
    await rig.close();
  });
});
