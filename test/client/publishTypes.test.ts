/** The topic says what may be published on it, and a value does not widen that. `npm run check` fails where an expected error is none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Gateway, Topic } from "holdfast"
import { connect, makeGateway, TopicWorld } from "../support/topics.js"

const lamp = Topic.make("lamps/:name", Schema.Literal("on", "off"))
const hall = lamp.at({ name: "hall" })

class Moved extends Schema.TaggedClass<Moved>()("Moved", { to: Schema.Number }) {}
const Event = Schema.Union(Schema.TaggedStruct("Said", { text: Schema.String }), Moved)
const events = Topic.make("events/:name", Event)
const here = events.at({ name: "here" })

const everybody = { subscribe: Gateway.allow, publish: Gateway.allow }

const both = Effect.gen(function* () {
  const gateway = yield* makeGateway({}, { topics: [Gateway.topic(lamp, everybody), Gateway.topic(events, everybody)] })
  return { gateway, client: yield* connect() }
})

describe("What is published", () => {
  it.scoped("is a literal or a tagged value of its topic, as it stands", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* both
      yield* client.publish(hall, "on")
      yield* gateway.publish(hall, "off")
      yield* client.publish(here, { _tag: "Said", text: "hello" })
      yield* client.publish(here, new Moved({ to: 1 }))
      yield* gateway.publish(here, { _tag: "Said", text: "hello" })
      const { offset } = yield* gateway.publish(here, new Moved({ to: 2 }))
      assert.strictEqual(offset, 4)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is nothing else: neither for the compiler nor when it runs", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* both
      const refused = <A, E extends { readonly _tag: string }>(published: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(published), ({ _tag }) => assert.strictEqual(_tag, "MessageInvalid"))
      // @ts-expect-error another literal
      yield* refused(client.publish(hall, "dim"))
      // @ts-expect-error another literal
      yield* refused(gateway.publish(hall, "dim"))
      // @ts-expect-error another type
      yield* refused(client.publish(hall, 1))
      // @ts-expect-error another type
      yield* refused(gateway.publish(hall, 1))
      // @ts-expect-error another tag
      yield* refused(client.publish(here, { _tag: "Sung", text: "hello" }))
      // @ts-expect-error another tag
      yield* refused(gateway.publish(here, { _tag: "Sung", text: "hello" }))
      // @ts-expect-error a field of another type
      yield* refused(client.publish(here, { _tag: "Said", text: 1 }))
      // @ts-expect-error a field of another type
      yield* refused(gateway.publish(here, { _tag: "Said", text: 1 }))
    }).pipe(Effect.provide(TopicWorld))
  )
})
