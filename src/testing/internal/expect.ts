/** The looks of the laws: each fails with a `Breach`, which says what was looked at. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { difference, show } from "./compare.js"

/** A `LawBroken` that does not know its law yet. */
export class Breach extends Data.TaggedError("Breach")<{
  readonly did: string
  readonly expected: string
  readonly actual: string
}> {}

export const breach = (did: string, expected: string, actual: unknown): Effect.Effect<never, Breach> =>
  Effect.fail(new Breach({ did, expected, actual: show(actual) }))

/** The same structure: `undefined` in a field is the same as no such field. */
export const expectSame = (did: string, actual: unknown, expected: unknown): Effect.Effect<void, Breach> =>
  Effect.suspend(() => {
    const found = difference(actual, expected)
    if (found === undefined) return Effect.void
    const where = found.path === "" ? "" : `, at ${found.path}`
    return Effect.fail(new Breach({ did: `${did}${where}`, expected: found.expected, actual: found.actual }))
  })

export const expectThat = (
  did: string,
  holds: boolean,
  expected: string,
  actual: unknown
): Effect.Effect<void, Breach> => (holds ? Effect.void : breach(did, expected, actual))

/** That it fails, with an error that has these fields, and perhaps others. */
export const expectFailure = <E>(
  did: string,
  effect: Effect.Effect<unknown, E>,
  fields: { readonly [field: string]: unknown }
): Effect.Effect<void, Breach> =>
  Effect.flatMap(Effect.either(effect), (answer) => {
    if (Either.isRight(answer)) return breach(did, `a failure with ${show(fields)}`, "it succeeded")
    const error: unknown = answer.left
    const had = Object.fromEntries(Object.keys(fields).map((field) => [field, fieldOf(error, field)]))
    return difference(had, fields) === undefined ? Effect.void : breach(did, `a failure with ${show(fields)}`, error)
  })

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined
