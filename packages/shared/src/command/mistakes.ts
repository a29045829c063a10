/** The headline of a list of mistakes that are not all in one file. */
export const optionMistakes = "the options have mistakes";

/**
 * Gathers mistakes in options, so that a person is told all of them at once. Readers add what they find and
 * go on. A caller that needs the values throws the first.
 */
export class Mistakes<Fault extends Error> {
  readonly all: Fault[] = [];
  readonly #Fault: abstract new (
    ...args: never[]
  ) => Fault;

  /** `Fault`: the class of the errors that are mistakes. */
  constructor(Fault: abstract new (...args: never[]) => Fault) {
    this.#Fault = Fault;
  }

  add(fault: Fault): void {
    this.all.push(fault);
  }

  /**
   * The result of `work`; `undefined` if it has thrown a mistake, which is kept.
   * @throws unknown any other error of `work`.
   */
  attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#keep(error);
      return undefined;
    }
  }

  /** The same for work that takes time. */
  async attemptLater<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#keep(error);
      return undefined;
    }
  }

  /** @throws Fault the first mistake, if there is one. */
  throwFirst(): void {
    const [first] = this.all;
    if (first !== undefined) throw first;
  }

  #keep(error: unknown): void {
    if (!(error instanceof this.#Fault)) throw error;
    this.all.push(error);
  }
}
