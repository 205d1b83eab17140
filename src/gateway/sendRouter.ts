/** `gateway.send`, and orders about topics: to a session that lives here, or through its mailbox in the store to wherever it lives. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Resolved } from "../connection/Options.js"
import { Outage, serviceRetry } from "../connection/outage.js"
import { byteLength, forSubprotocol, type Payload } from "../protocol/Codec.js"
import {
  type MessageInvalid,
  MessageTooLarge,
  type SessionClosed,
  SessionNotFound,
  type StoreUnavailable
} from "../protocol/ConnectionError.js"
import type { encoder } from "../protocol/messageCodec.js"
import type { Credentials } from "../session/Credentials.js"
import type { SessionStore, Target } from "../session/SessionStore.js"
import type { TopicOrder } from "./session/topicOrder.js"
import * as topicOrder from "./session/topicOrder.js"
import type { StoreEvents } from "./storeEvents.js"

interface Services<S> {
  readonly options: Resolved
  readonly store: SessionStore["Type"]
  readonly encode: ReturnType<typeof encoder<S>>
}

/** A session that lives here. */
interface Addressee<S> {
  readonly place: (message: S) => Effect.Effect<boolean, SessionClosed | MessageInvalid | MessageTooLarge>
}

type Failure = SessionNotFound | SessionClosed | MessageInvalid | MessageTooLarge | StoreUnavailable

/** The mailbox has no room now. */
class Full extends Data.TaggedError("Full")<{ readonly id: string }> {
  override get message(): string {
    return `the mailbox of session ${this.id} is full`
  }
}

export class SendRouter<S> {
  private readonly full = new Outage()

  constructor(
    private readonly services: Services<S>,
    private readonly sessions: ReadonlyMap<string, Addressee<S>>,
    private readonly storeEvents: StoreEvents,
    private readonly credentials: Credentials["Type"]
  ) {}

  send(id: string, message: S): Effect.Effect<void, Failure> {
    return Effect.suspend((): Effect.Effect<void, Failure> => {
      const here = this.sessions.get(id)
      if (here === undefined) return this.leave(id, message)
      return Effect.flatMap(here.place(message), (isPlaced) => (isPlaced ? Effect.void : this.send(id, message)))
    })
  }

  /** Leaves it in the mailbox. */
  private leave(id: string, message: S): Effect.Effect<void, Failure> {
    return Effect.gen(this, function* () {
      const { encode, options, store } = this.services
      const found = yield* this.patiently(store.find(id))
      const codec = found === undefined ? undefined : forSubprotocol(found.subprotocol)
      if (codec === undefined) return yield* new SessionNotFound({ id })
      const payload = yield* encode(message, codec)
      const size = byteLength(payload)
      if (size > options.maxMessage) return yield* new MessageTooLarge({ size, limit: options.maxMessage })
      yield* this.post(id, { key: yield* this.credentials.id, payload })
      // It may live here by now; what is sent to it next must not come before this.
      this.storeEvents.mail(id)
    })
  }

  /** Leaves an order in the mailboxes of a target, and tells in how many. */
  order(target: Target, order: TopicOrder): Effect.Effect<number, StoreUnavailable> {
    const { store } = this.services
    const ids =
      "session" in target ? Effect.succeed([target.session]) : this.patiently(store.sessionsOf(target.principal))
    const payload = topicOrder.encode(order)
    const left = (id: string) =>
      Effect.gen(this, function* () {
        yield* this.post(id, { key: yield* this.credentials.id, payload, isOrder: true })
        this.storeEvents.mail(id)
        return 1
      }).pipe(Effect.catchTag("SessionNotFound", () => Effect.succeed(0)))
    return Effect.flatMap(ids, (ids) =>
      Effect.map(Effect.forEach(ids, left, { concurrency: 64 }), (counts) =>
        counts.reduce((sum, count) => sum + count, 0)
      )
    )
  }

  private post(
    id: string,
    mail: { readonly key: string; readonly payload: Payload; readonly isOrder?: boolean }
  ): Effect.Effect<void, SessionNotFound | StoreUnavailable> {
    const { replayBytes, replayMessages } = this.services.options
    const bounds = { messages: replayMessages, bytes: replayBytes }
    const posted = Effect.flatMap(
      this.patiently(this.services.store.post(id, mail, bounds)),
      (answer): Effect.Effect<void, Full | SessionNotFound> => {
        if (answer === "Unknown") return Effect.fail(new SessionNotFound({ id }))
        return answer === "Full" ? Effect.fail(new Full({ id })) : Effect.void
      }
    )
    return this.full.retry(posted, "Full")
  }

  /** Asks a failing store again, for `writeDeadline`. */
  private patiently<A>(ask: Effect.Effect<A, StoreUnavailable>): Effect.Effect<A, StoreUnavailable> {
    return Effect.catchAll(ask, (first) => {
      const { writeDeadline } = this.services.options
      let last = first
      const noted = Effect.tapError(ask, (error) => {
        last = error
        return Effect.void
      })
      const again = Effect.delay(Effect.retry(noted, serviceRetry), "100 millis")
      return Effect.flatMap(
        Effect.timeoutOption(again, writeDeadline),
        Option.match({ onSome: Effect.succeed, onNone: () => Effect.fail(last) })
      )
    })
  }
}
