/** Asks again and again: the latest answer, and what went wrong since. */
import { useEffect, useState } from "preact/hooks"
import { get } from "./api.js"

export interface Polled<A> {
  /** The last answer, stale while there is an `error`; undefined before the first. */
  readonly data: A | undefined
  /** When it came, on this machine's clock. */
  readonly at: number
  readonly error: string | undefined
}

/** Long enough for a busy gateway, and short enough to say so. */
const patience = 10_000

/**
 * Asks for `path()` every `interval` milliseconds, the next time after the answer, and at once when `key` changes; never
 * while paused. `accept` makes what is shown of an answer and of what was shown before.
 */
export const usePoll = <A, B = A>(
  key: string,
  interval: number,
  paused: boolean,
  path: (shown: B | undefined) => string = () => key,
  accept: (answer: A, shown: B | undefined) => B = (answer) => answer as unknown as B // B is A by default
): Polled<B> => {
  const [polled, setPolled] = useState<Polled<B>>({ data: undefined, at: 0, error: undefined })
  useEffect(() => {
    if (paused) return
    const ended = new AbortController()
    let timer: ReturnType<typeof setTimeout>
    let shown: B | undefined = polled.data
    const run = async () => {
      try {
        const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(patience)])
        const answer = accept(await get<A>(path(shown), signal), shown)
        if (ended.signal.aborted) return
        shown = answer
        // A page's own time: there is no Effect in it, nor a Clock.
        setPolled({ data: answer, at: Date.now(), error: undefined })
      } catch (cause) {
        if (ended.signal.aborted) return
        const isSlow = cause instanceof DOMException && cause.name === "TimeoutError"
        const error = isSlow ? "the gateway takes too long to answer" : cause instanceof Error ? cause.message : "?"
        setPolled((before) => ({ ...before, error }))
      }
      timer = setTimeout(run, interval)
    }
    void run()
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, [key, interval, paused])
  return polled
}
