/** This package's version, for `--version`. Written by scripts/versions.mjs: in a bundle there is no package.json beside this. */
export const version = "0.1.0";
