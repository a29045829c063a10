// Builds the API reference into `dist`. `npm run api` installs what this needs, and runs it. The status is 1
// if typedoc has a warning: for an export without a text, a type that is not exported, a link to nothing.
import { Application, Comment, ReflectionKind, TSConfigReader } from "typedoc";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { readEntries } from "./entries.mjs";

const entries = readEntries();
const shown = entries.filter(({ isPublic }) => isPublic);
const packages = [...new Set(entries.map(({ name }) => name.split("/")[0]))];
const noValidation = { invalidLink: false, invalidPath: false, notDocumented: false, notExported: false };

const app = await Application.bootstrap(
  {
    name: "mcp-tunnel",
    readme: fileURLToPath(new URL("front.md", import.meta.url)),
    tsconfig: fileURLToPath(new URL("tsconfig.json", import.meta.url)),
    out: fileURLToPath(new URL("dist", import.meta.url)),
    entryPoints: shown.map(({ source }) => source),
    // The packages know one another by their sources, so that nothing has to be built, and a type that two
    // packages export is one.
    compilerOptions: { paths: Object.fromEntries(entries.map(({ name, source }) => [name, [source]])) },
    sortEntryPoints: false,
    // What a program begins with comes first.
    kindSortOrder: ["Function", "Class", "Interface", "TypeAlias", "Variable"],
    // Members that Node or a library declares are documented there.
    excludeExternals: true,
    excludeProtected: true,
    disableSources: true,
    validation: { ...noValidation, invalidLink: true, invalidPath: true, notDocumented: true },
    packagesRequiringDocumentation: packages,
  },
  [new TSConfigReader()],
);

const points = app.getEntryPoints() ?? [];
for (const point of points) point.displayName = entryOf(point.sourceFile.fileName).name;
// A type that this release of TypeScript does not understand would be `any` in the reference.
for (const error of ts.getPreEmitDiagnostics(points[0].program)) {
  app.logger.error(ts.formatDiagnostic(error, ts.createCompilerHost({})).trimEnd());
}
const project = app.converter.convert(points);
for (const module of project.children ?? []) {
  const { description } = shown.find(({ name }) => name === module.name) ?? {};
  module.comment ??= new Comment([{ kind: "text", text: description }]);
}
app.options.setValue("intentionallyNotDocumented", withinOthers());
app.validate(project);
// Typedoc looks for types that are not exported in one package at a time.
app.options.setValue("validation", { ...noValidation, notExported: true });
for (const name of packages) {
  project.packageName = name;
  app.validate(project);
}
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;

function entryOf(file) {
  return shown.find(({ source }) => source === file);
}

/** The members of objects within the type of something else, whose text explains them as well. */
function withinOthers() {
  const members = project.getReflectionsByKind(ReflectionKind.Property | ReflectionKind.Method);
  const within = members.filter(
    (member) =>
      member.parent.kindOf(ReflectionKind.TypeLiteral) && !member.hasComment() && !isOfParameter(member),
  );
  return [...new Set(within.map((member) => member.getFriendlyFullName()))];
}

/** Typedoc asks for no texts in the types of parameters. */
function isOfParameter({ parent }) {
  return parent !== undefined && (parent.kindOf(ReflectionKind.Parameter) || isOfParameter(parent));
}
