/** Tokens, secrets and bodies through everything that can go wrong: no log line, reason, error, event or figure shows one. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, LogLevel, Schema, Stream, TestClock } from "effect"
import { Broker, Client, ConnectionError, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { dial, greet, join, type Peer, resumeOf } from "../support/peer.js"
import { settle } from "../support/virtual.js"

const canary = "s3cr3t-c4n4ry"

const Body = Schema.Struct({ amount: Schema.Number })
const Prices = Topic.make("prices/:name", Body)
const messages = Messages.make({ client: Body, server: Schema.Struct({ text: Schema.String }) })

const unavailable = new ConnectionError.StoreUnavailable({ cause: "down" })

/** All that anybody may read: what is logged, and what each end shows. */
const watched = Effect.gen(function* () {
  const seen: Array<string> = []
  const see = (what: unknown) => void seen.push(typeof what === "string" ? what : inspect(what, { depth: 12 }))
  const logger = Logger.make(({ annotations, cause, message, spans }) => {
    see([message, [...annotations], [...spans]])
    see(Cause.pretty(cause, { renderErrorCause: true }))
  })
  const layer = Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.Trace))
  return { seen, see, layer }
})

const gatewayOf = (store: { isDown: boolean }) =>
  Effect.gen(function* () {
    const memory = yield* SessionStore.makeMemory()
    const orDown = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ConnectionError.StoreUnavailable> =>
      Effect.suspend(
        (): Effect.Effect<A, E | ConnectionError.StoreUnavailable> => (store.isDown ? Effect.fail(unavailable) : effect)
      )
    const flaky: typeof memory = {
      ...memory,
      create: (session) => orDown(memory.create(session)),
      attach: (request) => orDown(memory.attach(request)),
      append: (...given) => orDown(memory.append(...given)),
      acknowledge: (...given) => orDown(memory.acknowledge(...given))
    }
    const gateway = yield* Gateway.make({
      messages,
      authenticate: ({ token }) =>
        token?.startsWith("bad")
          ? Effect.fail(new ConnectionError.NotAuthenticated({ reason: "not you" }))
          : token?.startsWith("odd")
            ? Effect.die("authenticate is out of order")
            : Effect.succeed({ id: "ann" }),
      onMessage: ({ amount }, session) =>
        amount < 0 ? Effect.die("the handler is out of order") : session.send({ text: "thanks" }),
      maxMessage: 4096,
      topics: [Gateway.topic(Prices, { subscribe: Gateway.allow, publish: Gateway.allow })]
    }).pipe(Effect.provideService(SessionStore.SessionStore, flaky))
    return gateway
  })

