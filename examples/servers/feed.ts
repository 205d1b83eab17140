/** A feed of prices: a token for each attempt, subscriptions that come and go, and pings of the server's own protocol. */
import { Effect, Schema } from "effect"
import { Connection, Messages, type Options, type Reconnect } from "holdfast"

const messages = Messages.make({
  client: Schema.Struct({ op: Schema.Literal("subscribe", "ping"), symbol: Schema.optional(Schema.String) }),
  server: Schema.Struct({
    op: Schema.String,
    symbol: Schema.optional(Schema.String),
    price: Schema.optional(Schema.Number)
  })
})

/** The rules of one connection, and when the next is tried. */
export interface FeedOptions extends Options.OfReconnecting {
  readonly reconnect?: Reconnect.Policy
}

export const follow = (server: string, token: Effect.Effect<string, unknown>, options?: FeedOptions) =>
  Effect.gen(function* () {
    const symbols = new Set<string>()
    const kept = yield* Connection.keep({
      ...options,
      url: Effect.map(token, (token) => `${server}?token=${token}`),
      messages,
      onConnect: ({ send }) => Effect.forEach(symbols, (symbol) => send({ op: "subscribe", symbol })),
      heartbeat: { ping: () => ({ op: "ping" }) as const, isPong: ({ op }) => op === "pong" },
      whileAway: "drop" // what is subscribed to meanwhile is among the symbols
    })
    const subscribe = (symbol: string) =>
      Effect.suspend(() => kept.send({ op: "subscribe", symbol: symbols.add(symbol) && symbol }))
    return { ...kept, subscribe }
  })
