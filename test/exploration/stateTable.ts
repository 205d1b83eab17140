/** A set of records of integers, each numbered in the order in which it was added, from 0 on. */

/** Records of one piece of memory. */
const chunk = 1 << 16

export class StateTable {
  size = 0
  private readonly chunks: Array<Int32Array> = []
  /** Numbers plus 1 by hash, 0 where there is none; at most half full. */
  private slots = new Int32Array(1 << 16)

  constructor(private readonly width: number) {}

  get(number: number): Int32Array {
    const at = (number % chunk) * this.width
    return this.chunkOf(number).subarray(at, at + this.width)
  }

  /** The number of an equal record, if there is one; otherwise it is added. */
  add(record: Int32Array): number {
    let slot = this.hash(record, 0)
    for (;;) {
      const number = (this.slots[slot] ?? 0) - 1
      if (number < 0) break
      if (this.equals(number, record)) return number
      slot = (slot + 1) & (this.slots.length - 1)
    }
    const number = this.size++
    if (number % chunk === 0) this.chunks.push(new Int32Array(chunk * this.width))
    this.chunkOf(number).set(record, (number % chunk) * this.width)
    this.slots[slot] = number + 1
    if (this.size * 2 > this.slots.length) this.grow()
    return number
  }

  private chunkOf(number: number): Int32Array {
    const found = this.chunks[Math.floor(number / chunk)]
    if (found === undefined) throw new Error(`there is no record ${number}`)
    return found
  }

  private equals(number: number, record: Int32Array): boolean {
    const words = this.chunkOf(number)
    const at = (number % chunk) * this.width
    for (let i = 0; i < this.width; i++) if (words[at + i] !== record[i]) return false
    return true
  }

  private hash(words: Int32Array, at: number): number {
    let hash = 0
    for (let i = 0; i < this.width; i++) {
      hash = Math.imul(hash ^ (words[at + i] ?? 0), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    return hash & (this.slots.length - 1)
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 2)
    for (let number = 0; number < this.size; number++) {
      let slot = this.hash(this.chunkOf(number), (number % chunk) * this.width)
      while (this.slots[slot] !== 0) slot = (slot + 1) & (this.slots.length - 1)
      this.slots[slot] = number + 1
    }
  }
}

/** A list of integers that grows. */
export class IntList {
  length = 0
  private values = new Int32Array(1 << 16)

  push(value: number): void {
    if (this.length === this.values.length) {
      const values = new Int32Array(this.values.length * 2)
      values.set(this.values)
      this.values = values
    }
    this.values[this.length++] = value
  }

  at(index: number): number {
    return this.values[index] ?? 0
  }
}
