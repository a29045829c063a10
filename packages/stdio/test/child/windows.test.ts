import { describe, expect, it } from "vitest";
import { taskkillPath } from "../../src/child/ending.js";
import { windowsCandidates } from "../../src/child/program.js";

// What is done on Windows, decided wherever the test runs.

const cwd = String.raw`C:\Users\ann\project`;
const environment = {
  Path: String.raw`C:\Program Files\nodejs;"C:\with;out quotes";;tools`,
  pathext: ".EXE;.CMD",
};

describe("a program on Windows", () => {
  it("is looked for with each extension in each folder of the PATH, then as it is", () => {
    expect(
      windowsCandidates("npx", cwd, { ...environment, Path: String.raw`C:\Program Files\nodejs;tools` }),
    ).toEqual([
      String.raw`C:\Program Files\nodejs\npx.EXE`,
      String.raw`C:\Program Files\nodejs\npx.CMD`,
      String.raw`C:\Users\ann\project\tools\npx.EXE`,
      String.raw`C:\Users\ann\project\tools\npx.CMD`,
      String.raw`C:\Program Files\nodejs\npx`,
      String.raw`C:\Users\ann\project\tools\npx`,
    ]);
  });

  it("may be in a folder with a semicolon in its name", () => {
    expect(windowsCandidates("npx", cwd, environment)).toContain(String.raw`C:\with;out quotes\npx.CMD`);
  });

  it("has the usual extensions without PATHEXT, and its own first", () => {
    expect(windowsCandidates("uvx.exe", cwd, { PATH: String.raw`D:\bin` }).slice(0, 3)).toEqual([
      String.raw`D:\bin\uvx.exe`,
      String.raw`D:\bin\uvx.exe.COM`,
      String.raw`D:\bin\uvx.exe.EXE`,
    ]);
  });

  it.each([
    [String.raw`.\bin\server`, String.raw`C:\Users\ann\project\bin\server`],
    ["bin/server", String.raw`C:\Users\ann\project\bin\server`],
    [String.raw`D:\servers\server`, String.raw`D:\servers\server`],
  ])("is at its path, from the working directory: %s", (command, path) => {
    expect(windowsCandidates(command, cwd, environment)).toEqual([`${path}.EXE`, `${path}.CMD`, path]);
  });

  /** The attack: a folder that somebody works in has an `npx.cmd`. cmd would start that one. */
  it("is not looked for in the working directory, unless the command says so", () => {
    for (const path of windowsCandidates("npx", cwd, environment)) {
      expect(path.slice(0, path.lastIndexOf("\\"))).not.toBe(cwd);
    }
    expect(windowsCandidates("npx", cwd, {})).toEqual([]);
  });
});

describe("taskkill", () => {
  it("is the system's own", () => {
    expect(taskkillPath({ SystemRoot: String.raw`D:\Windows` })).toBe(
      String.raw`D:\Windows\System32\taskkill.exe`,
    );
    expect(taskkillPath({})).toBe(String.raw`C:\Windows\System32\taskkill.exe`);
  });
});
