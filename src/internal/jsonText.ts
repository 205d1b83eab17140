/** The JSON text of a publication: what both subprotocols can carry. */
import * as Either from "effect/Either"

/** What in a value has no JSON form that would come back as it is, in words. */
const flaw = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${value} has no JSON form`
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? undefined : `${value} is beyond JSON's exact integers`
    case "object":
      if (value === null) return undefined
      if (Array.isArray(value)) return firstFlaw(value)
      if (ArrayBuffer.isView(value)) return "bytes have no JSON form"
      return firstFlaw(Object.values(value).filter((inner) => inner !== undefined))
    default:
      return `${typeof value} has no JSON form`
  }
}

const firstFlaw = (values: ReadonlyArray<unknown>): string | undefined => {
  for (const value of values) {
    const found = flaw(value)
    if (found !== undefined) return found
  }
  return undefined
}

/** MessagePack's 64-bit integers, which were found to be safe ones. */
const narrow = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value)

export const make = (value: unknown): Either.Either<string, string> => {
  try {
    const found = flaw(value)
    return found === undefined ? Either.right(JSON.stringify(value, narrow)) : Either.left(found)
  } catch (error) {
    // A cycle, or more nesting than the stack takes.
    return Either.left(error instanceof RangeError ? "nested too deeply" : String(error))
  }
}
