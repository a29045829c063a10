/**
 * What a value from elsewhere has to be: a message of the wire, an option of a program in JavaScript, a file.
 *
 * Every command loads these shapes, whatever it is asked for. So they need no library: zod is 95 files, which
 * took a third of the time of `--help`.
 */

/** What is wrong with a value: the first fault that was found. */
export class Fault {
  /** What the value must be: "a whole number from 1". */
  readonly expected: string;
  /** The wrong value. */
  readonly given: unknown;
  /** Not only the value is wrong, but its type. */
  readonly isOfType: boolean;
  /** The place of the wrong value, from the outermost member. Empty if the whole value is wrong. */
  readonly path: readonly string[];
  /** A member that may not be there. It is the fault, rather than `given`, which has it. */
  readonly unknown: string | undefined;

  constructor(
    expected: string,
    given: unknown,
    { isOfType = false, path = [], unknown }: { isOfType?: boolean; path?: string[]; unknown?: string } = {},
  ) {
    this.expected = expected;
    this.given = given;
    this.isOfType = isOfType;
    this.path = path;
    this.unknown = unknown;
  }

  /** The same fault, of the value that has the wrong one as its member `key`. */
  below(key: string | number): Fault {
    const { expected, given, isOfType, path, unknown } = this;
    return new Fault(expected, given, {
      isOfType,
      path: [String(key), ...path],
      ...(unknown === undefined ? {} : { unknown }),
    });
  }
}

/** What a value has to be, and what is taken of it. */
export class Shape<out T> {
  /** What is taken of a value, or what is wrong with it. */
  readonly read: (value: unknown) => T | Fault;

  constructor(read: (value: unknown) => T | Fault) {
    this.read = read;
  }

  /** The value may be absent. */
  optional(): Shape<T | undefined> {
    return new Shape<T | undefined>((value) => (value === undefined ? undefined : this.read(value)));
  }

  /** The value has to fit a further rule, of which `expected` tells what it wants. */
  refine(fits: (value: T) => boolean, expected: string): Shape<T> {
    return new Shape((value) => {
      const read = this.read(value);
      return read instanceof Fault || fits(read) ? read : new Fault(expected, value);
    });
  }

  /** A wrong value counts as `other`. */
  orElse<Other>(other: Other): Shape<T | Other> {
    return new Shape<T | Other>((value) => {
      const read = this.read(value);
      return read instanceof Fault ? other : read;
    });
  }
}

/** A value that passes a test of a program's own, and is taken as it is. */
export function passing<T>(test: (value: unknown) => boolean, expected: string): Shape<T> {
  return new Shape((value) => (test(value) ? (value as T) : new Fault(expected, value)));
}

/** The same for a test of the value's type. */
function typed<T>(test: (value: unknown) => boolean, expected: string): Shape<T> {
  return new Shape((value) => (test(value) ? (value as T) : new Fault(expected, value, { isOfType: true })));
}

/** Any value, or none. */
export const anything = new Shape<unknown>((value) => value);

/** A string. `what` describes it in the message. */
export function text(what = "a string"): Shape<string> {
  return typed((value) => typeof value === "string", what);
}

/** A number that is neither NaN nor infinite. */
export function number(what = "a number"): Shape<number> {
  return typed(Number.isFinite, what);
}

/** A boolean. */
export const flag: Shape<boolean> = typed((value) => typeof value === "boolean", "a boolean");

/** One of some words. */
export function oneOf<Word extends string>(words: readonly Word[]): Shape<Word> {
  return passing((value) => words.includes(value as Word), `one of: ${words.join(", ")}`);
}

/** An array whose items all have one shape. */
export function listOf<T>(item: Shape<T>, what = "an array"): Shape<T[]> {
  return new Shape((value) => {
    if (!Array.isArray(value)) return new Fault(what, value, { isOfType: true });
    const items: T[] = [];
    for (const [i, given] of value.entries()) {
      const read = item.read(given);
      if (read instanceof Fault) return read.below(i);
      items.push(read);
    }
    return items;
  });
}

/** An object of any names, whose values all have one shape. */
export function mapOf<T>(item: Shape<T>, what = "an object"): Shape<Record<string, T>> {
  return new Shape((value) => {
    if (!isRecord(value)) return new Fault(what, value, { isOfType: true });
    const entries: [string, T][] = [];
    for (const [key, given] of Object.entries(value)) {
      const read = item.read(given);
      if (read instanceof Fault) return read.below(key);
      entries.push([key, read]);
    }
    return Object.fromEntries(entries);
  });
}

/** The shapes of an object's members. */
export type Members<T> = { readonly [Name in keyof T]-?: Shape<T[Name]> };

/** An object with these members. What it has besides is left out. */
export function objectOf<T extends object>(members: Members<T>, what = "an object"): Shape<T> {
  const names = Object.keys(members) as (keyof T & string)[];
  return new Shape((value) => {
    if (!isRecord(value)) return new Fault(what, value, { isOfType: true });
    const object: Partial<T> = {};
    for (const name of names) {
      const read = members[name].read(value[name]);
      if (read instanceof Fault) return read.below(name);
      if (read !== undefined) object[name] = read;
    }
    return object as T;
  });
}

/** The same for an object that may have nothing besides. */
export function onlyObjectOf<T extends object>(members: Members<T>, what = "an object"): Shape<T> {
  const object = objectOf(members, what);
  return new Shape((value) => {
    const read = object.read(value);
    if (read instanceof Fault) return read;
    const unknown = Object.keys(value as object).find((name) => !Object.hasOwn(members, name));
    return unknown === undefined ? read : new Fault(what, value, { unknown });
  });
}

/** What a text of JSON holds; `undefined` if it is no JSON, or not of this shape. */
export function fromJson<T>(shape: Shape<T>, json: string): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const read = shape.read(value);
  return read instanceof Fault ? undefined : read;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
