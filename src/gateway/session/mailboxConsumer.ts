/**
 * Takes what other gateways left for a session out of its mailbox, and sends it
 * in order: each message goes to the store marked with its mail, which leaves
 * the mailbox as the message is appended. So it is sent once, whatever becomes
 * of the gateway in between. An order among them is carried out in its turn. What
 * is larger than the client takes is logged and dropped.
 */
import * as Effect from "effect/Effect"
import type { Outbox } from "../../session/outbox.js"
import type { Mail, SessionStore } from "../../session/SessionStore.js"
import type { FencedStore } from "./fencedStore.js"

interface Services {
  readonly store: SessionStore["Type"]
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
}

/**
 * - `Idle`: nothing is known to be left.
 * - `Taking`: what is left is being fetched and sent.
 * - `Asked`: the same, and there may be more than was fetched.
 */
type Phase = "Idle" | "Taking" | "Asked"

export class MailboxConsumer {
  private phase: Phase = "Idle"
  /** The highest number that the outbox was given. */
  private taken = 0
  private fetched: ReadonlyArray<Mail> = []
  /** Made when somebody waits until it is idle, and opened once. */
  private rested: Effect.Latch | undefined

  constructor(
    private readonly services: Services,
    private readonly id: string,
    private readonly fencedStore: FencedStore,
    private readonly outbox: Outbox,
    /** Carries out an order; that it was is in the store then. */
    private readonly obey: (order: string) => Effect.Effect<void>
  ) {}

  /** Takes what the store has given along with the session; `more` when there may be more than that. */
  restore(mail: ReadonlyArray<Mail>, more: boolean): void {
    const fresh = mail.some(({ number }) => number > this.taken)
    if (!fresh && !more) return
    if (!fresh || this.phase !== "Idle") return this.ask()
    this.phase = more ? "Asked" : "Taking"
    this.services.fork(Effect.zipRight(this.sendAll(mail), this.run))
  }

  /** There may be mail. */
  ask(): void {
    const { phase } = this
    this.phase = "Asked"
    if (phase === "Idle") this.services.fork(this.run)
  }

  /** Waits until all mail that is known of has its place in the outbox, or the session is over. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() => {
    if (this.phase === "Idle") return Effect.void
    this.rested ??= Effect.unsafeMakeLatch()
    return this.rested.await
  })

  private readonly run: Effect.Effect<void> = Effect.suspend(() => {
    if (this.phase !== "Asked" || this.fencedStore.isOver) return this.rest
    this.phase = "Taking"
    return Effect.zipRight(
      this.fetch,
      Effect.zipRight(
        Effect.suspend(() => this.sendAll(this.fetched)),
        this.run
      )
    )
  })

  private readonly rest: Effect.Effect<void> = Effect.sync(() => {
    this.phase = "Idle"
    this.rested?.unsafeOpen()
    this.rested = undefined
  })

  private readonly fetch: Effect.Effect<void> = Effect.suspend(() => {
    const { fencedStore, id } = this
    this.fetched = []
    const collected = fencedStore.run((generation) =>
      Effect.map(this.services.store.collect(id, generation, this.taken), (mail) => {
        this.fetched = mail
      })
    )
    return Effect.asVoid(collected)
  })

  /** In order, each as soon as there is room. */
  private sendAll(mail: ReadonlyArray<Mail>): Effect.Effect<void> {
    return Effect.forEach(mail, (one) => this.send(one), { discard: true })
  }

  private send({ isOrder, number, payload }: Mail): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (number <= this.taken) return Effect.void
      this.taken = number
      if (isOrder) return Effect.zipRight(this.obey(String(payload)), this.drop(number))
      return this.outbox.take(payload, number).pipe(
        // What is left in the mailbox is for whoever the session comes to next.
        Effect.catchTag("SessionClosed", () => Effect.void),
        Effect.catchTag("MessageTooLarge", (error) =>
          Effect.zipRight(
            Effect.logWarning(`holdfast: session ${this.id} does not get what was left for it: ${error.message}`),
            this.drop(number)
          )
        )
      )
    })
  }

  /** Takes it out of the mailbox, where it would be in the way for ever; those before it go first, as messages. */
  private drop(number: number): Effect.Effect<void> {
    const { fencedStore, id, outbox } = this
    const dropped = fencedStore.run((generation) =>
      this.services.store.acknowledge(id, generation, { acked: 0, processed: 0, mail: number })
    )
    return Effect.zipRight(outbox.settled, dropped).pipe(
      Effect.catchTag("SessionClosed", () => Effect.void),
      Effect.asVoid
    )
  }
}
