/** A client of the chaos: sends, publishes and listens, and keeps book of all of it. */
import { Deferred, Effect, Random, Ref, type Scope, Stream } from "effect"
import { Client, type Dialer, type Protocol } from "holdfast"
import { type Do, type Done, messages, News } from "./messages.js"

/** What all clients together know. */
export class Book {
  /** Values whose processing the server has acknowledged. */
  readonly acknowledged = new Set<string>()
  readonly outcomeUnknown = new Set<string>()
  /** Values whose publication was confirmed. */
  readonly published = new Set<string>()
  /** For each client, how often it has received each published value. */
  readonly received = new Map<string, Map<string, number>>()
  resumes = 0
  sessionsLost: Array<string> = []
  positionsLost: Array<string> = []
}

const news = News.at({})

const listen = (
  client: Client.Client<Do, Done>,
  since: Protocol.Position | "oldest",
  book: Book,
  received: Map<string, number>
): Effect.Effect<void, unknown> =>
  client.subscribe(news, { since }).pipe(
    Stream.filter(Client.hasValue),
    Stream.runForEach(({ value: { value } }) => Effect.sync(() => received.set(value, (received.get(value) ?? 0) + 1))),
    Effect.catchTag("PositionLost", (lost) => {
      book.positionsLost.push(lost.message)
      return listen(client, lost.position, book, received)
    })
  )

/** Has begun when it has succeeded; says nothing more when told to stop, and has then ended when `done` is. */
export const person = (
  name: string,
  url: string,
  book: Book,
  stop: Deferred.Deferred<void>
): Effect.Effect<{ readonly done: Effect.Effect<void> }, unknown, Scope.Scope | Dialer.Dialer> =>
  Effect.gen(function* () {
    // No connection lasts as long here as the default asks of a stable one.
    const client = yield* Client.make<Do, Done>({ url, messages, token: name, stableAfter: "1 second" })
    const received = new Map<string, number>()
    book.received.set(name, received)
    yield* Effect.forkScoped(
      client.changes.pipe(
        Stream.changesWith((one, other) => one._tag === "Ready" && other._tag === "Ready"),
        Stream.runForEach((status) =>
          Effect.sync(() => {
            if (status._tag === "Ready" && status.start._tag === "Resumed") book.resumes++
          })
        )
      )
    )
    yield* Effect.forkScoped(
      Stream.runForEach(client.events, (event) =>
        Effect.sync(() => event._tag === "SessionLost" && book.sessionsLost.push(`${name}: ${event.reason}`))
      )
    )
    yield* Effect.forkScoped(Effect.orDie(listen(client, "oldest", book, received)))
    yield* client.ready
    const number = yield* Ref.make(0)
    const value = Effect.map(
      Ref.updateAndGet(number, (n) => n + 1),
      (n) => `${name}.${n}`
    )
    const deliver = Effect.flatMap(value, (value) =>
      client.deliver({ _tag: "Do", value }).pipe(
        Effect.zipRight(Effect.sync(() => book.acknowledged.add(value))),
        Effect.catchTag("OutcomeUnknown", () => Effect.sync(() => book.outcomeUnknown.add(value)))
      )
    )
    const publish = Effect.flatMap(value, (value) =>
      Effect.zipRight(
        client.publish(news, { value }),
        Effect.sync(() => book.published.add(value))
      )
    )
    const until = (effect: Effect.Effect<unknown, unknown>, least: number, most: number) =>
      Effect.repeat(Effect.zipRight(effect, Effect.flatMap(Random.nextIntBetween(least, most), Effect.sleep)), {
        until: () => Deferred.isDone(stop)
      })
    const busy = yield* Effect.forkScoped(
      Effect.all([until(deliver, 100, 300), until(publish, 1000, 3000)], { concurrency: "unbounded", discard: true })
    )
    return { done: Effect.orDie(busy) }
  })
