/** No frame is larger than a client has said that it takes, whatever the application says in it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Broker, ConnectionError, Gateway, Messages, Topic } from "holdfast"
import { codecs, connect, type GatewayOptions, makeGateway, type Peer } from "./support.js"

/** Bytes of a frame beside the body, as a client asks of its WebSocket. */
const envelope = 1024

/** The longest name. */
const longest = `any/${"x".repeat(251)}`
const wordy = ["x", "\u{1f44b}", '"', "\u0001", "\ud83d", "\n漢"].map((text) => text.repeat(50_000))

const Any = Topic.make("any/:name", Schema.Unknown)
const options = (reason: string) =>
  ({
    messages: Messages.make({
      client: Schema.Record({ key: Schema.String, value: Schema.Number }),
      server: Schema.Unknown
    }),
    onMessage: () => Effect.void,
    resumeWindow: "1 minute",
    topics: [
      Gateway.topic(Any, {
        subscribe: Gateway.allow,
        publish: () => new ConnectionError.NotAllowed({ reason })
      })
    ]
  }) as unknown as Partial<GatewayOptions> // of any message

const gatewayOf = (reason: string) =>
  Effect.flatMap(Layer.build(Broker.layerMemory()), (broker) => Effect.provide(makeGateway(options(reason)), broker))

/** The sizes of all frames that a peer gets. */
const sizesOf = (peer: Peer) => {
  const sizes: Array<number> = []
  peer.ws.on("message", (data: Buffer) => void sizes.push(data.byteLength))
  return sizes
}

describe("a client that takes one byte", () => {
  for (const codec of codecs) {
    it.scopedLive(`is told why in frames that it takes, of whatever reasons an application has (${codec})`, () =>
      Effect.gen(function* () {
        for (const reason of wordy) {
          const gateway = yield* gatewayOf(reason)
          const peer = yield* connect(gateway.address, { codec })
          const sizes = sizesOf(peer)
          yield* peer.hello({ limits: { maxMessage: 1 }, features: ["client-limits", "request-limits"] })
          peer.say({ type: "subscribe", id: 2 ** 32, topic: longest })
          assert.include(yield* peer.next("subscribed", "error"), { type: "subscribed" })
          peer.say({ type: "publish", id: 2 ** 32 + 1, topic: longest, key: "k", body: 1 })
          assert.include(yield* peer.next("error"), { code: "not-allowed", id: 2 ** 32 + 1 })
          // A wrong message's field is named by the client.
          peer.say({ type: "data", seq: 1, ack: 0, body: { [reason]: "no number" } })
          assert.include(yield* peer.next("error"), { code: "invalid-message", seq: 1 })
          for (const session of yield* gateway.sessions)
            yield* session.unsubscribe(Any.at({ name: longest.slice(4) }), reason)
          const told = yield* peer.next("unsubscribed")
          assert.strictEqual(told["topic"], longest)
          assert.isAbove(String(told["reason"]).length, 0)
          assert.isAtMost(Math.max(...sizes), 1 + envelope)
        }
      })
    )

    it.scopedLive(`resumes with what was refused meanwhile, or is told that it cannot: incomplete (${codec})`, () =>
      Effect.gen(function* () {
        const invalid = { ["x".repeat(300)]: "no number" }
        const resumed = (refusals: number, maxMessage: number) =>
          Effect.gen(function* () {
            const gateway = yield* gatewayOf("no")
            const first = yield* connect(gateway.address, { codec })
            const { secret, session } = yield* first.hello()
            for (let seq = 1; seq <= refusals; seq++) first.say({ type: "data", seq, ack: 0, body: invalid })
            for (let seq = 1; seq <= refusals; seq++) yield* first.next("error")
            first.ws.terminate()
            const second = yield* connect(gateway.address, { codec })
            const sizes = sizesOf(second)
            const resume = { session, secret, processed: 0, oldest: 1 }
            const welcome = yield* second.hello({ resume, limits: { maxMessage }, features: ["client-limits"] })
            assert.isAtMost(Math.max(...sizes), maxMessage + envelope)
            const refused = (welcome["refused"] ?? []) as ReadonlyArray<{
              readonly seq: number
              readonly reason: string
            }>
            const { reason, resumed } = welcome
            return {
              reason,
              resumed,
              seqs: refused.map(({ seq }) => seq),
              reasons: refused.map(({ reason }) => reason !== "")
            }
          })
        const four = [1, 2, 3, 4]
        assert.deepStrictEqual(yield* resumed(4, 5000), {
          reason: undefined,
          resumed: true,
          seqs: four,
          reasons: four.map(() => true)
        })
        assert.deepStrictEqual(yield* resumed(4, codec === "json" ? 270 : 220), {
          reason: undefined,
          resumed: true,
          seqs: four,
          reasons: four.map(() => false)
        })
        assert.deepStrictEqual(yield* resumed(4, 100), { reason: "incomplete", resumed: false, seqs: [], reasons: [] })
      })
    )
  }
})
