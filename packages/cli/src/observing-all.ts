import type { ExchangeObserver, ObserveExchange } from "mcp-tunnel-client";

/** One observer for the option of the client that takes one. Each exchange is told to those who want it. */
export function observingAll(all: readonly ObserveExchange[]): ObserveExchange {
  return (exchange) => {
    const observers = all.map((observe) => observe(exchange)).filter((one) => one !== undefined);
    return observers.length > 1 ? new AllObservers(observers) : observers[0];
  };
}

type Told<Name extends keyof ExchangeObserver> = Parameters<NonNullable<ExchangeObserver[Name]>>;

class AllObservers implements Required<ExchangeObserver> {
  readonly #observers: readonly ExchangeObserver[];

  constructor(observers: readonly ExchangeObserver[]) {
    this.#observers = observers;
  }

  onRequestData(...told: Told<"onRequestData">): void {
    for (const observer of this.#observers) observer.onRequestData?.(...told);
  }

  onRequestEnd(...told: Told<"onRequestEnd">): void {
    for (const observer of this.#observers) observer.onRequestEnd?.(...told);
  }

  onInterim(...told: Told<"onInterim">): void {
    for (const observer of this.#observers) observer.onInterim?.(...told);
  }

  onHead(...told: Told<"onHead">): void {
    for (const observer of this.#observers) observer.onHead?.(...told);
  }

  onData(...told: Told<"onData">): void {
    for (const observer of this.#observers) observer.onData?.(...told);
  }

  onEnd(...told: Told<"onEnd">): void {
    for (const observer of this.#observers) observer.onEnd?.(...told);
  }

  onOver(...told: Told<"onOver">): void {
    for (const observer of this.#observers) observer.onOver?.(...told);
  }
}
