// What a published package says besides what it says in the repository: where it comes from, and links that
// hold where nobody has the repository.
import { existsSync } from "node:fs";
import { join, posix } from "node:path";

/**
 * The repository from which packages are published.
 * @typedef {object} Repository
 * @property {string} url Its address for people, without a slash at its end.
 * @property {string} revision A commit, a tag or a branch. The links of a package lead to this state of the
 *   documents, so that they never tell of another version.
 */

/**
 * The repository that a GitHub workflow works for; `undefined` elsewhere, because nothing else knows it.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Repository | undefined}
 */
export function repositoryOf({ GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name, GITHUB_SHA: revision }) {
  if (server === undefined || name === undefined) return undefined;
  return { url: `${server}/${name}`, revision: revision ?? "HEAD" };
}

/**
 * The manifest with the fields that name the repository. npm accepts a provenance only for packages that say
 * where they come from. `folder`: of the package, from the root of the repository.
 * @param {Record<string, unknown>} manifest
 * @param {string} folder
 * @param {Repository} repository
 */
export function publishedManifest(manifest, folder, { url }) {
  return {
    ...manifest,
    repository: { type: "git", url: `git+${url}.git`, directory: folder },
    homepage: `${url}/tree/HEAD/${folder}#readme`,
    bugs: { url: `${url}/issues` },
  };
}

/**
 * A README in which links to files of the repository are absolute. npm rewrites relative links on its page of
 * the package, but nobody does for those who read the file in `node_modules`. `root`: where the repository is
 * now.
 * @param {string} text
 * @param {string} folder
 * @param {Repository} repository
 * @param {string} root
 * @throws {Error} if a link leads to no file of the repository.
 */
export function publishedReadme(text, folder, { url, revision }, root) {
  return text.replaceAll(
    /\]\((?![a-z][a-z\d+.-]*:|[#/])([^)\s#]+)(#[^)\s]*)?\)/gi,
    (link, path, anchor = "") => {
      const target = posix.join(folder, path);
      if (target.startsWith("..") || !existsSync(join(root, target))) {
        throw new Error(`${folder}/README.md: '${link.slice(2, -1)}' is no file of the repository`);
      }
      return `](${url}/blob/${revision}/${target}${anchor})`;
    },
  );
}
