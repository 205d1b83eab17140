/** What rollingRestart.test.ts and its clients know of each other. */
import { Schema } from "effect"
import { Topic } from "holdfast"

export const Remark = Schema.Struct({ from: Schema.Number, n: Schema.Number })
export type Remark = typeof Remark.Type
export const Talk = Topic.make("talk", Remark)

export interface Plan {
  readonly port: number
  readonly clients: number
  readonly seed: number
}

/** Of one client; times are milliseconds since the epoch. */
export interface Report {
  readonly session: string
  readonly delivered: number
  readonly published: number
  /** Errors that it was told, and what it heard or did not. */
  readonly faults: ReadonlyArray<string>
  readonly readyAt: ReadonlyArray<number>
  readonly waitingAt: ReadonlyArray<number>
  /** How long it was going to wait, in milliseconds. */
  readonly delays: ReadonlyArray<number>
}
