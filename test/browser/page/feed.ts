/** A connection that is kept to a server that is not Holdfast's, by the example of a price feed, as `window.feed`. */
import { Effect, Scope, Stream } from "effect"
import { Reconnect } from "holdfast"
import { BrowserDialer } from "holdfast/browser"
import { type FeedOptions, follow } from "../../../examples/servers/feed.js"

export interface FeedPage {
  /** Follows from now on, and tries again soon. */
  readonly follow: (url: string, options: Omit<FeedOptions, "reconnect">) => Promise<void>
  readonly subscribe: (symbol: string) => Promise<void>
  /** The prices that came, and `gap` where some may be missing. */
  readonly received: ReadonlyArray<{ readonly symbol: string | undefined; readonly price: number | undefined } | "gap">
  /** Of each status that it has had. */
  readonly tags: ReadonlyArray<string>
  /** Why each connection or attempt ended. */
  readonly reasons: ReadonlyArray<string>
}

declare global {
  interface Window {
    readonly feed: FeedPage
  }
}

const scope = Effect.runSync(Scope.make())
const received: Array<FeedPage["received"][number]> = []
const tags: Array<string> = []
const reasons: Array<string> = []
let subscribed: (symbol: string) => Effect.Effect<void, unknown> = () => Effect.dieMessage("follow was not called")

const feed: FeedPage = {
  follow: (url, options) =>
    Effect.gen(function* () {
      let issued = 0
      const token = Effect.sync(() => `token ${++issued}`)
      const reconnect = Reconnect.exponential({ base: "5 millis", max: "50 millis" })
      const followed = yield* follow(url, token, { ...options, reconnect })
      subscribed = followed.subscribe
      const noted = Stream.runForEach(followed.received, (one) =>
        Effect.sync(() => {
          if (one._tag === "Gap") received.push("gap")
          else received.push({ symbol: one.value.symbol, price: one.value.price })
        })
      )
      yield* Effect.forkScoped(noted)
      const changes = Stream.runForEach(followed.changes, (status) =>
        Effect.sync(() => {
          tags.push(status._tag)
          if (status._tag === "Waiting") reasons.push(status.reason._tag)
        })
      )
      yield* Effect.forkScoped(changes)
      yield* followed.ready
    }).pipe(Scope.extend(scope), Effect.provide(BrowserDialer.layer), Effect.runPromise),
  subscribe: (symbol) => Effect.runPromise(subscribed(symbol)),
  received,
  tags,
  reasons
}

Object.assign(window, { feed })
