/** The messages that a session received, as a Stream that acknowledges what was processed. */
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import type { Inbound } from "../session/inbox.js"
import type { SessionDriver } from "../session/sessionDriver.js"

/**
 * A message is processed when the next one is pulled, or the consumer ends
 * well. What a consumer had in hand when it failed is put back for the next.
 */
export const make = <A>(
  driver: SessionDriver,
  decode: (body: unknown, seq: number) => Either.Either<A, MessageInvalid>,
  onInvalid: (error: MessageInvalid) => Effect.Effect<InvalidDecision>
): Stream.Stream<A> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      yield* driver.inbox.claim.scoped
      let taken: ReadonlyArray<Inbound> = []
      let at = 0
      let inHand: Inbound | undefined

      const keep = (batch: ReadonlyArray<Inbound>) => {
        taken = batch
        at = 0
      }

      const processed = () => {
        if (inHand === undefined) return
        driver.processed(inHand)
        driver.recorded(driver.state.processed, inHand.confirm)
        inHand = undefined
      }

      yield* Effect.addFinalizer((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) processed()
          driver.inbox.untake(inHand === undefined ? taken.slice(at) : [inHand, ...taken.slice(at)])
        })
      )

      const next: Effect.Effect<A, Option.Option<never>> = Effect.suspend(() => {
        processed()
        const message = taken[at]
        if (message === undefined) {
          return Effect.matchEffect(driver.inbox.take(keep), {
            onFailure: () => Effect.fail(Option.none()),
            onSuccess: () => next
          })
        }
        at++
        inHand = message
        const decoded = decode(message.body, message.seq)
        if (decoded._tag === "Right") return Effect.succeed(decoded.right)
        return Effect.flatMap(onInvalid(decoded.left), (decision) =>
          decision === "Continue" ? next : Effect.fail(Option.none())
        )
      })
      return Stream.repeatEffectOption(next)
    })
  )
