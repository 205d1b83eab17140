/**
 * Takes what other gateways left for a session out of its mailbox, and sends it
 * in order: each message goes to the store marked with its mail, which leaves
 * the mailbox as the message is appended. So it is sent once, whatever becomes
 * of the gateway in between. What is larger than the client takes is logged and
 * dropped.
 */
import * as Effect from "effect/Effect"
import type { Outbox } from "../../session/outbox.js"
import type { Mail, SessionStore } from "../../session/SessionStore.js"
import type { FencedStore } from "./fencedStore.js"

interface Host {
  readonly store: SessionStore["Type"]
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
}

interface Receiver {
  readonly id: string
  readonly fencedStore: FencedStore
  readonly driver: { readonly outbox: Outbox }
  readonly ended: boolean
}

/**
 * - `Idle`: nothing is known to be left.
 * - `Taking`: what is left is being fetched and sent.
 * - `Asked`: the same, and there may be more than was fetched.
 */
type State = "Idle" | "Taking" | "Asked"

export class MailboxConsumer {
  private state: State = "Idle"
  /** The highest number that the outbox was given. */
  private taken = 0
  private fetched: ReadonlyArray<Mail> = []
  private waiting: Array<() => void> = []

  constructor(
    private readonly host: Host,
    private readonly session: Receiver
  ) {}

  /** What the store has given along with the session; `more` when there may be more than that. */
  restore(mail: ReadonlyArray<Mail>, more: boolean): void {
    const fresh = mail.some(({ number }) => number > this.taken)
    if (!fresh && !more) return
    if (!fresh || this.state !== "Idle") return this.ask()
    this.state = more ? "Asked" : "Taking"
    this.host.fork(Effect.zipRight(this.sendAll(mail), this.run))
  }

  /** There may be mail. */
  ask(): void {
    const { state } = this
    this.state = "Asked"
    if (state === "Idle") this.host.fork(this.run)
  }

  /** Waits until all mail that is known of has its place in the outbox, or the session is over. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    this.state === "Idle"
      ? Effect.void
      : Effect.async<void>((resume) => {
          const wake = () => resume(Effect.void)
          this.waiting.push(wake)
          return Effect.sync(() => {
            this.waiting = this.waiting.filter((other) => other !== wake)
          })
        })
  )

  private readonly run: Effect.Effect<void> = Effect.suspend(() => {
    if (this.state !== "Asked" || this.session.ended) return this.rest
    this.state = "Taking"
    return Effect.zipRight(
      this.fetch,
      Effect.zipRight(
        Effect.suspend(() => this.sendAll(this.fetched)),
        this.run
      )
    )
  })

  private readonly rest: Effect.Effect<void> = Effect.sync(() => {
    this.state = "Idle"
    const { waiting } = this
    this.waiting = []
    for (const wake of waiting) wake()
  })

  private readonly fetch: Effect.Effect<void> = Effect.suspend(() => {
    const { id, fencedStore } = this.session
    this.fetched = []
    const collected = fencedStore.run((generation) =>
      Effect.map(this.host.store.collect(id, generation, this.taken), (mail) => {
        this.fetched = mail
      })
    )
    return Effect.asVoid(collected)
  })

  /** In order, each as soon as there is room. */
  private sendAll(mail: ReadonlyArray<Mail>): Effect.Effect<void> {
    return Effect.forEach(mail, (one) => this.send(one), { discard: true })
  }

  private send({ number, payload }: Mail): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (number <= this.taken) return Effect.void
      this.taken = number
      return this.session.driver.outbox.take(payload, number).pipe(
        // What is left in the mailbox is for whoever the session comes to next.
        Effect.catchTag("SessionClosed", () => Effect.void),
        Effect.catchTag("MessageTooLarge", (error) =>
          Effect.zipRight(
            Effect.logWarning(
              `holdfast: session ${this.session.id} does not get what was left for it: ${error.message}`
            ),
            this.drop(number)
          )
        )
      )
    })
  }

  /** Takes it out of the mailbox, where it would be in the way for ever; those before it go first, as messages. */
  private drop(number: number): Effect.Effect<void> {
    const { driver, id, fencedStore } = this.session
    const dropped = fencedStore.run((generation) =>
      this.host.store.acknowledge(id, generation, { acked: 0, processed: 0, mail: number })
    )
    return Effect.zipRight(driver.outbox.settled, dropped).pipe(
      Effect.catchTag("SessionClosed", () => Effect.void),
      Effect.asVoid
    )
  }
}
