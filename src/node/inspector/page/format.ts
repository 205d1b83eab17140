/** Figures for people: relative times, sizes, counts. */

const one = (value: number, unit: string) => `${value} ${unit}`

export const duration = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 120) return one(seconds, "s")
  if (seconds < 7200) return one(Math.round(seconds / 60), "min")
  if (seconds < 172_800) return one(Math.round(seconds / 3600), "h")
  return one(Math.round(seconds / 86_400), "d")
}

export const ago = (now: number, at: number): string => (now - at < 1000 ? "now" : `${duration(now - at)} ago`)

export const exact = (at: number): string => new Date(at).toISOString().replace("T", " ").replace("Z", " UTC")

export const clock = (at: number): string => new Date(at).toLocaleTimeString("en-GB")

export const bytes = (size: number): string => {
  if (size < 1000) return one(size, "B")
  if (size < 1_000_000) return one(Number((size / 1000).toPrecision(3)), "kB")
  return one(Number((size / 1_000_000).toPrecision(3)), "MB")
}

export const count = (value: number): string => value.toLocaleString("en-US")

/** Of an axis or a rate: no more digits than it needs. */
export const figure = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 })

export const messages = (value: { readonly messages: number; readonly bytes: number }): string =>
  value.messages === 0 ? "0" : `${count(value.messages)} (${bytes(value.bytes)})`

/** Enough of a random id to tell it from others at a glance. */
export const short = (id: string): string => (id.length <= 10 ? id : `${id.slice(0, 8)}…`)
