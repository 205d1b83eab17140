/** The further runs of a message whose handler has failed, by the schedule that was given for it first. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Outage } from "../../connection/outage.js"
import { oneLine } from "../../protocol/oneLine.js"

/** `Again`: it is time for the next run. `Over`: there is none. `Stopped`: no further message is begun, and this is one. */
type Turn = "Again" | "Over" | "Stopped"

const describe = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error))

export class MessageRetries<R> {
  /** Of the message that is tried again, or was last. */
  private current: { readonly seq: number; readonly driver: Schedule.ScheduleDriver<unknown, unknown, R> } | undefined
  private isStopped = false
  /** While a run is waited for. */
  private whenStopped: Effect.Latch | undefined

  constructor(private readonly outage: Outage) {}

  /** A run of message `seq` has failed: waits until its next one is due. */
  next(seq: number, schedule: Schedule.Schedule<unknown, unknown, R>, error: unknown): Effect.Effect<Turn, never, R> {
    const due = Effect.flatMap(this.driverOf(seq, schedule), (driver) =>
      Effect.match(driver.next(error), { onFailure: () => "Over" as const, onSuccess: () => "Again" as const })
    )
    const said = this.outage.failed({ message: `a handler failed: ${describe(error)}` })
    return this.outage.while(Effect.zipRight(said, this.unlessStopped(due)))
  }

  /** Waits no longer. */
  stop(): void {
    this.isStopped = true
    this.whenStopped?.unsafeOpen()
  }

  private driverOf(seq: number, schedule: Schedule.Schedule<unknown, unknown, R>) {
    return Effect.suspend(() => {
      const { current } = this
      if (current?.seq === seq) return Effect.succeed(current.driver)
      return Effect.tap(Schedule.driver(schedule), (driver) => {
        this.current = { seq, driver }
      })
    })
  }

  private unlessStopped(due: Effect.Effect<Turn, never, R>): Effect.Effect<Turn, never, R> {
    return Effect.suspend(() => {
      if (this.isStopped) return Effect.succeed("Stopped" as const)
      const stopped = Effect.unsafeMakeLatch()
      this.whenStopped = stopped
      return Effect.raceFirst(due, Effect.as(stopped.await, "Stopped" as const))
    })
  }
}
