/** The part of a commander `Option` that completion needs. */
export interface OptionShape {
  readonly short?: string | undefined;
  readonly long?: string | undefined;
  readonly description: string;
  readonly hidden: boolean;
  /** It takes a value, or may take one. */
  readonly required: boolean;
  readonly optional: boolean;
  readonly argChoices?: readonly string[] | undefined;
  /** Its name in the help, such as `<file>`. */
  readonly flags: string;
}

/** The part of a commander `Command` that completion needs. */
export interface CommandShape {
  name(): string;
  description(): string;
  readonly commands: readonly CommandShape[];
  createHelp(): {
    visibleOptions(command: CommandShape): readonly OptionShape[];
    visibleCommands(command: CommandShape): readonly CommandShape[];
  };
  /** commander's own list of what a command takes in order. */
  readonly registeredArguments: readonly {
    name(): string;
    readonly argChoices?: readonly string[] | undefined;
  }[];
}

/** The shells for which there is a script. */
export const completionShells = ["bash", "zsh", "fish"] as const;

/** A word after which something can be completed, with what the shell may show of it. */
interface Word {
  readonly word: string;
  readonly about: string;
}

/** What can follow a command. */
interface Place {
  /** The commands that lead here: `auth show`. Empty for the program itself. */
  readonly path: string;
  /** Commands, and the values that an argument may have. */
  readonly words: readonly Word[];
  /** An argument is a file, and there are no `words`. */
  readonly takesFile: boolean;
  readonly options: readonly Word[];
  /** Options that take a value, by what the shell offers for it. */
  readonly values: readonly { readonly names: readonly string[]; readonly offer: Offer }[];
}

/** Values of an option: names of files, some words, or nothing that a shell could know. */
type Offer = "files" | "nothing" | readonly string[];

/**
 * The script with which a shell completes the words of a program. It is made of the program's own commands
 * and options, so it has all of them.
 */
export function completionScript(shell: (typeof completionShells)[number], program: CommandShape): string {
  const places = placesOf(program, "");
  const name = program.name();
  const id = `_${name.replaceAll(/\W/g, "_")}`;
  return { bash, zsh, fish }[shell](name, id, places);
}

function placesOf(command: CommandShape, path: string): Place[] {
  const help = command.createHelp();
  const options = help.visibleOptions(command);
  const commands = help.visibleCommands(command);
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const place: Place = {
    path,
    words: [
      ...commands.map((one) => ({ word: one.name(), about: aboutOf(one.description()) })),
      ...choices.map((word) => ({ word, about: "" })),
    ],
    takesFile: command.registeredArguments.some((argument) => /file|path/i.test(argument.name())),
    options: options.flatMap((option) =>
      // A letter saves the typing that completion would.
      option.long === undefined ? [] : [{ word: option.long, about: aboutOf(option.description) }],
    ),
    values: options
      .filter(({ required }) => required)
      .map((option) => ({ names: namesOf(option), offer: offerOf(option) })),
  };
  const below = commands.flatMap((one) => placesOf(one, path === "" ? one.name() : `${path} ${one.name()}`));
  return [place, ...below];
}

function namesOf({ short, long }: OptionShape): string[] {
  return [short, long].filter((name) => name !== undefined);
}

function offerOf({ argChoices, flags, description }: OptionShape): Offer {
  if (argChoices !== undefined) return argChoices;
  if (/<(?:file|path|folder|dir)/.test(flags)) return "files";
  // Of some options a word is the value in most cases: `'rewrite' sends its own name`.
  const words = [...description.matchAll(/'([a-z]+)'/g)].map(([, word = ""]) => word);
  return words.length > 1 ? [...new Set(words)] : "nothing";
}

/** The beginning of a description, up to where a second thought begins. */
function aboutOf(description: string): string {
  const [first = ""] = description.split(/[;:.\n]| \(|, (?:such as|by default)/);
  return first.trim();
}

// ---- bash

/** Readline adds the slashes of folders, and quotes what has to be. */
const bashFiles = "local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null";

function bash(name: string, id: string, places: readonly Place[]): string {
  return `# bash completion of ${name}. To load it: source <(${name} completion bash)
${id}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$i:$at \${COMP_WORDS[i]}" in
${pathCases(places, (path) => `at=${quote(path)}`)}
      *" --") ${bashFiles}; return ;;
    esac
  done
  case "$at:$prev" in
${valueCases(places, (offer) => (offer === "files" ? bashFiles : `COMPREPLY=($(compgen -W ${quote(offer.join(" "))} -- "$cur"))`))}
  esac
  case "$at:$cur" in
${places
  .flatMap(({ path, words, takesFile, options }) => [
    `    ${quote(`${path}:`)}-*) COMPREPLY=($(compgen -W ${quote(joined(options))} -- "$cur")) ;;`,
    ...(takesFile ? [`    ${quote(`${path}:`)}*) ${bashFiles} ;;`] : []),
    ...(words.length === 0
      ? []
      : [
          `    ${quote(`${path}:`)}*)${path === "" ? " [ $COMP_CWORD -eq 1 ] &&" : ""} COMPREPLY=($(compgen -W ${quote(joined(words))} -- "$cur")) ;;`,
        ]),
  ])
  .join("\n")}
  esac
}
complete -F ${id} ${name}
`;
}

