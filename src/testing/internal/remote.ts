/** The requests of one machine to another that is not a WebSocket: a store, a broker. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Machine as MachineTag } from "../Machine.js"
import type { Alarm } from "./alarm.js"
import type { Boot, Machine } from "./machine.js"
import type { Paths } from "./paths.js"

/** Rough size of a question or an answer, in bytes. */
const size = 200

const describe = (duration: Duration.DurationInput): string => Duration.format(Duration.decode(duration))

interface Asking {
  readonly from: string
  readonly to: string
  readonly fail: (cause: string) => void
}

export class Remote {
  private readonly asking = new Set<Asking>()

  constructor(
    private readonly network: {
      readonly machine: (name: string) => Machine
      readonly paths: Paths
      readonly alarm: Alarm
      readonly isRefused: (to: string) => boolean
      /** Begins at once. */
      readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
    }
  ) {}

  /** Nothing that was asked between two machines is answered any more; what was on its way may have happened. */
  cut(one?: string, other?: string): void {
    for (const { fail, from, to } of [...this.asking]) {
      const isBetween =
        (one === undefined || from === one || to === one) && (other === undefined || from === other || to === other)
      if (isBetween) fail("connection reset")
    }
  }

  /** Nothing that was asked of it is answered any more, and whoever asked hears of that or does not; it asks nothing. */
  crash(machine: string, isTold: boolean): void {
    for (const { fail, from, to } of [...this.asking]) {
      if (from === machine || (to === machine && isTold)) fail("connection reset")
    }
  }

  from(here: Machine, boot: Boot): MachineTag["Type"] {
    return {
      name: here.name,
      ask: (to, effect, options) => this.ask(here, boot, to, effect, options),
      hear: (from, receive) => {
        let isHearing = true
        const { leave, wire } = this.network.paths.wire<Parameters<typeof receive>[0]>(from, here.name, (a) => {
          if (isHearing && boot.isUp) receive(a)
        })
        const stop = () => {
          isHearing = false
          leave()
          wire.sever()
        }
        return { say: (a) => (isHearing && boot.isUp ? wire.push(a, size) : undefined), stop }
      }
    }
  }

  private ask<A, E, E2>(
    here: Machine,
    boot: Boot,
    to: string,
    effect: Effect.Effect<A, E>,
    options: { readonly timeout: Duration.DurationInput; readonly unreachable: (cause: string) => E2 }
  ): Effect.Effect<A, E | E2> {
    const { alarm, fork, isRefused, machine, paths } = this.network
    const { timeout, unreachable } = options
    return Effect.async<A, E | E2>((resume) => {
      if (!boot.isUp) return resume(Effect.fail(unreachable("this machine has crashed")))
      let isAnswered = false
      let stopTimeout = () => {}
      const end = (answer: Effect.Effect<A, E | E2>) => {
        leave()
        resume(answer)
      }
      const leave = () => {
        isAnswered = true
        stopTimeout()
        this.asking.delete(asking)
        back.leave()
      }
      const asking: Asking = {
        from: here.name,
        to,
        fail: (cause) => {
          there.wire.sever()
          there.leave()
          end(Effect.fail(unreachable(cause)))
        }
      }
      const back = paths.wire<Effect.Effect<A, E | E2>>(to, here.name, end)
      // It happens even when nobody waits for the answer any more.
      const there = paths.wire<Effect.Effect<A, E>>(here.name, to, (question) => {
        there.leave()
        const { boot } = machine(to)
        if (isRefused(to) || !boot.isUp) {
          return back.wire.push(Effect.fail(unreachable("connection refused")), size)
        }
        fork(question).addObserver((exit) => (boot.isUp ? back.wire.push(exit, size) : undefined))
      })
      this.asking.add(asking)
      there.wire.push(effect, size)
      if (!isAnswered) {
        stopTimeout = alarm.after(Duration.toMillis(timeout), () =>
          end(Effect.fail(unreachable(`no answer within ${describe(timeout)}`)))
        )
      }
      return Effect.sync(leave)
    })
  }
}
