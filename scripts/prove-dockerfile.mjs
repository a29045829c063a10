// Carries out the steps of the Dockerfile in a bare directory, one root for each stage, to prove them where
// no container engine is at hand: the files to copy exist, the commands succeed, and the image's command
// starts.
//
//   node scripts/prove-dockerfile.mjs [FOLDER]
//
// FOLDER (default: a new temporary one, removed at the end) receives the stages, and image.json, which tells
// how to run the last one. The parts that an engine would add are not proven: the base image and its Node,
// the user's rights, and apt-get, which is only simulated if the machine has it.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The instructions: comments gone, continued lines joined. */
function parse(text) {
  const lines = text.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n/g, " ");
  return lines.split("\n").flatMap((line) => {
    const [, instruction, rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    return instruction === undefined ? [] : [{ instruction, rest: rest.trim() }];
  });
}

/**
 * The files that COPY may take from the context: git's files, except those that .dockerignore leaves out. Its
 * last match counts.
 */
function contextFiles() {
  const rules = readFileSync(join(repository, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({
      keep: line.startsWith("!"),
      pattern: new RegExp(`^${line.replace(/^!/, "").replaceAll(".", "\\.").replaceAll("*", "[^/]*")}(/|$)`),
    }));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: repository,
    encoding: "utf8",
  });
  return files.split("\0").filter((file) => {
    if (file === "" || !existsSync(join(repository, file))) return false;
    return rules.findLast((rule) => rule.pattern.test(file))?.keep ?? true;
  });
}

function fail(message) {
  throw new Error(message);
}

/** The instruction as a JSON array: the other form would need a shell. */
function exec(text) {
  return JSON.parse(text.slice(text.indexOf("[")));
}

class Stage {
  workdir = "/";
  user = "root";
  env = {};
  healthcheck;
  entrypoint;

  constructor(root) {
    this.root = root;
    mkdirSync(root, { recursive: true });
  }

  /** A path of the image on this machine. */
  path(imagePath) {
    return join(this.root, posix.resolve(this.workdir, imagePath));
  }

  copy(rest, stages) {
    const words = rest.split(/\s+/);
    const from = words[0].startsWith("--from=")
      ? stages.get(words.shift().slice("--from=".length))
      : undefined;
    const destination = words.pop();
    for (const source of words) {
      if (from === undefined) {
        if (source !== ".") fail(`COPY ${rest}: only '.' is known here`);
        for (const file of contextFiles())
          this.#take(join(repository, file), join(this.path(destination), file));
        continue;
      }
      const path = from.path(source);
      if (!existsSync(path)) fail(`COPY ${rest}: the stage has no ${source}`);
      const isFolder = statSync(path).isDirectory();
      const isNamed = destination.endsWith("/") && basename(destination) === basename(source);
      if (isFolder && !isNamed) {
        fail(
          `COPY ${rest}: name the folder at its destination, so that nobody has to know what COPY makes of it`,
        );
      }
      const isInto = !isFolder && (destination.endsWith("/") || destination === ".");
      this.#take(path, isInto ? join(this.path(destination), basename(source)) : this.path(destination));
    }
  }

  #take(from, to) {
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }

  run(command) {
    if (this.user !== "root") fail(`RUN ${command}: after USER, where the image is to change no more`);
    const apt = /^apt-get update && apt-get install -y --no-install-recommends (.*) && rm -rf \S+$/;
    const packages = apt.exec(command)?.[1];
    if (packages !== undefined) {
      simulateApt(packages.split(" "));
      return;
    }
    if (/apt-get|rm -rf/.test(command)) fail(`RUN ${command}: not in a form that can be simulated`);
    // Replaces paths of the image that are words of their own.
    const rewritten = command.replaceAll(
      /(^|\s)\/(app|src|usr\/local\/bin)(?=\/|\s|$)/g,
      `$1${this.root}/$2`,
    );
    const result = spawnSync("sh", ["-ec", rewritten], {
      cwd: this.path("."),
      env: this.environment(),
      stdio: ["ignore", "inherit", "inherit"],
    });
    if (result.status !== 0) fail(`RUN ${command}: status ${result.status}`);
  }

  environment() {
    return { ...process.env, ...this.env, PATH: `${join(this.root, "usr/local/bin")}:${process.env.PATH}` };
  }
}

function simulateApt(packages) {
  const result = spawnSync("apt-get", ["install", "--simulate", "--no-install-recommends", ...packages], {
    encoding: "utf8",
  });
  if (result.error !== undefined) console.log(`  no apt-get here: ${packages.join(" ")} not looked up`);
  else if (result.status !== 0) fail(`apt-get knows no ${packages.join(" ")}: ${result.stderr}`);
}

/** Carries out the Dockerfile and returns its last stage. */
function proveDockerfile(folder) {
  const stages = new Map();
  let stage;
  for (const { instruction, rest } of parse(readFileSync(join(repository, "Dockerfile"), "utf8"))) {
    console.log(`${instruction} ${rest}`);
    switch (instruction) {
      case "FROM": {
        const name = / AS (\S+)$/i.exec(rest)?.[1] ?? "image";
        stage = new Stage(join(folder, name));
        stages.set(name, stage);
        break;
      }
      case "WORKDIR":
        stage.workdir = posix.resolve(stage.workdir, rest);
        mkdirSync(stage.path("."), { recursive: true });
        break;
      case "COPY":
        stage.copy(rest, stages);
        break;
      case "RUN":
        stage.run(rest);
        break;
      case "ENV": {
        const [name, ...value] = rest.split("=");
        stage.env[name] = value.join("=");
        break;
      }
      case "USER":
        stage.user = rest;
        break;
      case "HEALTHCHECK":
        stage.healthcheck = exec(rest);
        break;
      case "ENTRYPOINT":
        stage.entrypoint = exec(rest);
        break;
      case "EXPOSE":
        break;
      default:
        fail(`${instruction}: not known here`);
    }
  }
  if (stage.user === "root" || stage.user === "0") fail("the image would run as root");
  return stage;
}

const given = process.argv[2];
const folder = given ?? mkdtempSync(join(tmpdir(), "mcp-tunnel-image-"));
try {
  const image = proveDockerfile(folder);
  // The init comes from the base image's distribution; the rest of the command is ours.
  const [command, ...args] = image.entrypoint.slice(image.entrypoint.indexOf("--") + 1);
  const version = execFileSync(command, [...args, "--version"], {
    env: image.environment(),
    encoding: "utf8",
  });
  const size = execFileSync("du", ["-sm", image.path("/app")], { encoding: "utf8" }).split("\t")[0];
  const { entrypoint, healthcheck, env } = image;
  const run = { entrypoint, healthcheck, env, path: image.path("/usr/local/bin") };
  writeFileSync(join(folder, "image.json"), JSON.stringify(run));
  console.log(`proven: ${command} ${version.trim()}, ${size} MB besides the base image`);
} finally {
  if (given === undefined) rmSync(folder, { recursive: true });
}
