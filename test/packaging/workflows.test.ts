import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";

/**
 * The attack: somebody moves an action's tag to other code, or takes over one of hundreds of development
 * dependencies. Then their code runs in the release workflow, with the token that publishes to npm.
 *
 * The defence: a digest fixes each action. A job that builds has no secret and may not write. A job that has
 * a secret, or may write, runs no installed package, and takes the build as a file.
 */
const closing = closingAfterEach();
const repository = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(repository, ".github", "workflows");

interface Step {
  id?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, string>;
}

interface Job {
  permissions?: Record<string, string>;
  env?: Record<string, string>;
  steps: Step[];
}

interface Workflow {
  on: Record<string, unknown>;
  permissions?: Record<string, string>;
  env?: Record<string, string>;
  jobs: Record<string, Job>;
}

const files = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
const workflows = files.map((file) => {
  const text = readFileSync(join(folder, file), "utf8");
  return { file, text, workflow: parse(text) as Workflow };
});
const jobs = workflows.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ title: `${file}, ${name}`, name, job })),
);

/** Whether the job runs packages that npm has installed, or scripts of the repository. */
const runsInstalled = ({ steps }: Job): boolean =>
  steps.some(({ run = "" }) => /\bnpm (ci|install|run|test|exec)\b|\bnpx\b|\.ci\/run|scripts\//.test(run));
const holdsSecret = (job: Job): boolean => /\bsecrets\b|github\.token/.test(JSON.stringify(job));
const mayWrite = (job: Job): boolean => Object.values(job.permissions ?? {}).includes("write");

describe.each(workflows)("$file", ({ text, workflow }) => {
  it("uses actions by the digest of a commit, with the version besides", () => {
    const uses = text.split("\n").filter((line) => /^\s*(- )?uses:/.test(line));
    const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
    expect(uses).toHaveLength(steps.filter((step) => step.uses !== undefined).length);
    for (const line of uses) expect(line).toMatch(/uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it("permits nothing to all of its jobs, and starts for nothing that strangers can make it run with secrets", () => {
    expect(workflow.permissions).toEqual({});
    expect(workflow.env).toBeUndefined();
    expect(workflow.on).not.toHaveProperty("pull_request_target");
    expect(workflow.on).not.toHaveProperty("workflow_run");
  });
});

describe.each(jobs)("$title", ({ name, job }) => {
  it("says what it may, and reads but for what it is there to write", () => {
    const writes = Object.entries(job.permissions ?? {}).flatMap(([what, how]) =>
      how === "write" ? [what] : [],
    );
    const allowed: Record<string, string[]> = {
      announce: ["contents"],
      "attest-executables": ["id-token", "attestations"],
      propose: ["contents", "pull-requests"],
      publish: ["id-token"],
      "push-image": ["packages"],
    };
    expect(job.permissions).toBeDefined();
    expect(writes).toEqual(allowed[name] ?? []);
  });

  it("runs nothing that was installed where it holds a secret or may write", () => {
    if (runsInstalled(job)) expect([holdsSecret(job), mayWrite(job)]).toEqual([false, false]);
  });

  it("keeps the checkout's credentials only to push", () => {
    for (const { uses = "", with: inputs = {} } of job.steps) {
      if (!uses.startsWith("actions/checkout@")) continue;
      expect(inputs["persist-credentials"] === false || name === "propose").toBe(true);
    }
  });
});

const release = workflows.find(({ file }) => file === "release.yml")?.workflow as Workflow;
const publish = release.jobs["publish"] as Job;
const publishStep = publish.steps.find(({ id }) => id === "publish") as Step;

describe("the release", () => {
  it("shows npm's token to the one step that publishes", () => {
    const withToken = jobs.flatMap(({ job }) =>
      job.steps.filter((step) => JSON.stringify(step).includes("NPM_TOKEN")),
    );
    expect(withToken).toEqual([publishStep]);
  });

  it("publishes with provenance what is not published yet, what others need first", () => {
    const work = closing(createFolder()).path;
    const bin = join(work, "bin");
    mkdirSync(bin);
    // A stand-in for npm, to which one of the versions is known.
    writeFileSync(
      join(bin, "npm"),
      `#!/bin/sh
if [ "$1" = view ]; then [ "$2" = mcp-tunnel-protocol@1.2.3 ]; exit; fi
echo "$@" >> "${join(work, "said")}"
`,
    );
    chmodSync(join(bin, "npm"), 0o755);
    const output = join(work, "output");
    execFileSync("bash", ["-e", "-c", publishStep.run as string], {
      cwd: work,
      env: { PATH: [bin, process.env["PATH"]].join(delimiter), VERSION: "1.2.3", GITHUB_OUTPUT: output },
    });
    const published = readFileSync(join(work, "said"), "utf8").trim().split("\n");
    const options = "--access public --provenance --ignore-scripts";
    expect(published).toEqual(
      [
        "mcp-tunnel-shared",
        "mcp-tunnel-config",
        "mcp-tunnel-cluster",
        "mcp-tunnel",
        "mcp-tunnel-client",
        "mcp-tunnel-stdio",
        "mcp-tunnel-gate",
        "mcp-tunnel-inspector",
        "mcp-tunnel-dashboard",
        "mcp-tunnel-cli",
      ].map((name) => `publish ./packages/${name}-1.2.3.tgz ${options}`),
    );
    expect(readFileSync(output, "utf8")).toContain("published=true");
  });

  it("packs all that is published, with the repository that the provenance names", () => {
    const work = closing(createFolder()).path;
    execFileSync(process.execPath, [join(repository, "scripts", "pack.mjs"), work], {
      env: {
        ...process.env,
        GITHUB_SERVER_URL: "https://github.com",
        GITHUB_REPOSITORY: "someone/mcp-tunnel",
      },
    });
    const { version } = JSON.parse(readFileSync(join(repository, "packages/relay/package.json"), "utf8")) as {
      version: string;
    };
    const packages = {
      shared: "-shared",
      protocol: "-protocol",
      config: "-config",
      cluster: "-cluster",
      relay: "",
      client: "-client",
      stdio: "-stdio",
      gate: "-gate",
      inspector: "-inspector",
      dashboard: "-dashboard",
      cli: "-cli",
    };
    expect(readdirSync(work).toSorted()).toEqual(
      Object.values(packages)
        .map((name) => `mcp-tunnel${name}-${version}.tgz`)
        .toSorted(),
    );
    for (const [directory, name] of Object.entries(packages)) {
      const archive = join(work, `mcp-tunnel${name}-${version}.tgz`);
      const list = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" });
      expect(list).toContain(directory === "cli" ? "package/dist/main.js\n" : "package/dist/index.js\n");
      expect(list).toContain("package/LICENSE\n");
      if (directory === "relay") expect(list).toContain("package/dist/built-client.js\n");
      const manifest = execFileSync("tar", ["-xzOf", archive, "package/package.json"], { encoding: "utf8" });
      expect(JSON.parse(manifest)).toMatchObject({
        name: `mcp-tunnel${name}`,
        repository: {
          url: "git+https://github.com/someone/mcp-tunnel.git",
          directory: `packages/${directory}`,
        },
      });
      const readme = execFileSync("tar", ["-xzOf", archive, "package/README.md"], { encoding: "utf8" });
      expect(readme).not.toMatch(/\]\(\.{1,2}\//);
    }
    // npm packs eight packages.
  }, 60_000);
});
