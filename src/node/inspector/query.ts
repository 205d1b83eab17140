/** The parameters of the inspector's requests, each checked with a remedy in words. */
import * as Effect from "effect/Effect"
import { type Order, orders } from "./model.js"
import { Refused } from "./reply.js"

export type Parameters = URLSearchParams

const bad = (name: string, value: string, rule: string): Refused =>
  new Refused({ status: 400, reason: `${name}=${value.slice(0, 100)}: ${rule}` })

export const oneOf = <const Name extends string>(
  parameters: Parameters,
  name: string,
  names: ReadonlyArray<Name>,
  otherwise: Name
): Effect.Effect<Name, Refused> => {
  const value = parameters.get(name)
  if (value === null) return Effect.succeed(otherwise)
  const found = names.find((known) => known === value)
  return found === undefined ? bad(name, value, `give one of ${names.join(", ")}`) : Effect.succeed(found)
}

export const whole = (
  parameters: Parameters,
  name: string,
  range: { readonly from: number; readonly to: number; readonly otherwise: number }
): Effect.Effect<number, Refused> => {
  const text = parameters.get(name)
  if (text === null) return Effect.succeed(range.otherwise)
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  return value >= range.from && value <= range.to
    ? Effect.succeed(value)
    : bad(name, text, `give a whole number from ${range.from} to ${range.to}`)
}

export const text = (parameters: Parameters, name: string, longest: number): Effect.Effect<string, Refused> => {
  const value = parameters.get(name) ?? ""
  return value.length <= longest
    ? Effect.succeed(value)
    : bad(name, value, `give at most ${longest} characters, not ${value.length}`)
}

/** Which page of a table is asked for, and in which order. */
export interface Listing<Sort extends string> {
  readonly sort: Sort
  readonly order: Order
  /** In lower case; empty for everything. */
  readonly filter: string
  readonly page: number
  readonly size: number
}

export const listing = <const Sort extends string>(
  parameters: Parameters,
  sorts: ReadonlyArray<Sort>,
  byDefault: NoInfer<Sort>
): Effect.Effect<Listing<Sort>, Refused> =>
  Effect.all({
    sort: oneOf(parameters, "sort", sorts, byDefault),
    order: oneOf(parameters, "order", orders, "asc"),
    filter: Effect.map(text(parameters, "filter", 300), (filter) => filter.trim().toLowerCase()),
    page: whole(parameters, "page", { from: 1, to: 1_000_000_000, otherwise: 1 }),
    size: whole(parameters, "size", { from: 1, to: 200, otherwise: 50 })
  })
