/** What the tests over real sockets share: a gateway and clients that speak numbers. */
import { Console, Context, Effect, Layer, Schema, Utils } from "effect"
import { Client, Gateway, Messages, Reconnect, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"

export { eventually } from "../support/patience.js"

export const numbers = Messages.make({ client: Schema.Number, server: Schema.Number })

type GatewayOptions = Gateway.GatewayOptions<number, number, Gateway.Principal, never>
type ClientOptions = Client.ClientOptions<number, number>

/** A gateway on a free port, with its store. */
export const makeGateway = (options?: Partial<GatewayOptions>) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), SessionStore.layerMemory()))
    const gateway = yield* Gateway.make({
      messages: numbers,
      authenticate: Gateway.anonymous,
      onMessage: () => Effect.void,
      ...options
    }).pipe(Effect.provide(context))
    const store = Context.get(context, SessionStore.SessionStore)
    return { gateway, store, port: Number(new URL(gateway.address).port) }
  })

/** A client that comes back at once. */
export const makeClient = (port: number, options?: Partial<ClientOptions>) =>
  Client.make<number, number>({
    url: `ws://127.0.0.1:${port}/`,
    messages: numbers,
    reconnect: Reconnect.exponential({ base: "5 millis", max: "50 millis" }),
    stableAfter: 0,
    ...options
  }).pipe(Effect.provide(NodeDialer.layer))

/** 1 to `last`. */
export const upTo = (last: number): Array<number> => Array.from({ length: last }, (_, at) => at + 1)

/** Runs with random numbers in [0, 1) that a failure tells how to repeat: `SEED=123 npx vitest run …`. */
export const seeded = <A, E, R>(use: (random: () => number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    const generator = new Utils.PCGRandom(seed)
    return Effect.onError(
      use(() => generator.number()),
      () => Console.error(`repeat with SEED=${seed}`)
    )
  })
