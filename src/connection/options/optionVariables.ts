/** Options as variables of the environment: what each is read as, and which names are misspelt. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const prefix = "HOLDFAST"

/** `readDeadline` is `READ_DEADLINE`. */
const nameOf = (option: string): string => option.replaceAll(/[A-Z]/g, "_$&").toUpperCase()

/** Says the whole name: the path of an error is written in another way. */
const refused = (name: string, reason: string) => ConfigError.InvalidData([], `${prefix}_${name}: ${reason}`)

const duration = Schema.NonEmptyString.pipe(
  Schema.filter((text): text is Duration.DurationInput & string => Option.isSome(Duration.decodeUnknown(text)), {
    message: ({ actual }) => `${JSON.stringify(actual)} is not a duration, such as "30 seconds"`
  })
)

const count = Schema.NumberFromString.pipe(
  Schema.int(),
  Schema.annotations({
    message: ({ actual }) => ({ message: `${JSON.stringify(actual)} is not a whole number`, override: true })
  })
)

/** What is absent or empty is not there. */
const variable = <A>(option: string, schema: Schema.Schema<A, string>): Config.Config<Option.Option<unknown>> => {
  const decode = Schema.decodeEither(schema)
  return Config.option(
    Config.mapOrFail(Config.nonEmptyString(nameOf(option)), (text) =>
      Either.mapLeft(decode(text), ({ message }) => refused(nameOf(option), message))
    )
  )
}

/** Every name that there is below, whatever its value: where names are split at each `_`, they are a tree. */
const names: Config.Config<ReadonlyArray<string>> = Config.hashMap(
  Config.all([Config.option(Config.string()), Config.suspend(() => names)])
).pipe(
  Config.map((children) =>
    [...children].flatMap(([name, [value, below]]) => [
      ...(Option.isSome(value) ? [name] : []),
      ...below.map((rest) => `${name}_${rest}`)
    ])
  )
)

/** Letters to insert, delete or replace to make one of the other (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** More is another word: what a program or a platform calls its own variables is its affair. */
const farthest = 3

const misspelt = (
  found: ReadonlyArray<string>,
  known: ReadonlyArray<string>
): { readonly name: string; readonly meant: string } | undefined => {
  for (const name of found) {
    if (known.includes(name)) continue
    const meant = known.find((one) => distance(name, one) <= Math.min(farthest, name.length / 3))
    if (meant !== undefined) return { name, meant }
  }
  return undefined
}

/** The options that are there, as `resolve` takes them; fails of a name that is nearly one of them. */
export const read = <D extends string, C extends string>(
  durations: ReadonlyArray<D>,
  counts: ReadonlyArray<C>
): Config.Config<{ readonly [K in D]?: Duration.DurationInput } & { readonly [K in C]?: number }> => {
  const known = [...durations, ...counts]
  const variables = Config.all([
    ...durations.map((option) => variable(option, duration)),
    ...counts.map((option) => variable(option, count))
  ])
  return Config.nested(Config.all([variables, names]), prefix).pipe(
    Config.mapOrFail(([values, found]) => {
      const wrong = misspelt(found, known.map(nameOf))
      if (wrong !== undefined) {
        return Either.left(refused(wrong.name, `there is no such option; ${prefix}_${wrong.meant} is one`))
      }
      const present = known.flatMap((option, at) => {
        const value = values[at]
        return value !== undefined && Option.isSome(value) ? [[option, value.value]] : []
      })
      return Either.right(Object.fromEntries(present) as never) // each value is what its own Schema gave
    })
  )
}
