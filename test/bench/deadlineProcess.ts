/** A way to move a read deadline of `deadlines`, in a process of its own. */
import { MeasuredProcess, type Profile } from "./measuredProcess.js"

export interface DeadlineOptions {
  readonly way: string
  readonly seconds: number
  readonly profile: Profile | undefined
}

/** Starting, and the warm-up, in milliseconds. */
const beside = 10_000

export class DeadlineProcess extends MeasuredProcess {
  nanosPerMessage = Number.NaN

  /** Until it has measured. */
  static async start({ profile, seconds, way }: DeadlineOptions): Promise<DeadlineProcess> {
    const measuring = new DeadlineProcess({ script: `deadlines/${way}.mjs`, args: [`${seconds}`], profile })
    const answer = measuring.answer<{ readonly nanosPerMessage: number }>("did not end", beside + seconds * 1000)
    measuring.nanosPerMessage = (await answer).nanosPerMessage
    return measuring
  }
}
