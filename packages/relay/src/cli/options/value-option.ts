import { Option } from "commander";

/** An option that knows how its value is written: its default in the help, and its value by `config show`. */
export class ValueOption<Value> extends Option {
  /** The reverse of `parseArg`. */
  readonly write: (value: Value) => string;

  constructor(flags: string, description: string, write: (value: Value) => string) {
    super(flags, description);
    this.write = write;
  }

  override default(value: Value): this {
    return super.default(value, this.write(value));
  }
}

/** An option with a secret value. Only what `write` leaves of the value may be shown. */
export class SecretOption extends ValueOption<string> {
  constructor(flags: string, description: string, write: (secret: string) => string = () => "***") {
    super(flags, description, write);
  }
}
