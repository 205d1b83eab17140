/** One page of many rows: sorted by a key, those without one last, equal ones by their id, so that rows do not jump. */
import type { Order, Page } from "./model.js"

export type Key = string | number | undefined

export interface Keyed<A> {
  readonly key: Key
  readonly id: string
  readonly of: A
}

/** By UTF-16 units: the same everywhere, and ten times as fast as by a language's rules. */
const compare = (one: string | number, other: string | number): number => (one < other ? -1 : one > other ? 1 : 0)

const byKey =
  (sign: 1 | -1) =>
  (one: Keyed<unknown>, other: Keyed<unknown>): number => {
    if (one.key !== other.key) {
      if (one.key === undefined) return 1
      if (other.key === undefined) return -1
      const order = compare(one.key, other.key)
      if (order !== 0) return sign * order
    }
    return compare(one.id, other.id)
  }

export const pageOf = <A>(
  matching: Array<Keyed<A>>,
  total: number,
  asked: { readonly order: Order; readonly page: number; readonly size: number }
): Page<A> => {
  const { order, size } = asked
  matching.sort(byKey(order === "asc" ? 1 : -1))
  const pages = Math.max(1, Math.ceil(matching.length / size))
  const page = Math.min(asked.page, pages)
  const rows = matching.slice((page - 1) * size, page * size).map(({ of }) => of)
  return { rows, page, pages, size, matching: matching.length, total }
}
