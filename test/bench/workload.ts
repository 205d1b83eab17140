/** What a workload is, and what it gives. */
import type { RedisServer } from "../redis/server.js"
import type { MeasuredProcess, Profile } from "./measuredProcess.js"
import type { ServerProcess } from "./serverProcess.js"

export interface Metric {
  /** Its name in `--json`. */
  readonly key: string
  readonly title: string
  readonly digits: number
  /** Whether the ratio to the baseline means something. */
  readonly compared: boolean
}

/** A value for each metric, by its key; NaN where there is none. */
export type Sample = Readonly<Record<string, number>>

export interface Run {
  /** As many as the workload asks for, just started, for this sample alone. */
  readonly servers: ReadonlyArray<ServerProcess>
  /** What they share, if the workload asks for it: just started, too. */
  readonly redis: RedisServer | undefined
  readonly seconds: number
  /** Starts a process that is measured beside the servers: it ends with the sample, and the sample with it. */
  readonly start: <P extends MeasuredProcess>(make: (profile: Profile | undefined) => Promise<P>) => Promise<P>
  /** Ends the sample: something that must not happen did. */
  readonly fail: (why: Error) => void
}

/** One of the servers that are compared, under a workload. */
export interface Contender {
  readonly name: string
  /** The server, where it is not of the same name. */
  readonly server?: string | undefined
  /** What it is asked to do, where that is not the workload's. */
  readonly behaviour?: string | undefined
  readonly sample: (run: Run) => Promise<Sample>
}

export interface Workload {
  readonly name: string
  readonly about: string
  /** What the servers are asked to do. */
  readonly behaviour: string
  /** How many servers of a contender run at once. */
  readonly servers: number
  readonly needsRedis: boolean
  /** File descriptors of the largest of the processes. */
  readonly descriptors: number
  readonly metrics: ReadonlyArray<Metric>
  /** The metric that `--plot` shows, of which less is better, and what it is of in few words. */
  readonly plotted?: { readonly key: string; readonly caption: string } | undefined
  /** The first is what the others are compared with. */
  readonly contenders: ReadonlyArray<Contender>
  /** Where they are not the usual ones. */
  readonly defaults?: { readonly rounds: number; readonly seconds: number } | undefined
  /** Whether it is left out unless it is named. */
  readonly onlyNamed?: boolean | undefined
  /** Whether each sample is as the one before, so that one is enough. */
  readonly isExact?: boolean | undefined
  /** What the last sample of a contender is made of, in words: for `--modules`. */
  readonly modules?: ((contender: string) => Promise<string>) | undefined
}
