/**
 * Reads one message of MessagePack, in one pass: every count is covered by bytes that are there, texts are UTF-8, keys are
 * strings, and nothing is nested more deeply than a body may be. Extension types are refused.
 */
import { deepestBody, tooDeep } from "../nestingDepth.js"
import { RefusedBody } from "../refusedBody.js"

/** Why bytes are no message of MessagePack. Thrown; no Error, for nobody asks where. */
export class Flaw {
  constructor(readonly reason: string) {}
}

const flaw = (reason: string): never => {
  throw new Flaw(reason)
}

const tooShort = "it ends too early"
const noText = "a text that is not UTF-8"
const noKey = "a key that is no string"

export const beyondExact = "an integer beyond 2^53 - 1"

/** A longer text is read by native code, whose every call costs more than this many turns of a loop. */
const shortText = 24
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Keys that were met last, by their bytes: most come again and again. */
const keys: Array<string> = Array.from({ length: 256 }, () => "")

const number = new DataView(new ArrayBuffer(8))
const noBytes = new Uint8Array(0)

/** The smallest code point that takes one, two or three bytes more. */
const leastPoint = [0, 0x80, 0x800, 0x10000]

/** Room is made at once for so many items: of each of the arrays that are in one another, the last may be a lie. */
const mostRoom = 1024
const nothing: ReadonlyArray<unknown> = []

/** True when a key counts as an index, and one for which an engine may make room up to there. */
const isIndex = (name: string): boolean => {
  const first = name.charCodeAt(0)
  return first >= 0x31 && first <= 0x39 && /^\d{1,10}$/.test(name) && Number(name) > 8
}

