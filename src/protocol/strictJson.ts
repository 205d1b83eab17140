/** The JSON text of a publication: what both subprotocols can carry. */
import * as Either from "effect/Either"

/**
 * The depth to which arrays and objects may be nested: far below what exhausts the
 * stack of anybody who must walk through a publication, on whatever machine.
 */
const deepest = 128

const isWellFormed = (text: string): boolean => !/[\ud800-\udfff]/u.test(text)

/** Says what in a value has no JSON form that would come back as it is, in words. */
const flaw = (value: unknown, depth: number): string | undefined => {
  switch (typeof value) {
    case "string":
      return isWellFormed(value) ? undefined : "a lone surrogate is no text"
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${value} has no JSON form`
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? undefined : "an integer beyond 2^53 - 1"
    case "object":
      if (value === null) return undefined
      if (ArrayBuffer.isView(value)) return "bytes have no JSON form"
      if (depth === deepest) return `nested too deeply: more than ${deepest} arrays and objects in one another`
      return Array.isArray(value) ? flawOfItems(value, depth + 1) : flawOfFields(value, depth + 1)
    default:
      return `${typeof value} has no JSON form`
  }
}

const flawOfItems = (items: ReadonlyArray<unknown>, depth: number): string | undefined => {
  for (const item of items) {
    const found = flaw(item, depth)
    if (found !== undefined) return found
  }
  return undefined
}

const flawOfFields = (fields: object, depth: number): string | undefined => {
  for (const [name, value] of Object.entries(fields)) {
    const found = value === undefined ? undefined : (flaw(name, depth) ?? flaw(value, depth))
    if (found !== undefined) return found
  }
  return undefined
}

/** MessagePack's 64-bit integers, which were found to be safe ones. */
const narrow = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value)

export const make = (value: unknown): Either.Either<string, string> => {
  const found = flaw(value, 0)
  if (found !== undefined) return Either.left(found)
  try {
    return Either.right(JSON.stringify(value, narrow))
  } catch {
    return Either.left("its toJSON fails") // the application's
  }
}
