/** One publisher that keeps so many publications in flight: in order, to every subscriber. */

/** Bytes of a publication. */
export const size = 64

const textOf = (publisher: number, number: number): string => `${publisher}/${number}/`.padEnd(size, "publication ")

export interface PublicationsOptions {
  /** Tells the publications of several publishers apart. */
  readonly publisher: number
  readonly subscribers: number
  /** Publications that some subscriber does not have yet. */
  readonly inFlight: number
  readonly publish: (text: string) => void
}

/** The publisher that a publication is of. */
export const publisherOf = (text: string): number => Number(text.slice(0, text.indexOf("/")))

export class Publications {
  /** The next publication that each subscriber must have. */
  private readonly next: Array<number>
  /** The publications in flight, and how many subscribers have each: by their number modulo `inFlight`. */
  private readonly texts: Array<string> = []
  private readonly having: Array<number>
  private published = 0
  deliveries = 0
  /** That everybody has. */
  everywhere = 0

  constructor(private readonly options: PublicationsOptions) {
    this.next = new Array<number>(options.subscribers).fill(0)
    this.having = new Array<number>(options.inFlight).fill(0)
  }

  start(): void {
    for (let i = 0; i < this.options.inFlight; i++) this.publishNext()
  }

  received(text: string, subscriber: number): void {
    const { inFlight, subscribers } = this.options
    const number = this.next[subscriber] ?? 0
    const slot = number % inFlight
    const expected = this.texts[slot]
    if (text !== expected) throw new Error(`subscriber ${subscriber} expected "${expected}" and received "${text}"`)
    this.next[subscriber] = number + 1
    this.deliveries++
    const having = (this.having[slot] ?? 0) + 1
    this.having[slot] = having
    if (having < subscribers) return
    this.having[slot] = 0
    this.everywhere++
    this.publishNext()
  }

  private publishNext(): void {
    const { inFlight, publish, publisher } = this.options
    const text = textOf(publisher, this.published)
    this.texts[this.published++ % inFlight] = text
    publish(text)
  }
}
