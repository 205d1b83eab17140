/** Values as numbers: equal values have the same, different ones never. */

/** Numbers the keys that it is shown, from 1 on, and keeps what each was the key of. */
export class Pool<A> {
  private readonly values: Array<A> = []
  private readonly byKey = new Map<number | string, number>()

  constructor(private readonly keyOf: (value: A) => number | string) {}

  number(value: A): number {
    const key = this.keyOf(value)
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    this.values.push(value)
    this.byKey.set(key, this.values.length)
    return this.values.length
  }

  value(number: number): A {
    const value = this.values[number - 1]
    if (value === undefined) throw new Error(`nothing has the number ${number}`)
    return value
  }
}

/** A pool of objects, which knows those that it has given out by identity. */
export class ObjectPool<A extends object> extends Pool<A> {
  private readonly kept = new WeakMap<A, number>()

  override number(value: A): number {
    const kept = this.kept.get(value)
    if (kept !== undefined) return kept
    const number = super.number(value)
    if (this.value(number) === value) this.kept.set(value, number)
    return number
  }
}

/** Digits of a number; each must be below its base, and all together below 2^53. */
export class Digits {
  private total = 0
  private room = 1

  /** `value` is at least 0. */
  add(value: number, base: number): this {
    if (!(value >= 0 && value < base)) throw new Error(`${value} is no digit of base ${base}`)
    this.total += value * this.room
    this.room *= base
    return this
  }

  /** The number; the digits begin anew. */
  take(): number {
    if (this.room > Number.MAX_SAFE_INTEGER) throw new Error("too many digits for a number")
    const { total } = this
    this.total = 0
    this.room = 1
    return total
  }
}

/** A list of digits as one key: a number as long as it fits, and words after that. */
export const keyOfList = (digits: ReadonlyArray<number>, base: number): number | string => {
  let total = 0
  let room = 1
  for (const digit of digits) {
    total += (digit + 1) * room
    room *= base
    if (room > Number.MAX_SAFE_INTEGER) return digits.join(",")
  }
  return total
}
