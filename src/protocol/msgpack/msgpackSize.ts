/** Counts the bytes that `msgpackWriter` makes of a JSON value, without making them. */
import { byteLength } from "../Codec.js"

const ofCount = (count: number): number => (count < 0x10 ? 1 : count < 0x10000 ? 3 : 5)

const ofText = (text: string): number => {
  const bytes = byteLength(text)
  return bytes + (bytes < 0x20 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5)
}

const ofNumber = (n: number): number => {
  if (!Number.isSafeInteger(n) || Object.is(n, -0)) return 9
  if (n >= 0) return n < 0x80 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : n < 0x100000000 ? 5 : 9
  return n >= -0x20 ? 1 : n >= -0x80 ? 2 : n >= -0x8000 ? 3 : n >= -0x80000000 ? 5 : 9
}

const ofFields = (fields: object): number => {
  const entries = Object.entries(fields)
  return entries.reduce((size, [name, value]) => size + ofText(name) + msgpackSize(value), ofCount(entries.length))
}

export const msgpackSize = (value: unknown): number => {
  switch (typeof value) {
    case "string":
      return ofText(value)
    case "number":
      return ofNumber(value)
    case "object":
      if (value === null) return 1
      return Array.isArray(value)
        ? value.reduce((size: number, item: unknown) => size + msgpackSize(item), ofCount(value.length))
        : ofFields(value)
    default:
      return 1
  }
}
