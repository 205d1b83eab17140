/** Runs a handler over what a session received, and acknowledges what it has processed. */
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import { isSuccess } from "../connection/syncEffect.js"
import type { MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import type { Inbound } from "../session/inbox.js"
import type { SessionDriver } from "../session/sessionDriver.js"

/** A message is processed when the handler has succeeded. What it was in when it failed is put back for the next. */
export const make =
  <A>(
    driver: SessionDriver,
    decode: (body: unknown, seq: number) => Either.Either<A, MessageInvalid>,
    onInvalid: (error: MessageInvalid) => Effect.Effect<InvalidDecision>
  ) =>
  <E, R>(handle: (message: A) => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> => {
    const run = Effect.suspend(() => {
      let taken: ReadonlyArray<Inbound> = []
      let at = 0
      let isOver = false

      const keep = (batch: ReadonlyArray<Inbound>) => {
        taken = batch
        at = 0
      }

      const handled = (message: Inbound): Effect.Effect<void, E, R> => {
        const decoded = decode(message.body, message.seq)
        if (decoded._tag === "Right") return handle(decoded.right)
        return Effect.map(onInvalid(decoded.left), (decision) => {
          isOver = decision === "End"
        })
      }

      const processed = (message: Inbound): void => {
        at++
        driver.processed(message)
        driver.recorded(driver.state.processed, message.confirm)
      }

      const next: Effect.Effect<void, E, R> = Effect.suspend(() => {
        while (!isOver) {
          const message = taken[at]
          if (message === undefined) {
            return Effect.matchEffect(driver.inbox.take(keep), { onFailure: () => Effect.void, onSuccess: () => next })
          }
          const handling = handled(message)
          if (!isSuccess(handling)) {
            return Effect.flatMap(handling, () => {
              processed(message)
              return next
            })
          }
          processed(message)
        }
        return Effect.void
      })
      return Effect.ensuring(
        next,
        Effect.sync(() => driver.inbox.untake(taken.slice(at)))
      )
    })
    return driver.inbox.claim.during(run)
  }
