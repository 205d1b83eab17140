/** One direction of a link: what is on its way, in order, and when it arrives. */

/** The conditions of the wire between two machines. Milliseconds; bytes a second. */
export interface Conditions {
  readonly latency: number
  readonly jitter: number
  readonly bandwidth: number
}

export const perfect: Conditions = { latency: 0, jitter: 0, bandwidth: Number.POSITIVE_INFINITY }

/** Perfect but for what is said. */
export const imperfect = (conditions: Partial<Conditions>): Conditions => {
  const { bandwidth, jitter, latency } = { ...perfect, ...conditions }
  return latency === 0 && jitter === 0 && bandwidth === Number.POSITIVE_INFINITY
    ? perfect
    : { latency, jitter, bandwidth }
}

/** The source of a wire's time and chance. */
export interface Surroundings {
  readonly now: () => number
  /** Calls back after so many milliseconds. */
  readonly after: (millis: number, then: () => void) => void
  /** In [0, 1). */
  readonly random: () => number
}

/** The holder of a wire: somebody by hand, the path that it is a part of, or the crash of the machine that it leads to. */
export type Holder = "hand" | "path" | "crash"

interface Travelling<A> {
  readonly packet: A
  readonly size: number
  readonly at: number
}

/** A wire, for those who only say what it is like. */
export interface Governed {
  conditions: Conditions
  readonly hold: (by: Holder) => void
  readonly letGo: (by: Holder) => void
}

/**
 * Carries packets to `arrive`, in order. Over a perfect wire a packet arrives
 * within `push`. A wire that is held keeps what it has, as TCP does while its
 * packets are lost on the way: it arrives when the wire is let go.
 */
export class Wire<A> implements Governed {
  conditions: Conditions = perfect
  /** Bytes that are on their way. */
  bytes = 0

  private travelling: Array<Travelling<A>> = []
  private readonly holders = new Set<Holder>()
  private armed = false
  /** When the line is free again, and when the latest packet arrives. */
  private freeAt = 0
  private latestAt = 0

  constructor(
    private readonly surroundings: Surroundings | undefined,
    private readonly arrive: (packet: A) => void
  ) {}

  push(packet: A, size: number): void {
    if (this.travelling.length === 0 && !this.isHeld && this.conditions === perfect) return this.arrive(packet)
    this.bytes += size
    this.travelling.push({ packet, size, at: this.arrival(size) })
    this.arm()
  }

  private arrival(size: number): number {
    const { conditions, surroundings } = this
    if (surroundings === undefined) return 0
    const { bandwidth, jitter, latency } = conditions
    this.freeAt = Math.max(this.freeAt, surroundings.now()) + (size / bandwidth) * 1000
    const shaken = jitter === 0 ? 0 : jitter * surroundings.random()
    this.latestAt = Math.max(this.latestAt, Math.round(this.freeAt + latency + shaken))
    return this.latestAt
  }

  private get isHeld(): boolean {
    return this.holders.size > 0
  }

  hold(by: Holder): void {
    this.holders.add(by)
  }

  letGo(by: Holder): void {
    if (this.holders.delete(by)) this.carry()
  }

  /** Nothing of what is on its way arrives. */
  sever(): void {
    this.travelling = []
    this.bytes = 0
  }

  private carry(): void {
    // A clock may stand between two milliseconds, and nobody can sleep for less than a nanosecond.
    const now = (this.surroundings?.now() ?? 0) + 1e-6
    while (!this.isHeld) {
      const next = this.travelling[0]
      if (next === undefined || next.at > now) break
      this.travelling.shift()
      this.bytes -= next.size
      this.arrive(next.packet)
    }
    this.arm()
  }

  private arm(): void {
    const next = this.travelling[0]
    if (this.armed || this.isHeld || next === undefined || this.surroundings === undefined) return
    this.armed = true
    this.surroundings.after(Math.max(0, next.at - this.surroundings.now()), () => {
      this.armed = false
      this.carry()
    })
  }
}
