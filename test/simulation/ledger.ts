/** What happened in a world: the events of all ends in order, and what was said, handled and read. */
import type { Client, ClientStatus } from "holdfast"
import { FaultPlan } from "holdfast/testing"

/** A message of a client: its life, whether it was sent or delivered, and which. */
export interface Said {
  readonly life: string
  readonly by: "send" | "deliver"
  readonly n: number
}

export type Fate = "pending" | "accepted" | "processed" | "refused" | "not sent" | "unknown"

export const idOf = ({ by, life, n }: Said): string => `${life} ${by} ${n}`

/** One client from its making to its end. A machine that crashes, and a session that is ended, begin another. */
export interface Life {
  readonly name: string
  readonly id: string
  readonly isMallory: boolean
  crashed: boolean
  ended: ClientStatus.EndReason | undefined
  readonly said: Map<string, Fate>
  /** What the server sent it, in the order in which it was processed. */
  readonly heard: Array<{ readonly sender: string; readonly n: number }>
  readonly lost: Array<Extract<ClientStatus.ClientEvent, { _tag: "SessionLost" }>>
  readonly statuses: Array<{ readonly at: number; readonly status: ClientStatus.Status }>
  /** Each of its subscriptions, one after the other. */
  readonly readings: Array<Reading>
}

export interface Reading {
  readonly publications: Array<Client.Publication<unknown>>
  end: string | undefined
}

/** One handling of a message; `owner` is the hosted session that did it. */
export interface Handled {
  readonly owner: number
  readonly seq: number
  readonly id: string
  /** It counts as processed, and its sender is told that it was not done. */
  readonly isRefused: boolean
}

/** Somebody on a gateway who sends to a session. */
export interface Sender {
  readonly id: string
  readonly session: string
  readonly owner: number
  /** How many were accepted. */
  accepted: number
  /** The session ended here, moved away, or its gateway crashed: what was accepted last may be lost. */
  gone: boolean
}

export interface Publishing {
  readonly value: string
  fate: Fate
  offset: number | undefined
}

/** Milliseconds within which a machine has noticed that it slept, and done what it does then. */
const noticed = 6000

export class Ledger {
  owners = 0
  readonly lines: Array<string> = []
  readonly lives: Array<Life> = []
  readonly handled = new Map<string, Array<Handled>>()
  readonly senders = new Map<string, Sender>()
  readonly publishings: Array<Publishing> = []
  /** The log of the topic, as the broker has it: epoch and values by offset. */
  readonly log = new Map<number, string>()
  readonly epochs = new Set<string>()
  /** When a store was last told that the session's connection is gone. */
  readonly detached = new Map<string, number>()
  /** Each machine's sleeps: from, to. */
  readonly sleeps: Array<{ readonly machine: string; readonly from: number; to: number }> = []
  private readonly steps: Array<{ readonly machine: string; readonly at: number; readonly by: number }> = []
  /** A machine's name for each of its crashes. */
  private readonly crashed: Array<string> = []
  readonly violations: Array<string> = []
  readonly counts = {
    faults: {} as Record<string, number>,
    delivered: 0,
    connects: 0,
    resumes: 0,
    resets: 0,
    drains: 0
  }

  constructor(readonly now: () => number) {}

  event(who: string, what: string): void {
    this.lines.push(`${String(this.now()).padStart(8)} ${who.padEnd(10)} ${what}`)
  }

  violation(invariant: number, what: string): void {
    const line = `invariant ${invariant}: ${what}`
    this.violations.push(line)
    this.event("!", line)
  }

  fault(fault: FaultPlan.Fault): void {
    const { _tag: kind } = fault
    this.counts.faults[kind] = (this.counts.faults[kind] ?? 0) + 1
    this.event("network", FaultPlan.describe(fault))
    if (fault._tag === "Crash") this.crashed.push(fault.machine)
    if (fault._tag === "Suspend") {
      this.sleeps.push({ machine: fault.machine, from: this.now(), to: this.now() + fault.millis + noticed })
    }
    if (fault._tag === "StepClock") {
      this.steps.push({ machine: fault.machine, at: this.now(), by: fault.by })
      // It cannot be told from a sleep: who waits tries again, and who is connected is asked.
      this.sleeps.push({ machine: fault.machine, from: this.now(), to: this.now() + noticed })
    }
  }

  /** By how much this machine's system clock was ahead at this time. */
  ahead(machine: string, at: number): number {
    return this.steps.filter((step) => step.machine === machine && step.at <= at).reduce((sum, { by }) => sum + by, 0)
  }

  /** How often this machine has crashed by now. */
  crashes(machine: string): number {
    return this.crashed.filter((other) => other === machine).length
  }

  life(name: string, isMallory: boolean): Life {
    const id = `${name}#${this.lives.filter((life) => life.name === name).length + 1}`
    const life: Life = {
      name,
      id,
      isMallory,
      crashed: false,
      ended: undefined,
      said: new Map(),
      heard: [],
      lost: [],
      statuses: [],
      readings: []
    }
    this.lives.push(life)
    return life
  }

  handledBy(session: string, handled: Handled): void {
    const all = this.handled.get(session) ?? []
    all.push(handled)
    this.handled.set(session, all)
    this.counts.delivered++
  }
}
