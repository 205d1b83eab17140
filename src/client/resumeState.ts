/** The state that a client holds to resume its session: in memory, and with a keeper beyond that. */
import type * as Protocol from "../protocol/Protocol.js"
import type { Entry } from "../session/replayBuffer.js"
import * as sessionMachine from "../session/sessionMachine.js"
import type { Keeper, KeptSession } from "./SessionKeeper.js"

/** The progress of a session. */
export interface Progress {
  readonly acknowledged: number
  readonly processed: number
  readonly topics: ReadonlyArray<string>
}

type Ticket = NonNullable<KeptSession["ticket"]>

export class ResumeState {
  private ticket: Ticket | undefined
  /** Hellos that asked to resume. */
  private attempts: number

  constructor(
    private keeper: Keeper | undefined,
    private readonly progress: () => Progress
  ) {
    this.ticket = keeper?.found?.ticket
    this.attempts = keeper?.found?.attempts ?? 0
  }

  get found(): KeptSession | undefined {
    return this.keeper?.found
  }

  /** True where another client may go on with what is not forgotten. */
  get isKept(): boolean {
    return this.keeper !== undefined
  }

  /** There was a session before. */
  get hasBegun(): boolean {
    return this.ticket !== undefined
  }

  isOf(session: string): boolean {
    return this.ticket?.session === session
  }

  /** The part of a hello that asks to resume the session. The attempt is noted before it is made: no two have one number. */
  ask(
    processed: number,
    oldest: number,
    has: Pick<Protocol.Resume, "received" | "unfinished">
  ): Protocol.Hello["resume"] {
    if (this.ticket === undefined || this.keeper?.isMine() === false) return undefined
    this.attempts++
    this.note()
    return { ...this.ticket, processed, oldest, ...has, attempt: this.attempts }
  }

  /** A welcome named the session, new or not, and a new secret. */
  welcomed(ticket: Ticket): void {
    this.ticket = ticket
    this.note()
  }

  /** It has come further; `processed` is further than the progress tells yet. */
  note(processed = 0): void {
    if (this.keeper === undefined) return
    const progress = this.progress()
    this.keeper.keep({
      ticket: this.ticket,
      attempts: this.attempts,
      ...progress,
      processed: Math.max(processed, progress.processed)
    })
  }

  add(entries: ReadonlyArray<Entry>): void {
    if (this.keeper === undefined) return
    for (const { confirm, payload, seq } of entries) this.keeper.add({ seq, payload, confirm })
    // What is sent before the first welcome is kept, too.
    if (this.ticket === undefined) this.note()
  }

  released(upTo: number): void {
    if (this.keeper === undefined) return
    this.note()
    this.keeper.remove(upTo)
  }

  withdrawn(seq: number): void {
    this.keeper?.withdraw(seq)
  }

  /** The session is over, or lost. Where what is kept is another's by now, the next one is this client's own, in memory. */
  forget(): void {
    this.ticket = undefined
    if (this.keeper?.isMine() === false) this.keeper = undefined
    this.keeper?.forget()
  }
}

/** The state in which a session that was kept goes on. How much of it had left before is not known: all of it may have. */
export const stateOf = (found: KeptSession | undefined, window: number): sessionMachine.State => {
  if (found === undefined) return sessionMachine.initial(window)
  const { acknowledged: acked, messages, processed, ticket } = found
  const state = sessionMachine.restored(window, { sent: acked + messages.length, acked, processed })
  return ticket === undefined ? { ...state, highest: 0, begun: 0 } : state
}
