/** Writes MessagePack in its shortest forms, without extension types. */
import { deepestBody, tooDeep } from "../nestingDepth.js"

/** Why a value has no MessagePack form. Thrown; no Error, for nobody asks where. */
export class Unwritable {
  constructor(readonly reason: string) {}
}

const unwritable = (reason: string): never => {
  throw new Unwritable(reason)
}

/** A longer text is written by native code, whose every call costs more than this many turns of a loop. */
const shortText = 64
/** More is not held on to. */
const mostKept = 64 * 1024

const encoder = new TextEncoder()
const loneSurrogate = /[\ud800-\udfff]/u

const isBytes = (value: object): value is Uint8Array => value instanceof Uint8Array

const noForm = (value: object): boolean =>
  value instanceof Date ||
  value instanceof Set ||
  value instanceof RegExp ||
  value instanceof Error ||
  value instanceof ArrayBuffer ||
  ArrayBuffer.isView(value)

export class MsgpackWriter {
  private target = new Uint8Array(1024)
  private view = new DataView(this.target.buffer)
  private at = 0
  private depth = 0
  /** A text was written that has half a character, in place of which there is U+FFFD. */
  hasHalves = false

  start(): this {
    this.at = 0
    this.depth = 0
    this.hasHalves = false
    return this
  }

  /** Tells that a message's body follows. */
  inside(): this {
    this.depth = 1
    return this
  }

  /** The bytes that were written since `start`, and `tail`. */
  end(tail?: Uint8Array): Uint8Array {
    const { at, target } = this
    const written = target.subarray(0, at)
    if (target.length > mostKept) {
      this.target = new Uint8Array(1024)
      this.view = new DataView(this.target.buffer)
    }
    const whole = new Uint8Array(at + (tail?.length ?? 0))
    whole.set(written)
    if (tail !== undefined) whole.set(tail, at)
    return whole
  }

