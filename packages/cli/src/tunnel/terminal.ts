import { Approvals } from "./approvals.js";

/**
 * Who is at the terminal of the command. `isJson`: a program reads its lines. `isTerminal`: the standard
 * output is a terminal, and no program reads it. `terminal`: the person who may be asked, if somebody is
 * there.
 */
export function atTerminal(isJson: boolean): { isTerminal: boolean; terminal: Terminal | undefined } {
  const isTerminal = !isJson && process.stdout.isTTY;
  return { isTerminal, terminal: isTerminal && process.stdin.isTTY ? new Terminal() : undefined };
}

/** A gate before which somebody waits for the owner. */
export interface Approver {
  /** Takes a number that was typed. True if it was that of a page of this gate. */
  approve(number: string): boolean;
  /** The number was none of any gate's pages. */
  refused(): void;
}

/**
 * The person at the terminal, whom all tunnels of the command ask. One part of the command reads the terminal
 * at a time: a question about a name, or the numbers with which the owner approves visitors.
 */
export class Terminal {
  readonly #approvals: Approvals;
  readonly #approvers = new Set<Approver>();
  /** The questions that were asked, one after the other. */
  #questions: Promise<unknown> = Promise.resolve();
  #openQuestions = 0;
  /** Somebody came to a gate while a question was open. */
  #isDue = false;

  /** `approvals`: for tests. */
  constructor(
    approvals = (onNumber: (number: string) => void): Approvals => new Approvals(process.stdin, onNumber),
  ) {
    this.#approvals = approvals((number) => this.#onNumber(number));
  }

  /** Somebody waits at a gate. False if its number cannot be typed now. */
  async begin(approver: Approver): Promise<boolean> {
    this.#approvers.add(approver);
    if (this.#openQuestions === 0) return this.#approvals.begin();
    this.#isDue = true;
    return false;
  }

  /** The gate is closed. */
  leave(approver: Approver): void {
    if (this.#approvers.delete(approver) && this.#approvers.size === 0) this.#approvals.stop();
  }

  /** Asks a question once those before it have their answers. */
  ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    this.#openQuestions += 1;
    if (this.#openQuestions === 1) this.#approvals.stop();
    const answer = this.#questions.then(question).finally(() => this.#answered());
    this.#questions = answer.catch(() => {});
    return answer;
  }

  #answered(): void {
    this.#openQuestions -= 1;
    if (this.#openQuestions > 0 || !this.#isDue) return;
    this.#isDue = false;
    if (this.#approvers.size > 0) void this.#approvals.begin();
  }

  #onNumber(number: string): void {
    const approvers = [...this.#approvers];
    if (!approvers.some((approver) => approver.approve(number))) approvers[0]?.refused();
  }
}
