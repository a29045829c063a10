// Which references and contenders take part in a row, so that a run with all of them ends within half an
// hour. `--systems` chooses others.

/** The two contenders that come nearest to what the tunnel does. */
export const nearest = ["floor", "frp", "piko"] as const;

/** Every contender that knows HTTP. */
export const web = [...nearest, "sish", "localtunnel"] as const;
