/** A gateway with topics on a real port, raw peers that ask it about them, and a bystander who follows one. */
import { assert } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Broker, ConnectionError, Gateway, SessionStore, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import {
  type CodecName,
  echo,
  join,
  type Peer,
  type GatewayOptions as Plain,
  type Said,
  settled,
  Text
} from "./support.js"

export const Room = Topic.make("rooms/:room", Text)
/** Takes any JSON, and keeps no more than five publications. */
export const Any = Topic.make("any/:name", Schema.Unknown)
const Counts = Topic.make("counts/:name", Schema.Number)
export const Newest = Topic.make("newest/:name", Schema.Unknown)
export const Dropping = Topic.make("dropping/:name", Schema.Unknown)
const Closed = Topic.make("closed", Schema.Unknown)
const Bad = Topic.make("bad/:how", Schema.Unknown)

/** What a rule of the application's may do wrong, or never. */
const misbehave = ({ how }: { readonly how: string }): Effect.Effect<void, ConnectionError.NotAllowed> => {
  switch (how) {
    case "refuses":
      return new ConnectionError.NotAllowed({ reason: "not you" })
    case "rambles":
      return new ConnectionError.NotAllowed({ reason: "no".repeat(100_000) })
    case "dies":
      return Effect.dieMessage("a bug in the application")
    case "throws":
      throw new Error("a bug in the application")
    case "interrupts":
      return Effect.interrupt
    case "fails":
      return Effect.fail("something else") as unknown as Effect.Effect<void> // against its type
    case "hangs":
      return Effect.never
    default:
      return Effect.void
  }
}

const history = { messages: 5 }
const subscribe = Gateway.allow
const publish = Gateway.allow
const topics = [
  Gateway.topic(Room, { subscribe, publish, presence: true }),
  Gateway.topic(Any, { subscribe, publish, history }),
  Gateway.topic(Counts, { subscribe, publish }),
  Gateway.topic(Newest, { subscribe, publish, history, policy: "latest" }),
  Gateway.topic(Dropping, { subscribe, publish, history, policy: "dropOldest" }),
  Gateway.topic(Closed, { subscribe: () => new ConnectionError.NotAllowed({ reason: "not here" }), presence: true }),
  Gateway.topic(Bad, { subscribe: misbehave, publish: misbehave })
]

type GatewayOptions = Gateway.GatewayOptions<Text, Text, Gateway.Principal, Broker.Broker>

export const makeGateway = (options?: Partial<Plain>) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.mergeAll(NodeListener.layer({ port: 0 }), SessionStore.layerMemory(), Broker.layerMemory())
    )
    // Requests of a megabyte, one after the other: it is not their rate that is tested.
    const all: GatewayOptions = { ...echo, topics, byteRate: 2 ** 30, ...options }
    return yield* Effect.provide(Gateway.make(all), context)
  })

/** A request without its id. */
export interface Request {
  readonly type: "subscribe" | "unsubscribe" | "publish"
  readonly topic?: unknown
  readonly [field: string]: unknown
}

let lastId = 0

/** Asks, and gives the one answer to it. */
export const ask = (peer: Peer, request: Request): Effect.Effect<Said> =>
  Effect.suspend(() => {
    const id = ++lastId
    peer.say({ id, ...request })
    return Effect.map(peer.next("subscribed", "unsubscribed", "published", "error"), (answer) => {
      assert.strictEqual(answer["id"], "id" in request ? request["id"] : id, JSON.stringify(answer).slice(0, 500))
      return answer
    })
  })

/** A session that follows a topic and publishes there. */
export interface Bystander {
  readonly peer: Peer
  /** Its session works, and so does its topic. */
  readonly goesOn: Effect.Effect<void>
}

/** Other sessions of the same gateway, one of each subprotocol, which must not be touched by what happens to the first. */
export const makeBystander = (gateway: Gateway.Gateway<Text>, topic = "any/bystander", codec: CodecName = "json") =>
  Effect.gen(function* () {
    const { peer } = yield* join(gateway.address, { hello: { token: "bystander" }, codec })
    assert.strictEqual((yield* ask(peer, { type: "subscribe", topic })).type, "subscribed")
    let said = 0
    const goesOn = Effect.gen(function* () {
      yield* peer.echoes
      const body = { text: `${++said}` }
      const { position } = yield* ask(peer, { type: "publish", topic, body })
      assert.deepStrictEqual<unknown>(yield* peer.next("publication"), { type: "publication", topic, position, body })
    })
    yield* goesOn
    return { peer, goesOn } satisfies Bystander
  })

/** The bystander goes on, and it is the only one left. */
export const unharmed = (gateway: Gateway.Gateway<Text>, bystander: Bystander): Effect.Effect<void> =>
  Effect.zipRight(bystander.goesOn, settled(gateway, { connections: 1, sessions: 1 }))
