/** The counts of the gateway, in figures and in plots. */
import type { Overview, Sample } from "../model.js"
import { count, duration, exact } from "./format.js"
import { Plot } from "./plot.js"

const kept = 300

/** The samples that are known by now; those of another start of the gateway are none of this one. */
export interface Seen {
  readonly overview: Overview
  readonly samples: ReadonlyArray<Sample>
}

export const overviewPath = (seen: Seen | undefined): string => `overview?after=${seen?.samples.at(-1)?.at ?? 0}`

export const withSamples = (overview: Overview, seen: Seen | undefined): Seen => {
  const before = seen?.overview.node === overview.node ? seen.samples : []
  return { overview, samples: [...before, ...overview.samples].slice(-kept) }
}

/** `HandlerFailed` is "handler failed". */
const plain = (name: string): string =>
  name === "Ended" ? "by the server" : name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()

const words = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${count(value)} ${plain(name)}`)
    .join(", ")

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, value) => sum + value, 0)

const Fact = (props: { readonly name: string; readonly value: string; readonly more?: string }) => (
  <div class="fact">
    <dt>{props.name}</dt>
    <dd>
      {props.value}
      {props.more === undefined || props.more === "" ? null : <small>{props.more}</small>}
    </dd>
  </div>
)

export const Facts = ({ now, stats }: Overview) => (
  <dl class="summary">
    <Fact name="Connections" value={count(stats.connections)} />
    <Fact name="Sessions" value={count(stats.sessions)} more={`${count(stats.begun)} begun`} />
    <Fact name="Messages in" value={count(stats.messagesIn)} />
    <Fact name="Messages out" value={count(stats.messagesOut)} />
    <Fact name="Heartbeats missed" value={count(stats.heartbeatsMissed)} />
    {stats.idleTimeout === null ? null : (
      <Fact name="Idle timeout between" value={duration(stats.idleTimeout)} more="set heartbeatInterval below it" />
    )}
    <Fact name="Resumes" value={count(stats.resumed)} />
    <Fact name="Resets" value={count(total(stats.reset))} more={words(stats.reset)} />
    <Fact name="Ended" value={count(total(stats.ended))} more={words(stats.ended)} />
    <Fact name="Up" value={duration(now - stats.since)} more={exact(stats.since).slice(0, 16)} />
  </dl>
)

const present = [
  { name: "connections", of: (sample: Sample) => sample.connections },
  { name: "sessions", of: (sample: Sample) => sample.sessions }
]
const traffic = [
  { name: "in", of: (sample: Sample) => sample.messagesIn },
  { name: "out", of: (sample: Sample) => sample.messagesOut }
]
const missed = [{ name: "missed", of: (sample: Sample) => sample.heartbeatsMissed }]
const returns = [
  { name: "resumes", of: (sample: Sample) => sample.resumed },
  { name: "resets", of: (sample: Sample) => sample.reset }
]

export const Plots = ({ samples }: { readonly samples: ReadonlyArray<Sample> }) => (
  <div class="plots">
    <Plot title="Connections and sessions" testId="plot-connections" series={present} samples={samples} />
    <Plot title="Messages a second" testId="plot-messages" series={traffic} samples={samples} />
    <Plot title="Heartbeats missed a second" testId="plot-heartbeats" series={missed} samples={samples} />
    <Plot title="Resumes and resets a second" testId="plot-resumes" series={returns} samples={samples} />
  </div>
)
