// Sets the clock of a relay off by TEST_CLOCK_SKEW_MS. Timers and performance.now() are not concerned, as on
// a machine whose clock is wrong.
const skewMs = Number(process.env["TEST_CLOCK_SKEW_MS"]);
const TrueDate = Date;

globalThis.Date = class extends TrueDate {
  constructor(...args) {
    if (args.length === 0) super(TrueDate.now() + skewMs);
    else super(...args);
  }

  static now() {
    return TrueDate.now() + skewMs;
  }
};
