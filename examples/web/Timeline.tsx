/** The last minute, drawn: states, heartbeats, the silence that grows towards the deadline, and what passed. */
import { useEffect, useRef, useState } from "preact/hooks"
import { seconds } from "./captions.js"
import { Bands, Beats, Flags, Marks, Silences } from "./lanes.js"
import type { Model } from "./model.js"
import { layout, type Scale, scaleOf } from "./scale.js"

const useWidth = () => {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const { current } = box
    if (current === null) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    observer.observe(current)
    return () => observer.disconnect()
  }, [])
  return [box, width] as const
}

/** A grid line each 10 seconds, at whole ones ago. */
const Axis = ({ scale }: { readonly scale: Scale }) => {
  const step = scale.span > 30_000 ? 10_000 : 5000
  const ticks = Array.from({ length: Math.floor(scale.span / step) + 1 }, (_, i) => i * step)
  return (
    <g class="axis">
      {ticks.map((ago) => {
        const x = scale.x(scale.now - ago)
        return (
          <g key={ago}>
            <line x1={x} x2={x} y1={layout.bands.top} y2={layout.height - 16} />
            <text x={x} y={layout.height - 3} text-anchor={ago === 0 ? "end" : ago === scale.span ? "start" : "middle"}>
              {ago === 0 ? "now" : `−${ago / 1000} s`}
            </text>
          </g>
        )
      })}
    </g>
  )
}

const summary = (model: Model): string => {
  const answered = model.beats.filter(({ roundTrip }) => roundTrip !== undefined).length
  return `Timeline: ${model.status._tag} now; ${answered} of the last ${model.beats.length} heartbeats answered, the latest in ${model.roundTrip ?? "no"} ms; silence limit ${seconds(model.timing?.readDeadline ?? 0)}.`
}

export const Timeline = ({ model, now }: { readonly model: Model; readonly now: number }) => {
  const [box, width] = useWidth()
  const scale = scaleOf(model, now, width)
  return (
    <div ref={box} class="timeline" style={{ height: `${layout.height}px` }}>
      {width > 0 && (
        <svg width={width} height={layout.height} role="img" aria-label={summary(model)}>
          <Axis scale={scale} />
          <Bands model={model} scale={scale} />
          <Beats model={model} scale={scale} />
          <Silences model={model} scale={scale} />
          <Marks model={model} scale={scale} />
          <Flags model={model} scale={scale} />
        </svg>
      )}
    </div>
  )
}
