/** Messages there and back on many connections: in order, none lost, each timed. */
import { createHistogram } from "node:perf_hooks"
import { openAll, pause } from "./connections.js"
import type { Link, Peer } from "./peer.js"
import type { Run } from "./workload.js"

export interface EchoesOptions {
  readonly connections: number
  /** Bytes of a message. */
  readonly size: number
  /** The most that a connection has in flight. */
  readonly inFlight: number
}

const filler = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/** No message takes as long as this, in milliseconds: one that does is stuck. */
const patience = 10_000
const lookEvery = 50

/** Microseconds in a millisecond. */
const micros = 1000

export class Echoes {
  /** Messages that have come back. */
  total = 0
  /** Told of each connection that has one less in flight; nothing need be flushed there. */
  onEcho: (index: number) => void = () => {}
  /** Of round trips, in microseconds. */
  private readonly times = createHistogram()
  private readonly tail: string
  private readonly sent: Array<number>
  private readonly echoed: Array<number>
  /** When each of the messages in flight should have left, by its connection, and its number modulo `inFlight`. */
  private readonly dueAt: Float64Array
  private links: ReadonlyArray<Link> = []

  private constructor(readonly options: EchoesOptions) {
    const { connections, inFlight, size } = options
    this.tail = filler.repeat(Math.ceil(size / filler.length))
    this.sent = new Array<number>(connections).fill(0)
    this.echoed = new Array<number>(connections).fill(0)
    this.dueAt = new Float64Array(connections * inFlight)
  }

  static async open(run: Run, peer: Peer, options: EchoesOptions): Promise<Echoes> {
    const echoes = new Echoes(options)
    echoes.links = await openAll(run, peer, options.connections, (text, index) => echoes.received(text, index))
    return echoes
  }

  /** What each connection has heard so far. */
  heard(): ReadonlyArray<number> {
    return [...this.echoed]
  }

  /** Until each connection has heard more than it had then; fails if one of them does not for long. */
  async allHear(since: ReadonlyArray<number>): Promise<void> {
    const late = performance.now() + patience
    for (;;) {
      const stuck = this.echoed.findIndex((number, index) => number === since[index])
      if (stuck < 0) return
      if (performance.now() > late) throw new Error(`connection ${stuck} hears no echo in ${patience / 1000} s`)
      await pause(lookEvery)
    }
  }

  /** Messages that have not come back. */
  waiting(index: number): number {
    return (this.sent[index] ?? 0) - (this.echoed[index] ?? 0)
  }

  /** Queues a message; its time there and back counts from `dueAt`. */
  send(index: number, dueAt = performance.now()): void {
    const number = this.sent[index] ?? 0
    this.sent[index] = number + 1
    this.dueAt[this.slotOf(index, number)] = dueAt
    this.links[index]?.send(this.textOf(index, number))
  }

  flush(index: number): void {
    this.links[index]?.flush()
  }

  /** So many are in flight on each connection from now on. */
  flood(inFlight = this.options.inFlight): void {
    const { connections } = this.options
    this.onEcho = (index) => this.send(index)
    for (let index = 0; index < connections; index++) {
      while (this.waiting(index) < inFlight) this.send(index)
      this.flush(index)
    }
  }

  /** Times from now on are those that are asked for. */
  forgetTimes(): void {
    this.times.reset()
  }

  /** Milliseconds there and back that so many percent take at most. */
  roundTrip(percent: number): number {
    return this.times.percentile(percent) / micros
  }

  destroy(): void {
    for (const link of this.links) link.destroy()
  }

  private slotOf(index: number, number: number): number {
    const { inFlight } = this.options
    return index * inFlight + (number % inFlight)
  }

  /** The message of that number on that connection: no two are the same. */
  private textOf(index: number, number: number): string {
    const head = `${index}/${number}/`
    return head + this.tail.slice(0, this.options.size - head.length)
  }

  private received(text: string, index: number): void {
    const number = this.echoed[index] ?? 0
    const expected = this.textOf(index, number)
    if (text !== expected) throw new Error(`"${expected}" was expected, and "${text}" received`)
    this.echoed[index] = number + 1
    this.total++
    const millis = performance.now() - (this.dueAt[this.slotOf(index, number)] ?? Number.NaN)
    this.times.record(Math.max(1, Math.round(millis * micros)))
    this.onEcho(index)
  }
}
