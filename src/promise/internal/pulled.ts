/** A Stream as an async iterable, which is pulled an element at a time: what is processed is the reader's to say. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Runs an effect, until the signal is aborted. */
export type RunExit = <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal) => Promise<Exit.Exit<A, E>>

const over = { done: true, value: undefined } as const

/** Each loop runs the stream anew. One that is left, by `break` or by an exception, ends it well. */
export const pulled = <A, E>(stream: Stream.Stream<A, E>, run: RunExit): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: () => {
    const scope = Effect.runSync(Scope.make())
    const left = new AbortController()
    const opened = Effect.runSync(Effect.cached(Scope.extend(Stream.toPull(Stream.rechunk(stream, 1)), scope)))
    const pull = Effect.flatten(opened)
    let isOver = false

    const end = async (exit: Exit.Exit<unknown, unknown>): Promise<void> => {
      isOver = true
      await run(Scope.close(scope, exit))
    }

    const step = async (): Promise<IteratorResult<A, undefined>> => {
      if (isOver) return over
      const exit = await run(pull, left.signal)
      if (left.signal.aborted) return over
      if (Exit.isSuccess(exit)) {
        const [value] = exit.value
        return value === undefined && exit.value.length === 0 ? step() : { done: false, value: value as A } // there is one
      }
      const failure = Cause.failureOption(exit.cause)
      if (Option.isSome(failure) && Option.isNone(failure.value)) {
        await end(Exit.void)
        return over
      }
      await end(exit)
      throw Option.getOrElse(Option.flatten(failure), () => Cause.squash(exit.cause))
    }

    let latest: Promise<unknown> = Promise.resolve()
    return {
      // One after the other, whoever asks.
      next: () => {
        const result = latest.then(step, step)
        latest = result
        return result
      },
      return: async () => {
        if (isOver) return over
        left.abort()
        await end(Exit.void)
        return over
      }
    }
  }
})
