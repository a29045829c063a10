/**
 * This package's version, for `--version`. scripts/versions.mjs writes it, because in a bundle there is no
 * package.json beside this file.
 */
export const version = "0.1.0";
