import { Option } from "commander";

/**
 * An option that knows how its value is written: in the help, which shows the default, and by `config show`.
 */
export class ValueOption<Value> extends Option {
  /** The other way round than `parseArg`. */
  readonly write: (value: Value) => string;

  constructor(flags: string, description: string, write: (value: Value) => string) {
    super(flags, description);
    this.write = write;
  }

  override default(value: Value): this {
    return super.default(value, this.write(value));
  }
}

/** An option whose value may be shown to nobody, or only what `write` leaves of it. */
export class SecretOption extends ValueOption<string> {
  constructor(flags: string, description: string, write: (secret: string) => string = () => "***") {
    super(flags, description, write);
  }
}
