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
  flags: 11,
  bands: { top: 31, height: 24 },
  beats: { top: 77, height: 48 },
  silences: { top: 149, height: 88 },
  marks: { top: 258, height: 44 },
  height: 320
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
