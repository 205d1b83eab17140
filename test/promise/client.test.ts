/** `holdfast/promise`, as a program without Effect uses it; Effect runs the gateway alone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, Scope } from "effect"
import { Broker, Client, ConnectionError, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { connect, type PromiseClient } from "holdfast/promise"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, limit } from "../support/patience.js"

const messages = Messages.make({
  client: Schema.Struct({ say: Schema.String }),
  server: Schema.Struct({ said: Schema.String })
})
const Room = Topic.make("rooms/:room", Schema.Number)

/** A gateway that says back what it hears, but for "fail"; on a proxy's port. */
const world = Effect.gen(function* () {
  const handled: Array<string> = []
  const context = yield* Layer.build(
    Layer.mergeAll(NodeListener.layer({ port: 0 }), SessionStore.layerMemory(), Broker.layerMemory())
  )
  const gateway = yield* Gateway.make({
    messages,
    authenticate: ({ token }) =>
      token === "nobody"
        ? new ConnectionError.NotAllowed({ reason: "not you" })
        : Effect.succeed({ id: token ?? "somebody" }),
    onMessage: ({ say }, session) =>
      Effect.sync(() => handled.push(say)).pipe(
        Effect.zipRight(say === "wait" ? Effect.never : session.send({ said: `${session.principal.id}: ${say}` }))
      ),
    topics: [Gateway.topic(Room, { subscribe: Gateway.allow, publish: Gateway.allow, presence: true })]
  }).pipe(Effect.provide(context))
  const proxy = yield* TcpProxy.make(Number(new URL(gateway.address).port))
  return { gateway, handled, proxy, url: `ws://127.0.0.1:${proxy.port}/` }
})

type Connected = PromiseClient<{ readonly say: string }, { readonly said: string }>

/** A test that is nothing but promises, of a client that it need not close. */
const promised = (
  name: string,
  test: (client: Connected, world: Effect.Effect.Success<typeof owned>) => Promise<void>,
  token: string | (() => Promise<string>) = "ann"
) =>
  it(
    name,
    () =>
      Effect.gen(function* () {
        const all = yield* owned
        const client = yield* Effect.acquireRelease(
          Effect.promise(() =>
            connect({
              layer: NodeDialer.layer,
              url: async () => all.url,
              messages,
              token,
              reconnect: { base: 5, max: 50 }
            })
          ),
          (client) => Effect.promise(client.close)
        )
        yield* Effect.promise(() => test(client, all))
      }).pipe(Effect.scoped, Effect.runPromise),
    limit
  )

/** With a scope for what the test closes itself. */
const owned = Effect.gen(function* () {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const made = yield* Scope.extend(world, scope)
  return {
    ...made,
    until: (what: string, holds: () => boolean) => Effect.runPromise(eventually(what, Effect.sync(holds)))
  }
})

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => assert.fail(`it resolved, with ${JSON.stringify(value)}`),
    (error) => error
  )

