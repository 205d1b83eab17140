/** What a workload is, and what it gives. */
import type { Peer } from "./peer.js"
import type { ServerProcess } from "./serverProcess.js"

export interface Metric {
  /** Its name in `--json`. */
  readonly key: string
  readonly title: string
  readonly digits: number
  /** Whether the ratio to the baseline means something. */
  readonly compared: boolean
}

/** A value for each metric, by its key. */
export type Sample = Readonly<Record<string, number>>

export interface Run {
  readonly peer: Peer
  /** Just started, for this sample alone. */
  readonly server: ServerProcess
  readonly seconds: number
  /** Ends the sample: something that must not happen did. */
  readonly fail: (why: Error) => void
}

export interface Workload {
  readonly name: string
  readonly about: string
  /** What the server is asked to do. */
  readonly behaviour: string
  /** File descriptors of the larger of the two processes. */
  readonly descriptors: number
  readonly metrics: ReadonlyArray<Metric>
  readonly sample: (run: Run) => Promise<Sample>
}