  private room(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.target.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.target.length))
    larger.set(this.target.subarray(0, this.at))
    this.target = larger
    this.view = new DataView(larger.buffer)
  }

  /** Writes bytes that are MessagePack already. */
  raw(bytes: Uint8Array): this {
    this.room(bytes.length)
    this.target.set(bytes, this.at)
    this.at += bytes.length
    return this
  }

  private byte(byte: number): void {
    this.room(1)
    this.target[this.at++] = byte
  }

  /** A token, and a number of `width` bytes. */
  private counted(token: number, width: 1 | 2 | 4, n: number): void {
    this.room(1 + width)
    const { at, view } = this
    this.target[at] = token
    if (width === 1) this.target[at + 1] = n
    else if (width === 2) view.setUint16(at + 1, n)
    else view.setUint32(at + 1, n)
    this.at = at + 1 + width
  }

  private wide(token: number): DataView {
    this.room(9)
    this.target[this.at] = token
    this.at += 9
    return this.view
  }

  value(value: unknown): this {
    switch (typeof value) {
      case "string":
        this.text(value)
        return this
      case "number":
        this.number(value)
        return this
      case "boolean":
        this.byte(value ? 0xc3 : 0xc2)
        return this
      case "object":
        if (value === null) this.byte(0xc0)
        else this.object(value)
        return this
      default:
        return unwritable(`${typeof value} has no MessagePack form`)
    }
  }

  number(n: number): void {
    // Not -0, which is no integer.
    if (!Number.isSafeInteger(n) || Object.is(n, -0)) this.wide(0xcb).setFloat64(this.at - 8, n)
    else if (n >= 0) this.count(n)
    else if (n >= -0x20) this.byte(n + 0x100)
    else if (n >= -0x80) this.counted(0xd0, 1, n)
    else if (n >= -0x8000) this.counted(0xd1, 2, n)
    else if (n >= -0x8000_0000) this.counted(0xd2, 4, n)
    else this.wide(0xd3).setBigInt64(this.at - 8, BigInt(n))
  }

  /** An integer from 0 on. */
  count(n: number): this {
    if (n < 0x80) this.byte(n)
    else if (n < 0x100) this.counted(0xcc, 1, n)
    else if (n < 0x1_0000) this.counted(0xcd, 2, n)
    else if (n < 0x1_0000_0000) this.counted(0xce, 4, n)
    else this.wide(0xcf).setBigUint64(this.at - 8, BigInt(n))
    return this
  }

  private text(text: string): void {
    const units = text.length
    if (units > shortText) return this.longText(text)
    this.room(2 + units)
    const { target } = this
    const start = this.at + (units < 0x20 ? 1 : 2)
    let all = 0
    for (let i = 0; i < units; i++) {
      const unit = text.charCodeAt(i)
      all |= unit
      target[start + i] = unit
    }
    if (all >= 0x80) return this.longText(text)
    this.textHead(units)
    this.at = start + units
  }

  /** Of a text's bytes; they fit. */
  private textHead(bytes: number): void {
    if (bytes < 0x20) this.byte(0xa0 | bytes)
    else if (bytes < 0x100) this.counted(0xd9, 1, bytes)
    else if (bytes < 0x1_0000) this.counted(0xda, 2, bytes)
    else this.counted(0xdb, 4, bytes)
  }

  private longText(text: string): void {
    this.room(5 + 3 * text.length)
    const { at } = this
    // After the largest head; it moves up when its own is known.
    const { written } = encoder.encodeInto(text, this.target.subarray(at + 5))
    if (written !== text.length && loneSurrogate.test(text)) this.hasHalves = true
    this.textHead(written)
    if (this.at < at + 5) this.target.copyWithin(this.at, at + 5, at + 5 + written)
    this.at += written
  }

  private object(value: object): void {
    if (isBytes(value)) return this.binary(value)
    if (this.depth > deepestBody) return unwritable(tooDeep)
    this.depth++
    if (Array.isArray(value)) this.items(value)
    else if (value instanceof Map) this.entries(value)
    else this.fields(value)
    this.depth--
  }

  private binary(bytes: Uint8Array): void {
    const { length } = bytes
    if (length < 0x100) this.counted(0xc4, 1, length)
    else if (length < 0x1_0000) this.counted(0xc5, 2, length)
    else this.counted(0xc6, 4, length)
    this.raw(bytes)
  }

  /** As in JSON, what is undefined is null. */
  private items(items: ReadonlyArray<unknown>): void {
    const { length } = items
    if (length < 0x10) this.byte(0x90 | length)
    else if (length < 0x1_0000) this.counted(0xdc, 2, length)
    else this.counted(0xdd, 4, length)
    for (let i = 0; i < length; i++) this.value(items[i] ?? null)
  }

  private entries(map: ReadonlyMap<unknown, unknown>): void {
    const fields: Array<readonly [string, unknown]> = []
    for (const [key, value] of map) {
      if (typeof key !== "string") return unwritable("a key that is no string has no form")
      fields.push([key, value])
    }
    this.mapHead(fields.length)
    for (const [key, value] of fields) {
      this.text(key)
      this.value(value)
    }
  }

  private mapHead(count: number): void {
    if (count < 0x10) this.byte(0x80 | count)
    else if (count < 0x1_0000) this.counted(0xde, 2, count)
    else this.counted(0xdf, 4, count)
  }

  private fields(object: object): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) {
      if (noForm(object))
        return unwritable("a Date, Set, RegExp, Error or the like has no form without an extension type")
      if ("toJSON" in object && typeof object.toJSON === "function") {
        const json: unknown = object.toJSON()
        if (json !== object) {
          this.value(json)
          return
        }
      }
    }
    const names = Object.keys(object)
    const head = this.at
    this.mapHead(names.length)
    let left = 0
    for (const name of names) {
      const value: unknown = (object as Record<string, unknown>)[name] // of its own
      // As in JSON, they are left out.
      if (value === undefined) left++
      else {
        this.text(name)
        this.value(value)
      }
    }
    if (left > 0) this.recount(head, names.length, names.length - left)
  }

  /** Of fewer fields than was thought: a head of the same size, for what follows stands. */
  private recount(head: number, thought: number, count: number): void {
    if (thought < 0x10) this.target[head] = 0x80 | count
    else if (thought < 0x1_0000) this.view.setUint16(head + 1, count)
    else this.view.setUint32(head + 1, count)
  }
}

/** Made anew only while another one writes: a toJSON may send something. */
let spare: MsgpackWriter | undefined = new MsgpackWriter()

export const written = <A>(write: (writer: MsgpackWriter) => A): A => {
  const writer = spare ?? new MsgpackWriter()
  spare = undefined
  try {
    return write(writer.start())
  } finally {
    spare = writer
  }
}