// ---- zsh

function zsh(name: string, id: string, places: readonly Place[]): string {
  return `#compdef ${name}
# zsh completion of ${name}. To load it, after compinit: source <(${name} completion zsh)
${id}() {
  local cur=$words[CURRENT] prev=$words[CURRENT-1] at= i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    case "$((i - 1)):$at $words[i]" in
${pathCases(places, (path) => `at=${quote(path)}`)}
      *" --") _files; return ;;
    esac
  done
  case "$at:$prev" in
${valueCases(places, (offer) => (offer === "files" ? "_files" : `compadd -- ${offer.join(" ")}`))}
  esac
  case "$at:$cur" in
${places
  .flatMap(({ path, words, takesFile, options }) => [
    `    ${quote(`${path}:`)}-*) list=(${described(options)}); _describe option list ;;`,
    ...(takesFile ? [`    ${quote(`${path}:`)}*) _files ;;`] : []),
    ...(words.length === 0
      ? []
      : [
          `    ${quote(`${path}:`)}*)${path === "" ? " ((CURRENT == 2)) &&" : ""} list=(${described(words)}) && _describe command list ;;`,
        ]),
  ])
  .join("\n")}
  esac
}
if [ "$funcstack[1]" = "_${name}" ]; then ${id} "$@"; else compdef ${id} ${name}; fi
`;
}

/** For \`_describe\`, to which a colon ends the word. */
function described(words: readonly Word[]): string {
  return words
    .map(({ word, about }) =>
      quote(`${word.replaceAll(":", String.raw`\:`)}${about === "" ? "" : `:${about}`}`),
    )
    .join(" ");
}

// ---- both

/** Which command the words so far have led to. A command of the program itself is its first word. */
function pathCases(places: readonly Place[], then: (path: string) => string): string {
  return places
    .filter(({ path }) => path !== "")
    .map(({ path }) => {
      const before = path.slice(0, Math.max(0, path.lastIndexOf(" ")));
      const word = path.slice(before.length).trim();
      const pattern = before === "" ? quote(`1: ${word}`) : `*${quote(`:${before} ${word}`)}`;
      return `      ${pattern}) ${then(path)} ;;`;
    })
    .join("\n");
}

function valueCases(places: readonly Place[], then: (offer: Exclude<Offer, "nothing">) => string): string {
  return places
    .flatMap(({ path, values }) =>
      values.map(({ names, offer }) => {
        const pattern = names.map((one) => quote(`${path}:${one}`)).join("|");
        return `    ${pattern}) ${offer === "nothing" ? "" : `${then(offer)}; `}return ;;`;
      }),
    )
    .join("\n");
}

function joined(words: readonly Word[]): string {
  return words.map(({ word }) => word).join(" ");
}

/** A word in single quotes, in which bash and zsh change nothing. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

// ---- fish

function fish(name: string, id: string, places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== "");
  const lines = places.flatMap(({ path, words, takesFile, options, values }) => {
    const at = `complete -c ${name} -n ${fishQuote(`${id}_at ${fishQuote(path)}`)}`;
    const start = `complete -c ${name} -n ${fishQuote(`${id}_at ${fishQuote(path)} first`)}`;
    return [
      ...(takesFile ? [`${at} -F`] : []),
      ...words.map(
        ({ word, about }) => `${path === "" ? start : at} -f -a ${fishQuote(word)}${fishAbout(about)}`,
      ),
      ...options.map(({ word, about }) => {
        const value = values.find(({ names }) => names.includes(word));
        return `${at} -l ${word.slice(2)}${value === undefined ? "" : fishOffer(value.offer)}${fishAbout(about)}`;
      }),
    ];
  });
  return `# fish completion of ${name}. To load it: ${name} completion fish | source
function ${id}_at --description 'Whether the words so far have led to this command'
    set -l words (commandline -opc)[2..-1]
    set -l at ''
    set -l number 0
    for word in $words
        set number (math $number + 1)
        switch "$number:$at $word"
${paths
  .map(({ path }) => {
    const before = path.slice(0, Math.max(0, path.lastIndexOf(" ")));
    const word = path.slice(before.length).trim();
    const pattern = before === "" ? fishQuote(`1: ${word}`) : fishQuote(`*:${before} ${word}`);
    return `            case ${pattern}\n                set at ${fishQuote(path)}`;
  })
  .join("\n")}
            case '* --'
                set at --
                break
        end
    end
    test "$at" = "$argv[1]"; and test "$argv[2]" != first -o $number -eq 0
end
complete -c ${name} -f
complete -c ${name} -n '${id}_at --' -F
${lines.join("\n")}
`;
}

function fishOffer(offer: Offer): string {
  if (offer === "files") return " -r -F";
  return offer === "nothing" ? " -x" : ` -x -a ${fishQuote(offer.join(" "))}`;
}

function fishAbout(about: string): string {
  return about === "" ? "" : ` -d ${fishQuote(about)}`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`;
}