/** The same fields in an object that takes no room for the indices below `index`: as the parser of JSON makes them. */
const sparse = (fields: Record<string, unknown>, index: string): Record<string, unknown> => {
  const made = JSON.parse(`{"${index}":0}`) as Record<string, unknown>
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(made, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return made
}

const isSame = (text: string, bytes: Uint8Array, from: number, length: number): boolean => {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false
  return true
}

export class MsgpackReader {
  private at = 0
  private depth = 0
  /** An integer was met that no number holds exactly. */
  private hasMet = false
  /** Of the body that was read last, in bytes. */
  bodySize = 0

  private skips = false

  /** `known` are the message's fields that are not ignored. */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly known: ReadonlySet<string>
  ) {}

  /** The one value that the bytes are. A body with integers that no number holds is an `RefusedBody`; elsewhere they are bigints. */
  message(): unknown {
    const byte = this.next()
    const isLarge = byte === 0xde || byte === 0xdf
    const count = isLarge ? this.unsigned(2 << (byte - 0xde)) : byte & 0x0f
    const value = isLarge || (byte & 0xf0) === 0x80 ? this.fields(count, true) : this.value(byte)
    if (this.at < this.bytes.length) flaw("more than one value")
    return value
  }

  private next(): number {
    return this.bytes[this.at++] ?? flaw(tooShort)
  }

  private unsigned(width: number): number {
    let n = 0
    for (; width > 0; width--) n = n * 0x100 + this.next()
    return n
  }

  private value(byte: number): unknown {
    if (byte < 0x80) return byte
    if (byte >= 0xe0) return byte - 0x100
    if (byte < 0x90) return this.fields(byte & 0x0f, false)
    if (byte < 0xa0) return this.items(byte & 0x0f)
    if (byte < 0xc0) return this.text(byte & 0x1f)
    switch (byte) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.binary(this.unsigned(1 << (byte - 0xc4)))
      case 0xca:
        number.setUint32(0, this.unsigned(4))
        return number.getFloat32(0)
      case 0xcb:
        number.setUint32(0, this.unsigned(4))
        number.setUint32(4, this.unsigned(4))
        return number.getFloat64(0)
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.unsigned(1 << (byte - 0xcc))
      case 0xcf:
        return this.integer64(this.unsigned(4))
      case 0xd0:
        return (this.unsigned(1) << 24) >> 24
      case 0xd1:
        return (this.unsigned(2) << 16) >> 16
      case 0xd2:
        return this.unsigned(4) | 0
      case 0xd3:
        return this.integer64(this.unsigned(4) | 0)
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(1 << (byte - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.items(this.unsigned(2 << (byte - 0xdc)))
      case 0xde:
      case 0xdf:
        return this.fields(this.unsigned(2 << (byte - 0xde)), false)
      case 0xc1:
        return flaw("a byte that begins no value")
      default:
        return flaw("an extension type")
    }
  }

  private integer64(high: number): number | bigint {
    const low = this.unsigned(4)
    const n = high * 0x1_0000_0000 + low
    if (Number.isSafeInteger(n)) return n
    this.hasMet = true
    return BigInt(high) * 0x1_0000_0000n + BigInt(low)
  }

  /** Reads `length` more bytes. */
  private take(length: number): Uint8Array {
    const from = this.at
    this.at += length
    if (this.at > this.bytes.length) flaw(tooShort)
    return this.bytes.subarray(from, this.at)
  }

  /** A copy: what it came in may be much larger. */
  private binary(length: number): Uint8Array {
    return length === 0 ? noBytes : new Uint8Array(this.take(length))
  }

  private text(length: number): string {
    if (length <= shortText) return this.short(length)
    try {
      return decoder.decode(this.take(length))
    } catch (error) {
      return error instanceof Flaw ? flaw(error.reason) : flaw(noText)
    }
  }

  private short(length: number): string {
    const { bytes } = this
    const from = this.at
    const end = from + length
    if (end > bytes.length) return flaw(tooShort)
    this.at = end
    let text = ""
    let all = 0
    let at = from
    for (; at + 4 <= end; at += 4) {
      const a = bytes[at] ?? 0
      const b = bytes[at + 1] ?? 0
      const c = bytes[at + 2] ?? 0
      const d = bytes[at + 3] ?? 0
      all |= a | b | c | d
      text += String.fromCharCode(a, b, c, d)
    }
    for (; at < end; at++) {
      const a = bytes[at] ?? 0
      all |= a
      text += String.fromCharCode(a)
    }
    return all < 0x80 ? text : this.points(from, end)
  }

  /** A short text with characters beyond ASCII. */
  private points(from: number, end: number): string {
    const { bytes } = this
    let text = ""
    for (let at = from; at < end; ) {
      const first = bytes[at++] ?? 0
      const more = first < 0x80 ? 0 : first < 0xc0 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf8 ? 3 : -1
      if (more < 0 || at + more > end) return flaw(noText)
      let point = more === 0 ? first : first & (0x3f >> more)
      for (const last = at + more; at < last; at++) {
        const byte = bytes[at] ?? 0
        if ((byte & 0xc0) !== 0x80) return flaw(noText)
        point = (point << 6) | (byte & 0x3f)
      }
      const isSurrogate = point >= 0xd800 && point <= 0xdfff
      if (point < (leastPoint[more] ?? 0) || point > 0x10ffff || isSurrogate) return flaw(noText)
      text += String.fromCodePoint(point)
    }
    return text
  }

  private key(): string {
    const byte = this.next()
    if (byte >= 0xa0 && byte < 0xb8) return this.metKey(byte & 0x1f)
    return (byte >= 0xb8 && byte < 0xc0) || (byte >= 0xd9 && byte <= 0xdb) ? (this.value(byte) as string) : flaw(noKey) // of a text's token
  }

  /** A short key, which may have been met before. */
  private metKey(length: number): string {
    const { at, bytes } = this
    let hash = length
    for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0
    hash = (hash ^ (hash >>> 8)) & 0xff
    const found = keys[hash] ?? ""
    if (isSame(found, bytes, at, length)) {
      this.at += length
      return found
    }
    const key = this.short(length)
    // Of ASCII: of others the bytes are not the characters.
    if (key.length === length) keys[hash] = key
    return key
  }

  private enter(count: number): void {
    // Each takes a byte at least.
    if (count > this.bytes.length - this.at) flaw(tooShort)
    if (this.depth++ > deepestBody) flaw(tooDeep)
  }

  private items(count: number): ReadonlyArray<unknown> {
    this.enter(count)
    if (count === 0) {
      this.depth--
      return []
    }
    if (this.skips) {
      for (; count > 0; count--) this.value(this.next())
      this.depth--
      return nothing
    }
    const items: Array<unknown> = count <= mostRoom ? new Array(count) : []
    for (let at = 0; at < count; at++) items[at] = this.value(this.next())
    this.depth--
    return items
  }

  private fields(count: number, areOfMessage: boolean): Record<string, unknown> {
    this.enter(2 * count)
    let fields: Record<string, unknown> = {}
    let isSparse = false
    for (; count > 0; count--) {
      const name = this.key()
      if (areOfMessage && !this.known.has(name)) {
        this.skip()
        continue
      }
      const value = areOfMessage && name === "body" ? this.body() : this.value(this.next())
      if (this.skips) continue
      if (!isSparse && isIndex(name)) {
        isSparse = true
        fields = sparse(fields, name)
      }
      if (name !== "__proto__") fields[name] = value
      else Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true })
    }
    this.depth--
    return fields
  }

  /** Skips a value that is ignored: it has to be in order, and is not made. */
  private skip(): void {
    this.skips = true
    this.value(this.next())
    this.skips = false
  }

  private body(): unknown {
    const from = this.at
    this.hasMet = false
    const value = this.value(this.next())
    this.bodySize = this.at - from
    return this.hasMet ? new RefusedBody("invalid-publication", beyondExact) : value
  }
}
