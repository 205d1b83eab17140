/** The results of a run as an SVG: a panel for each workload, a bar for each server. */
import { baselineOf, type Results, type Summary, shown, summarize } from "./summary.js"
import type { Metric, Workload } from "./workload.js"

export interface Plotted {
  readonly workload: Workload
  readonly results: Results
}

const columns = 2
const margin = 20
const gap = 14
const panelWidth = 430
const padding = 14
/** From the top of a panel to its first bar, and of the picture to its first panel. */
const panelHead = 62
const head = 62
const rowHeight = 22
const barHeight = 12
const labelWidth = 110
/** What is written behind the longest bar has this much room. */
const valueWidth = 114
const barWidth = panelWidth - 2 * padding - labelWidth - valueWidth

const color = {
  page: "#ffffff",
  panel: "#f6f8fa",
  border: "#d8dee4",
  text: "#1f2328",
  quiet: "#59636e",
  holdfast: "#2f6feb",
  baseline: "#6e7781",
  other: "#b1bac4",
  whisker: "#1f2328"
}

const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;")

const text = (x: number, y: number, content: string, style = ""): string =>
  `<text x="${x}" y="${y}"${style === "" ? "" : ` ${style}`}>${escaped(content)}</text>`

const fillOf = (server: string, baseline: string): string =>
  server.includes("holdfast") ? color.holdfast : server === baseline ? color.baseline : color.other

/** From the least to the most of the samples. */
const whisker = (from: number, to: number, y: number): string =>
  to - from < 1
    ? ""
    : `<path d="M${from} ${y}H${to}M${from} ${y - 3}v6M${to} ${y - 3}v6" stroke="${color.whisker}" fill="none"/>`

const valueOf = ({ median, ratio }: Summary, { digits }: Metric): string =>
  `${shown(median, digits)}${ratio === undefined || Number.isNaN(ratio) ? "" : `  ×${shown(ratio, 2)}`}`

interface Panel {
  readonly height: number
  readonly at: (x: number, y: number) => string
}

const panelOf = ({ results, workload }: Plotted, key: string, caption: string): Panel => {
  const metric = workload.metrics.find((one) => one.key === key)
  if (metric === undefined) throw new Error(`${workload.name} has no metric ${key} to plot`)
  const baseline = baselineOf(results)
  const rows = [...results.keys()].map((server) => ({ server, summary: summarize(results, server, metric) }))
  const most = Math.max(...rows.map(({ summary }) => summary.max))
  const lengthOf = (value: number) => Math.round((value / most) * barWidth * 10) / 10
  return {
    height: panelHead + rows.length * rowHeight + padding / 2,
    at: (x, y) => {
      const left = x + padding
      const start = left + labelWidth
      return [
        text(left, y + 24, workload.name, 'class="name"'),
        text(left + panelWidth - 2 * padding, y + 24, metric.title, 'class="unit" text-anchor="end"'),
        text(left, y + 43, caption, 'class="caption"'),
        ...rows.flatMap(({ server, summary }, row) => {
          const middle = y + panelHead + row * rowHeight + barHeight / 2
          const end = start + lengthOf(summary.max)
          const isHoldfast = server.includes("holdfast")
          return [
            text(start - 8, middle + 4, server, `class="${isHoldfast ? "strong" : "plain"}" text-anchor="end"`),
            `<rect x="${start}" y="${middle - barHeight / 2}" width="${Math.max(1, lengthOf(summary.median))}" height="${barHeight}" rx="2" fill="${fillOf(server, baseline)}"/>`,
            whisker(start + lengthOf(summary.min), end, middle),
            text(end + 7, middle + 4, valueOf(summary, metric), `class="${isHoldfast ? "strong" : "plain"}"`)
          ]
        })
      ]
        .filter((line) => line !== "")
        .join("\n")
    }
  }
}

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: ${color.text}; font-variant-numeric: tabular-nums; white-space: pre }
.title { font-size: 16px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600 }
.strong { font-weight: 600 }
.unit, .caption, .about { fill: ${color.quiet} }
`

/** `machine` says where it was measured, and how. */
export const svg = (all: ReadonlyArray<Plotted>, machine: string): string => {
  const panels = all.flatMap((one) => {
    const { plotted } = one.workload
    return plotted === undefined || one.results.size === 0 ? [] : [panelOf(one, plotted.key, plotted.caption)]
  })
  const width = 2 * margin + columns * panelWidth + (columns - 1) * gap
  const drawn: Array<string> = []
  let y = head
  for (let first = 0; first < panels.length; first += columns) {
    const row = panels.slice(first, first + columns)
    const height = Math.max(...row.map((panel) => panel.height))
    for (const [column, panel] of row.entries()) {
      const x = margin + column * (panelWidth + gap)
      drawn.push(
        `<rect x="${x + 0.5}" y="${y + 0.5}" width="${panelWidth - 1}" height="${height - 1}" rx="6" fill="${color.panel}" stroke="${color.border}"/>`,
        panel.at(x, y)
      )
    }
    y += height + gap
  }
  const height = y - gap + margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>Holdfast beside others: less is better</title>",
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${color.page}"/>`,
    text(margin, 30, "Less is better", 'class="title"'),
    text(margin, 48, machine, 'class="about"'),
    ...drawn,
    "</svg>\n"
  ].join("\n")
}
