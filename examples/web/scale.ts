/** Where things are on the drawing. */
import type { Model } from "./model.js"

interface Lane {
  readonly top: number
  readonly height: number
}

/** In pixels, from the top. */
export const layout: { readonly height: number; readonly flags: number } & Record<
  "bands" | "beats" | "silences" | "marks",
  Lane
> = {
  flags: 13,
  bands: { top: 20, height: 26 },
  beats: { top: 68, height: 52 },
  silences: { top: 142, height: 92 },
  marks: { top: 256, height: 26 },
  height: 304
}

export interface Scale {
  readonly now: number
  /** Milliseconds that are drawn. */
  readonly span: number
  readonly from: number
  readonly width: number
  readonly x: (at: number) => number
  /** Height in the beats' lane: by the logarithm, for round trips are of 1 ms and of 3 s. */
  readonly roundTrip: (millis: number) => number
  /** Where a silence, or a delay, of so many milliseconds is in its lane. */
  readonly silence: (millis: number) => number
}

const longest = Math.log10(1 + 5000)

export const scaleOf = (model: Model, now: number, width: number): Scale => {
  const span = width < 520 ? 30_000 : 60_000
  const from = now - span
  const delays = model.spans.map(({ status }) => (status._tag === "Waiting" ? status.delay : 0))
  const most = Math.max(1, model.timing?.readDeadline ?? 0, ...delays)
  const { height, top } = layout.silences
  return {
    now,
    span,
    from,
    width,
    x: (at) => ((Math.min(now, Math.max(from, at)) - from) / span) * width,
    roundTrip: (millis) => 6 + Math.min(1, Math.log10(1 + millis) / longest) * (layout.beats.height - 12),
    silence: (millis) => top + height - (Math.min(most, millis) / most) * (height - 8)
  }
}