describe("A client of promises", () => {
  promised("sends, delivers and iterates, through a cut", async (client, { handled, proxy, until }) => {
    assert.strictEqual((await client.ready())._tag, "Ready")
    await client.send({ say: "one" })
    await Effect.runPromise(proxy.cut)
    await until("it has noticed", () => client.status.getSnapshot()._tag !== "Ready")
    await client.deliver({ say: "two" })
    const said: Array<string> = []
    for await (const message of client.messages) {
      said.push(message.said)
      if (said.length === 2) break
    }
    assert.deepStrictEqual(said, ["ann: one", "ann: two"])
    await client.send({ say: "three" })
    for await (const message of client.messages) {
      assert.strictEqual(message.said, "ann: three", "what the first loop had in hand when it was left was processed")
      break
    }
    assert.deepStrictEqual(handled, ["one", "two", "three"])
  })

  promised("hands a message to the next reader that `forEach` could not handle", async (client) => {
    await client.send({ say: "one" })
    const error = new Error("no")
    const failed = client.forEach(async () => {
      throw error
    })
    assert.strictEqual(await rejection(failed), error)
    const stop = new AbortController()
    const seen: Array<string> = []
    const aborted = client.forEach(
      ({ said }) => {
        seen.push(said)
        stop.abort(error)
      },
      { signal: stop.signal }
    )
    assert.strictEqual(await rejection(aborted), error)
    assert.deepStrictEqual(seen, ["ann: one"])
  })

  promised("rejects with the error itself, and with the reason of a signal", async (client, { until, handled }) => {
    // What does not fit the Schema, as a program without types may send it.
    const invalid = await rejection(client.send({ say: 1 } as never))
    assert.instanceOf(invalid, ConnectionError.MessageInvalid)
    const waiting = new AbortController()
    const delivered = client.deliver({ say: "wait" }, { signal: waiting.signal })
    await until("it is handled", () => handled.includes("wait"))
    waiting.abort()
    assert.strictEqual(await rejection(delivered), waiting.signal.reason)
    await client.close()
    assert.instanceOf(await rejection(client.send({ say: "late" })), ConnectionError.SessionClosed)
    assert.deepStrictEqual(await client.ended, { _tag: "Closed" })
  })

  promised("tells its status as user interfaces take it", async (client, { proxy, until }) => {
    const { getSnapshot, subscribe } = client.status
    const seen: Array<string> = []
    const stop = subscribe(() => void seen.push(getSnapshot()._tag))
    await until("it is Ready", () => getSnapshot()._tag === "Ready")
    assert.strictEqual(getSnapshot(), getSnapshot(), "the same value while nothing changes")
    await Effect.runPromise(proxy.cut)
    await until("it is Ready again", () => seen.includes("Waiting") && getSnapshot()._tag === "Ready")
    stop()
    const before = seen.length
    await client.close()
    assert.strictEqual(getSnapshot()._tag, "Ended")
    assert.strictEqual(seen.length, before)
  })

  promised("publishes, subscribes and sees who is there", async (client) => {
    const lobby = Room.at({ room: "lobby" })
    const position = await client.publish(lobby, 1)
    await client.publish(lobby, 2)
    const values: Array<number> = []
    for await (const publication of client.subscribe(lobby, { since: "oldest" })) {
      if (Client.hasValue(publication)) values.push(publication.value)
      if (values.length === 2) break
    }
    assert.deepStrictEqual(values, [1, 2])
    for await (const publication of client.subscribe(lobby, { since: position })) {
      assert.deepInclude(publication, { value: 2 })
      break
    }
    const unknown = Topic.make("nowhere", Schema.Number).at({})
    assert.instanceOf(await rejection(client.publish(unknown, 1)), ConnectionError.TopicRefused)
    const loop = client.subscribe(unknown)[Symbol.asyncIterator]()
    assert.instanceOf(await rejection(loop.next()), ConnectionError.TopicRefused)
    assert.deepStrictEqual(await loop.next(), { done: true, value: undefined })
  })

  promised("ends its loops when it is closed, one that waits too", async (client) => {
    await client.ready()
    const loop = client.messages[Symbol.asyncIterator]()
    const next = loop.next()
    const left = client.events[Symbol.asyncIterator]()
    const never = left.next()
    await left.return?.()
    assert.deepStrictEqual(await never, { done: true, value: undefined })
    await client.close()
    assert.deepStrictEqual(await next, { done: true, value: undefined })
  })

  promised(
    "asks for a token at each attempt, and says when it is final",
    async (client) => {
      const end = await client.ended
      assert.strictEqual(end._tag, "Stopped")
      assert.instanceOf(await rejection(client.ready()), ConnectionError.SessionClosed)
    },
    async () => "nobody"
  )

  it("is not made of an option that breaks its rule, or on a layer that fails", async () => {
    const bad = connect({ layer: NodeDialer.layer, url: "ws://a", heartbeatInterval: 0 })
    assert.deepInclude(await rejection(bad), { _tag: "InvalidOption", option: "heartbeatInterval" })
    const layer = NodeDialer.layerWith({ localAddress: "nowhere" })
    assert.deepInclude(await rejection(connect({ layer, url: "ws://a" })), { option: "localAddress" })
  })
})