describe("A token, a secret or a body", () => {
  it.scoped("is shown by nothing that a gateway logs, says or counts", () =>
    Effect.gen(function* () {
      const { layer, see, seen } = yield* watched
      yield* Effect.gen(function* () {
        const store = { isDown: false }
        const gateway = yield* gatewayOf(store)
        const note = (peer: Peer) => {
          see(peer.closed())
          for (const type of ["error", "goaway", "welcome", "subscribed", "unsubscribed", "published"]) {
            for (const said of peer.said(type)) see({ ...said, secret: undefined })
          }
        }
        // Hellos.
        for (const hello of [
          { token: `bad ${canary}` },
          { token: `odd ${canary}` },
          { token: { [canary]: canary } },
          { token: canary, resume: { session: canary, secret: canary, processed: 0, oldest: 1, attempt: 1 } },
          { token: canary, resume: { session: 1, secret: canary } },
          { [canary]: canary, type: canary },
          { token: canary.repeat(2000) }
        ]) {
          const peer = yield* greet(hello)
          yield* TestClock.adjust("1 second")
          note(peer)
        }
        const early = yield* dial
        yield* early.say({ type: "data", seq: 1, ack: 0, body: canary })
        note(early)
        // Bodies, and requests.
        for (const message of [
          { type: "data", seq: 1, ack: 0, body: canary },
          { type: "data", seq: 1, ack: 0, body: { amount: canary } },
          { type: "data", seq: 1, ack: 0, body: { amount: -1, note: canary } },
          { type: "data", seq: 1, ack: 0, body: { amount: 1, note: canary.repeat(1000) } },
          { type: "data", seq: canary, ack: 0, body: canary },
          { type: "publish", id: 1, topic: "prices/a", key: "k", body: { amount: canary } },
          { type: "publish", id: 1, topic: "prices/a", key: "k", body: canary.repeat(1000) },
          { type: "publish", id: canary, topic: "prices/a", key: "k", body: 1 },
          { type: "token", token: `bad ${canary}` },
          { type: "token", token: { [canary]: 1 } },
          { type: canary },
          canary
        ]) {
          const { peer } = yield* join({ token: "ann" })
          yield* peer.say(message)
          yield* TestClock.adjust("1 second")
          note(peer)
          see(yield* Effect.forEach(yield* gateway.sessions, (session) => session.info))
          yield* peer.leave
        }
        // A store that is away, at a hello, at a resume and at a message.
        const { peer, welcome } = yield* join({ token: canary })
        store.isDown = true
        yield* peer.say({ type: "data", seq: 1, ack: 0, body: { amount: 1, note: canary } })
        const other = yield* greet({ token: canary })
        const { resume } = resumeOf(welcome)
        const again = yield* greet({ token: canary, resume: { ...resume, secret: canary } })
        yield* TestClock.adjust("2 minutes")
        for (const one of [peer, other, again]) note(one)
        store.isDown = false
        yield* TestClock.adjust("1 minute")
        see(yield* gateway.stats)
      }).pipe(
        Effect.provide(layer),
        Effect.provide(Layer.merge(MemoryNetwork.layer(), Layer.effect(Broker.Broker, Broker.makeMemory())))
      )
      assert.isAbove(seen.length, 40)
      for (const line of seen) assert.notInclude(line, canary)
      // What is looked at has what was to be said.
      assert.isTrue(seen.some((line) => line.includes("not you")))
      assert.isTrue(seen.some((line) => line.includes("out of order")))
      assert.isTrue(seen.some((line) => line.includes("store failed")))
    })
  )

  it.scoped("is shown by nothing that a client logs or tells", () =>
    Effect.gen(function* () {
      const { layer, see, seen } = yield* watched
      yield* Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        const store = { isDown: false }
        yield* gatewayOf(store)
        const client = yield* Client.make({
          url: `ws://ann:${canary}@server/?token=${canary}`,
          token: Effect.succeed(canary),
          headers: { authorization: canary },
          messages: Messages.make({ client: Schema.Unknown, server: Schema.Struct({ text: Schema.Number }) })
        })
        yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => see(event))))
        yield* Effect.forkScoped(Stream.runForEach(client.changes, (status) => Effect.sync(() => see(status))))
        yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(client.messages, () => Effect.void)))
        yield* settle
        // Answered with what does not decode at this end; refused at the other; too large for either.
        yield* client.send({ amount: 1, note: canary })
        see(yield* Effect.exit(Effect.timeout(client.deliver({ amount: canary }), "1 minute").pipe(Effect.fork)))
        see(yield* Effect.exit(client.send({ amount: 1, note: canary.repeat(1000) })))
        see(yield* Effect.exit(client.send({ [canary]: 1n })))
        yield* TestClock.adjust("2 minutes")
        for (const status of [401, 502, 503]) {
          yield* network.reach({ _tag: "Status", status, body: "no" })
          yield* network.cut()
          yield* TestClock.adjust("1 minute")
        }
        yield* network.reach({ _tag: "Open" })
        yield* TestClock.adjust("1 minute")
        see(yield* client.stats)
        yield* client.close
        see(yield* client.ended)
      }).pipe(
        Effect.provide(layer),
        Effect.provide(Layer.merge(MemoryNetwork.layer(), Layer.effect(Broker.Broker, Broker.makeMemory())))
      )
      assert.isAbove(seen.length, 10)
      for (const line of seen) assert.notInclude(line, canary)
      assert.isTrue(seen.some((line) => line.includes("502")))
    })
  )
})
