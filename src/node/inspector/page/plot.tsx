/** A plot of figures over the last five minutes, drawn in SVG at the size that it has. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { Sample } from "../model.js"
import { clock, figure } from "./format.js"

export interface Series {
  readonly name: string
  readonly of: (sample: Sample) => number
}

const height = 170
const margin = { top: 10, right: 12, bottom: 22, left: 46 }
/** Milliseconds. */
const span = 300_000
const minute = 60_000

/** A round number not below the greatest value, in as many steps as can be read. */
const scaleOf = (greatest: number): { readonly top: number; readonly step: number } => {
  const rough = Math.max(1, greatest) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 1)
  return { top: Math.max(1, Math.ceil(greatest / step)) * step, step }
}

const useWidth = () => {
  const ref = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(480)
  useEffect(() => {
    const { current } = ref
    if (current === null) return
    const observer = new ResizeObserver(() => setWidth(Math.max(200, current.clientWidth)))
    observer.observe(current)
    return () => observer.disconnect()
  }, [])
  return { ref, width }
}

export const Plot = (props: {
  readonly title: string
  readonly testId: string
  readonly series: ReadonlyArray<Series>
  readonly samples: ReadonlyArray<Sample>
}) => {
  const { samples, series } = props
  const { ref, width } = useWidth()
  const [pointed, setPointed] = useState<number | undefined>(undefined)
  const end = samples.at(-1)?.at ?? 0
  const { step, top } = scaleOf(Math.max(0, ...samples.flatMap((sample) => series.map(({ of }) => of(sample)))))
  const x = (at: number) => margin.left + (1 - (end - at) / span) * (width - margin.left - margin.right)
  const y = (value: number) => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom)
  const atPointer = (event: PointerEvent & { readonly currentTarget: Element }) => {
    const offset = event.clientX - event.currentTarget.getBoundingClientRect().left
    const at = end - span * (1 - (offset - margin.left) / (width - margin.left - margin.right))
    setPointed(at)
  }
  const nearest =
    pointed === undefined
      ? undefined
      : samples.reduce<Sample | undefined>(
          (best, sample) =>
            best === undefined || Math.abs(sample.at - pointed) < Math.abs(best.at - pointed) ? sample : best,
          undefined
        )
  const shown = nearest ?? samples.at(-1)
  const values = series.map(({ name, of }) => `${name} ${shown === undefined ? "–" : figure(of(shown))}`)
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step)
  const minutes = Array.from({ length: 6 }, (_, at) => at).filter((at) => width >= 320 || at % 2 === 0)
  return (
    <figure class="plot" data-testid={props.testId}>
      <figcaption>
        <h3>{props.title}</h3>
        <p class="legend">
          {series.map(({ name, of }, at) => (
            <span key={name} class={`key series-${at}`}>
              <svg width="22" height="10" aria-hidden="true">
                <line x1="1" x2="21" y1="5" y2="5" class={`line series-${at}`} />
              </svg>
              {name} <strong>{shown === undefined ? "–" : figure(of(shown))}</strong>
            </span>
          ))}
          <span class="quiet">{nearest === undefined ? "" : `at ${clock(nearest.at)}`}</span>
        </p>
      </figcaption>
      <div ref={ref}>
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={`${props.title}: ${values.join(", ")}`}
          onPointerMove={atPointer}
          onPointerLeave={() => setPointed(undefined)}
        >
          {ticks.map((value) => (
            <g key={value}>
              <line class="grid" x1={margin.left} x2={width - margin.right} y1={y(value)} y2={y(value)} />
              <text class="tick" x={margin.left - 6} y={y(value) + 4} text-anchor="end">
                {figure(value)}
              </text>
            </g>
          ))}
          {minutes.map((at) => (
            <text
              key={at}
              class="tick"
              x={x(end - at * minute)}
              y={height - 5}
              text-anchor={at === 0 ? "end" : "middle"}
            >
              {at === 0 ? "now" : `−${at} min`}
            </text>
          ))}
          {series.map(({ name, of }, at) => (
            <polyline
              key={name}
              class={`line series-${at}`}
              points={samples.map((sample) => `${x(sample.at).toFixed(1)},${y(of(sample)).toFixed(1)}`).join(" ")}
            />
          ))}
          {nearest === undefined ? null : (
            <line class="pointed" x1={x(nearest.at)} x2={x(nearest.at)} y1={margin.top} y2={height - margin.bottom} />
          )}
        </svg>
      </div>
    </figure>
  )
}
