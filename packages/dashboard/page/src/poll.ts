import { signal, useSignal } from "@preact/signals";
import { ApiProblem, messageOf } from "mcp-tunnel-page/api.ts";
import { useEffect, useRef } from "preact/hooks";
import { access, getJson, signOut } from "./api.ts";

/** From one answer to the next question, in milliseconds. */
const restMs = 2_000;
/** The same for many tunnels, for which the relay has to look at each one. */
const longRestMs = 5_000;
const manyTunnels = 1_000;
/** The same for a page that nobody looks at. It goes on, so that its charts have no hole. */
const hiddenRestMs = 15_000;
/** A relay that takes longer does not answer. */
const answerMs = 10_000;

/** The user wants what is shown to stand still (WCAG 2.2.2). */
export const isPaused = signal(false);

/** How long to rest before the next question, `count` tunnels being looked at for each. */
function restOf(count: number): number {
  if (document.hidden) return hiddenRestMs;
  return count > manyTunnels ? longRestMs : restMs;
}

export interface PollOptions<T> {
  readonly path: string;
  readonly onData: (data: T) => void;
  readonly onProblem: (problem: ApiProblem) => void;
  /** How many tunnels the relay looks at for an answer. */
  readonly count: () => number;
}

/** A question that is asked again and again. */
export interface Poll {
  /** Asks now, and is done when what has come is shown. An answer that is awaited then is not waited for. */
  readonly refresh: () => Promise<void>;
  readonly stop: () => void;
}

/** Asks at once, and again some time after each answer, as long as nobody stops it. */
export function startPoll<T>({ path, onData, onProblem, count }: PollOptions<T>): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked: AbortController | undefined;

  async function ask(): Promise<void> {
    clearTimeout(timer);
    asked?.abort();
    const own = new AbortController();
    asked = own;
    try {
      const data = await getJson<T>(path, AbortSignal.any([own.signal, AbortSignal.timeout(answerMs)]));
      if (!own.signal.aborted) onData(data);
    } catch (error) {
      if (!own.signal.aborted) onProblem(problemOf(error));
    }
    if (!own.signal.aborted) rest();
  }

  function rest(): void {
    if (isPaused.peek() || access.peek() !== "ok") return;
    timer = setTimeout(() => void ask(), restOf(count()));
  }

  // Whoever comes back to the page wants to see what is now.
  const onVisible = (): void => {
    if (!document.hidden && !isPaused.peek()) void ask();
  };
  document.addEventListener("visibilitychange", onVisible);
  const stopFollowing = isPaused.subscribe((paused) => {
    if (paused) clearTimeout(timer);
    else void ask();
  });
  // What was just subscribed to has asked, unless all is paused. The first answer is needed anyway.
  if (isPaused.peek()) void ask();

  return {
    refresh: ask,
    stop() {
      clearTimeout(timer);
      asked?.abort();
      stopFollowing();
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}

function problemOf(error: unknown): ApiProblem {
  const problem =
    error instanceof ApiProblem
      ? error
      : new ApiProblem("unreachable", 0, error instanceof DOMException ? "" : messageOf(error));
  // The relay was started again, and has no secret now. The page for signing in says what to do.
  if (problem.code === "secret_required") signOut();
  return problem;
}

export interface Polled<T> {
  /** The last answer. It stays while there is no newer one. */
  readonly data: T | undefined;
  /** Why there is no newer one. */
  readonly problem: ApiProblem | undefined;
  readonly refresh: () => Promise<void>;
}

export interface UsePollOptions<T> {
  readonly count?: (data: T) => number;
  /** Hears of each answer before it is shown. */
  readonly onData?: (data: T) => void;
}

/** Polls a path of the API for as long as the component is shown. Undefined: nothing is asked. */
export function usePoll<T>(path: string | undefined, { count, onData }: UsePollOptions<T> = {}): Polled<T> {
  const data = useSignal<T | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const poll = useRef<Poll | undefined>(undefined);
  useEffect(() => {
    if (path === undefined) return undefined;
    poll.current = startPoll<T>({
      path,
      onData(answer) {
        onData?.(answer);
        data.value = answer;
        problem.value = undefined;
      },
      onProblem(met) {
        problem.value = met;
      },
      count: () => (data.peek() === undefined ? 0 : (count?.(data.peek() as T) ?? 0)),
    });
    return () => poll.current?.stop();
  }, [path]);
  return { data: data.value, problem: problem.value, refresh: async () => await poll.current?.refresh() };
}
