/** What is drawn, lane by lane. */
import { seconds } from "./captions.js"
import type { Mark, Model, Span } from "./model.js"
import { layout, type Scale } from "./scale.js"

interface LaneProps {
  readonly model: Model
  readonly scale: Scale
}

const Title = ({ text, y }: { readonly text: string; readonly y: number }) => (
  <text class="title" x="0" y={y}>
    {text}
  </text>
)

const visible = ({ model, scale }: LaneProps): ReadonlyArray<Span> =>
  model.spans.filter(({ to }) => to === undefined || to > scale.from)

const endOf = (span: Span, scale: Scale): number => Math.min(span.to ?? scale.now, scale.now)

/** What fits, or nothing: six pixels a letter. */
const fitting = (width: number, ...texts: ReadonlyArray<string>): string =>
  texts.find((text) => text.length * 6.6 + 8 <= width) ?? ""

const labelOf = ({ status }: Span, width: number): string => {
  switch (status._tag) {
    case "Ready":
      return fitting(width, `Ready, connection ${status.generation}`, `Ready ${status.generation}`, "Ready")
    case "Waiting":
      return fitting(width, `Waiting ${seconds(status.delay)}`, seconds(status.delay))
    default:
      return fitting(width, status._tag)
  }
}

export const Bands = (props: LaneProps) => {
  const { scale } = props
  const { height, top } = layout.bands
  return (
    <g>
      {visible(props).map((span) => {
        const x = scale.x(span.from)
        const width = Math.max(1.5, scale.x(endOf(span, scale)) - x)
        return (
          <g key={span.from}>
            <rect
              class={`band ${span.status._tag}`}
              x={x}
              y={top}
              width={width}
              height={height}
              rx={Math.min(3, width / 2)}
            />
            <text class={`band-label ${span.status._tag}`} x={x + 5} y={top + height - 9}>
              {labelOf(span, width)}
            </text>
          </g>
        )
      })}
    </g>
  )
}

export const Beats = ({ model, scale }: LaneProps) => {
  const { height, top } = layout.beats
  const base = top + height
  const beats = model.beats.filter(({ at }) => at >= scale.from && at <= scale.now)
  const latest = beats.findLast(({ roundTrip }) => roundTrip !== undefined)
  return (
    <g>
      <Title
        text={latest === undefined ? "heartbeats" : `heartbeats: round trip ${latest.roundTrip || "under 1"} ms`}
        y={top - 7}
      />
      <line class="base" x1="0" x2={scale.width} y1={base} y2={base} />
      {beats.map(({ at, id, isLost, roundTrip }) => {
        const x = scale.x(at)
        // One that is on its way is as high as its time so far.
        const y = base - scale.roundTrip(roundTrip ?? (isLost ? 0 : scale.now - at))
        const state = roundTrip !== undefined ? "" : isLost ? " lost" : " pending"
        return (
          <g key={`${at} ${id}`} class={`beat${state}`}>
            <path d={`M${x} ${base} V${y}`} />
            <circle cx={x} cy={y} r="3" />
          </g>
        )
      })}
    </g>
  )
}

/** How long nothing had been heard, up and down: a point whenever it changes. */
const silenceOf = (span: Span, heards: ReadonlyArray<number>, scale: Scale): string => {
  const end = endOf(span, scale)
  const zero = scale.silence(0)
  let last = span.from
  const points = [`M${scale.x(last)} ${zero}`]
  const rise = (at: number) => {
    // What began before the drawing does is cut off at its edge.
    if (last < scale.from) points.push(`L${scale.x(last)} ${scale.silence(Math.max(0, scale.from - last))}`)
    points.push(`L${scale.x(at)} ${scale.silence(at - last)}`, `L${scale.x(at)} ${zero}`)
    last = at
  }
  for (const at of heards) {
    if (at <= last || at > end) continue
    if (at < scale.from) last = at
    else rise(at)
  }
  if (end > last) rise(end)
  return `${points.join(" ")} Z`
}

const delayOf = (span: Span, delay: number, scale: Scale): string => {
  const end = endOf(span, scale)
  const start = Math.max(span.from, scale.from)
  const at = (time: number) => scale.silence(Math.max(0, delay - (time - span.from)))
  const zero = scale.silence(0)
  return `M${scale.x(start)} ${zero} V${at(start)} L${scale.x(end)} ${at(end)} V${zero} Z`
}

