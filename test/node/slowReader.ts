/** What slowReader.test.ts and its server know of each other. */
import { Schema } from "effect"
import { Topic } from "holdfast"

export const policies = ["disconnect", "dropOldest", "latest"] as const
export type Policy = (typeof policies)[number]

/** `at` in milliseconds of the clock that all processes share. */
export const Tick = Schema.Struct({ n: Schema.Number, at: Schema.Number, filler: Schema.String })

const one = <const P extends Policy>(policy: P) => Topic.make(policy, Tick)
export const topics = { disconnect: one("disconnect"), dropOldest: one("dropOldest"), latest: one("latest") }

/** Read by the slow ones alone: what fills the network's buffers until the server has to hold back. */
export const Fill = Topic.make("fill", Schema.String)

export const bounds = { highWaterMark: 64 * 1024, queueBytes: 128 * 1024, queueMessages: 1024 }

/** Monotonic, and the same in every process of this machine. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

export interface Ticking {
  /** The number of the first. */
  readonly from: number
  readonly count: number
  /** Of the filler. */
  readonly bytes: number
  /** Milliseconds between them. */
  readonly every: number
}

export interface Filling {
  /** Those who must have something that waits for them. */
  readonly names: ReadonlyArray<string>
}

export interface Reader {
  readonly name: string
  readonly connected: boolean
  readonly queued: { readonly messages: number; readonly bytes: number }
}

export interface Memory {
  /** What JavaScript still needs, its buffers included. */
  readonly needed: number
  readonly resident: number
}
