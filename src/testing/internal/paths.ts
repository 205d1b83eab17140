/** The paths between machines: which of them are silent, how long they take. */
import { type Conditions, type Governed, perfect, type Surroundings, Wire } from "./wire.js"

/** The conditions that were last said of each path, of all from one machine, of all to one, or of all. */
class Sayings<A> {
  private said: Array<{ readonly from: string | undefined; readonly to: string | undefined; readonly value: A }> = []

  say(from: string | undefined, to: string | undefined, value: A): void {
    const covers = (wide: string | undefined, narrow: string | undefined) => wide === undefined || wide === narrow
    this.said = this.said.filter((old) => !(covers(from, old.from) && covers(to, old.to)))
    this.said.push({ from, to, value })
  }

  of(from: string, to: string): A | undefined {
    return this.said.findLast(
      (one) => (one.from === undefined || one.from === from) && (one.to === undefined || one.to === to)
    )?.value
  }
}

interface Part {
  readonly from: string
  readonly to: string
  readonly wire: Governed
}

export class Paths {
  private readonly silences = new Sayings<boolean>()
  private readonly conditions = new Sayings<Conditions>()
  /** The conditions that hold instead, for a while. */
  private readonly congestions = new Sayings<Conditions | undefined>()
  private readonly parts = new Set<Part>()

  constructor(
    private readonly surroundings: Surroundings,
    /** True when a machine takes nothing now. */
    private readonly isAsleep: (host: string) => boolean
  ) {}

  /** A wire from one machine to another. */
  wire<A>(
    from: string,
    to: string,
    arrive: (packet: A) => void
  ): { readonly wire: Wire<A>; readonly leave: () => void } {
    const wire = new Wire<A>(this.surroundings, arrive)
    return { wire, leave: this.join(from, to, wire) }
  }

  /** Has what is said of the way hold for this wire, until it leaves. */
  join(from: string, to: string, wire: Governed): () => void {
    const part: Part = { from, to, wire }
    this.parts.add(part)
    this.apply(part)
    return () => {
      this.parts.delete(part)
    }
  }

  silence(from: string | undefined, to: string | undefined, isSilent: boolean): void {
    this.silences.say(from, to, isSilent)
    this.refresh()
  }

  change(from: string | undefined, to: string | undefined, conditions: Conditions): void {
    this.conditions.say(from, to, conditions)
    this.refresh()
  }

  congest(from: string | undefined, to: string | undefined, conditions: Conditions | undefined): void {
    this.congestions.say(from, to, conditions)
    this.refresh()
  }

  /** Somebody fell asleep, or woke. */
  refresh(): void {
    for (const part of [...this.parts]) this.apply(part)
  }

  private apply({ from, to, wire }: Part): void {
    wire.conditions = this.congestions.of(from, to) ?? this.conditions.of(from, to) ?? perfect
    if (this.silences.of(from, to) === true || this.isAsleep(to)) wire.hold("path")
    else wire.letGo("path")
  }
}