export const Silences = (props: LaneProps) => {
  const { model, scale } = props
  const { top } = layout.silences
  const deadline = model.timing?.readDeadline
  const zero = scale.silence(0)
  const limit = deadline === undefined ? undefined : scale.silence(deadline)
  return (
    <g>
      <Title text="silence, against the deadline; and delays, running down" y={top - 7} />
      <line class="base" x1="0" x2={scale.width} y1={zero} y2={zero} />
      {visible(props).map((span) => {
        const { status } = span
        if (status._tag === "Ready") {
          return <path key={span.from} class="silence" d={silenceOf(span, model.heards, scale)} />
        }
        return status._tag === "Waiting" ? (
          <path key={span.from} class="delay" d={delayOf(span, status.delay, scale)} />
        ) : null
      })}
      {deadline !== undefined && limit !== undefined && (
        <>
          <line class="limit" x1="0" x2={scale.width} y1={limit} y2={limit} />
          <text class="limit-label" x={scale.width - 2} y={limit + 12} text-anchor="end">
            read deadline {seconds(deadline)}
          </text>
        </>
      )}
    </g>
  )
}

const Shape = ({ kind, x, y }: { readonly kind: Mark["kind"]; readonly x: number; readonly y: number }) => {
  switch (kind) {
    case "Sent":
      return <path class="mark Sent" d={`M${x} ${y - 5} l5 9 h-10 z`} />
    case "Acknowledged":
      return <circle class="mark Acknowledged" cx={x} cy={y} r="4" />
    case "Line":
      return <rect class="mark Line" x={x - 1.5} y={y - 5} width="3" height="10" />
    case "Replayed":
    case "Suppressed":
      return <path class={`mark ${kind}`} d={`M${x} ${y - 6} l6 6 l-6 6 l-6 -6 z`} />
  }
}

/** Each kind at a height of its own, for one follows the other at once. */
const heights: Record<Mark["kind"], number> = { Sent: 5, Replayed: 5, Acknowledged: 20, Suppressed: 20, Line: 35 }

export const Marks = ({ model, scale }: LaneProps) => {
  const { top } = layout.marks
  return (
    <g>
      <Title text="messages: sent; acknowledged; lines of the room" y={top - 8} />
      {model.marks
        .filter(({ at }) => at >= scale.from && at <= scale.now)
        .map(({ at, count, kind }, index) => {
          const x = scale.x(at)
          const y = top + heights[kind]
          return (
            <g key={`${at} ${kind} ${index}`}>
              <Shape kind={kind} x={x} y={y} />
              {count > 1 && (
                <text class="count" x={x + 8} y={y + 4}>
                  ×{count}
                </text>
              )}
            </g>
          )
        })}
    </g>
  )
}

const bottom = layout.silences.top + layout.silences.height

/** What the buttons did, above the states: each label beside the one before it. */
const Deeds = ({ model, scale }: LaneProps) => {
  const { bands, flags: y } = layout
  let free = 0
  return (
    <g>
      {model.flags.map((flag) => {
        if (flag._tag !== "Fault" || flag.at < scale.from || flag.at > scale.now) return null
        const x = scale.x(flag.at)
        const width = 14 + flag.label.length * 6.6
        const left = Math.min(Math.max(x, free), scale.width - width)
        free = left + width
        return (
          <g key={`${flag.at} ${flag.label}`} class="fault-flag">
            <path class="deed-line" d={`M${left + 2} ${y + 3} L${x} ${bands.top - 4} V${bottom}`} />
            <text x={left} y={y}>
              ⚡{flag.label}
            </text>
          </g>
        )
      })}
    </g>
  )
}

/** Resumes and resets, as different as they are. */
const Starts = ({ model, scale }: LaneProps) => {
  const { bands } = layout
  const y = bands.top - 8
  return (
    <g>
      {model.flags.map((flag) => {
        if (flag._tag !== "Start" || flag.at < scale.from || flag.at > scale.now) return null
        const x = scale.x(flag.at)
        const { start } = flag
        return (
          <g key={flag.at} class={`start-flag ${start._tag}`}>
            <line x1={x} x2={x} y1={bands.top - 4} y2={bottom} />
            {start._tag === "Reset" ? (
              <>
                <path class="start Reset" d={`M${x - 6} ${y - 6} l12 12 M${x + 6} ${y - 6} l-12 12`} />
                <text
                  x={x + (x > scale.width - 50 ? -10 : 10)}
                  y={y + 4}
                  text-anchor={x > scale.width - 50 ? "end" : "start"}
                >
                  reset
                </text>
              </>
            ) : (
              <path class={`start ${start._tag}`} d={`M${x} ${y - 6} l6 6 l-6 6 l-6 -6 z`} />
            )}
          </g>
        )
      })}
    </g>
  )
}

export const Flags = (props: LaneProps) => (
  <>
    <Deeds {...props} />
    <Starts {...props} />
  </>
)
