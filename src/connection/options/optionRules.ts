/** The rules that every duration and every count among the options keeps. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOption } from "../../protocol/ConnectionError.js"

/** A Node timer's longest delay: a longer one fires at once. */
const longest = 2 ** 31 - 1

/** 1 GiB, or as many messages: `ws` counts in 32 bits. */
const largest = 2 ** 30

/** A duration in whole milliseconds; zero ("at once", "not at all") only where it `mayBeZero`. */
export const millisOf = (
  option: string,
  value: Duration.DurationInput,
  mayBeZero = false
): Effect.Effect<number, InvalidOption> => {
  const refuse = (shown: string, rule: string) => Effect.fail(new InvalidOption({ option, value: shown, rule }))
  // Decoding would turn NaN and negatives into zero.
  if (typeof value === "string" && value.trim().startsWith("-")) return refuse(value, "a duration of zero or more")
  const given =
    typeof value === "number" ? Option.some(value) : Option.map(Duration.decodeUnknown(value), Duration.toMillis)
  if (Option.isNone(given)) {
    return refuse(JSON.stringify(value) ?? String(value), 'a duration, such as "30 seconds" or milliseconds')
  }
  const millis = given.value
  if (Number.isNaN(millis) || millis < 0) return refuse(`${millis} ms`, "a duration of zero or more")
  if (millis > longest) return refuse(`${millis} ms`, `at most ${longest} ms (24.8 days), the longest timer there is`)
  if (millis < 1 && !mayBeZero) return refuse(`${millis} ms`, "at least 1 ms")
  return Effect.succeed(Math.round(millis))
}

/** A whole number of at least one. */
export const countOf = (option: string, value: number): Effect.Effect<number, InvalidOption> =>
  Number.isSafeInteger(value) && value >= 1 && value <= largest
    ? Effect.succeed(value)
    : Effect.fail(
        new InvalidOption({ option, value: String(value), rule: `a whole number of at least 1 and at most ${largest}` })
      )

/** The default of `suspectAfter`, in milliseconds as the interval is. */
export const suspectAfterOf = (heartbeatInterval: number): number => Math.max(1, Math.round(heartbeatInterval / 3))
