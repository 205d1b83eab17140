/** A client that takes less than its gateway is never sent more, and what it is not sent is told: by type, or in its place. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { Client, type ClientStatus, Codec, Dialer, Gateway, Messages, SessionKeeper, SessionStore } from "holdfast"
import { plainTab } from "../support/keptSessions.js"
import { clientOf, type Node, node, pass } from "../support/manyGateways.js"
import { join, resumeOf } from "../support/peer.js"
import { Any, connect, follow, makeGateway, only, TopicWorld } from "../support/topics.js"
import { collect, settle } from "../support/virtual.js"

const codecs = { JSON: Codec.json, MessagePack: Codec.msgpack }
const policies = ["disconnect", "dropOldest", "latest"] as const

const limit = 1000
/** A text whose body has so many bytes: from 256 to 65,535 of them. */
const sized = (codec: keyof typeof codecs, bytes: number) => "x".repeat(bytes - (codec === "JSON" ? 2 : 3))

/** A gateway with one topic, and room for large messages. */
const gatewayOf = (policy: (typeof policies)[number] = "disconnect") =>
  makeGateway(undefined, {
    topics: [
      Gateway.topic<unknown, { readonly name: string }, Gateway.Principal>(Any, {
        subscribe: Gateway.allow,
        publish: Gateway.allow,
        policy,
        presence: true
      })
    ]
  })

const place = Any.at({ name: "place" })

/** What is seen of publications: their offsets, and whether they came with their value. */
const places = (seen: ReadonlyArray<Client.Publication<unknown> | Client.TooLarge>) =>
  seen.map(({ position, skipped }) => [position.offset, skipped === "too-large" ? skipped : "value"])

const isReady = Effect.fnUntraced(function* (client: Client.Client<unknown, unknown>) {
  assert.strictEqual((yield* client.status)._tag, "Ready")
})

describe.each(["JSON", "MessagePack"] as const)("A client of %s with a smaller maxMessage than its gateway", (name) => {
  const codec = codecs[name]

  it.scoped("is sent a message of as many bytes as it takes; of one more, send, deliver and offer fail", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* connect({ maxMessage: limit, codec })
      const messages = yield* collect(client.messages)
      const session = yield* only(gateway)
      const fitting = sized(name, limit)
      yield* session.send(fitting)
      yield* session.offer(fitting)
      yield* gateway.send(session.id, fitting)
      const delivered = yield* Effect.fork(session.deliver(fitting))
      yield* pass(100)
      yield* Fiber.join(delivered)
      const over = sized(name, limit + 1)
      const tooLarge = { _tag: "MessageTooLarge", size: limit + 1, limit } as const
      assert.deepInclude(yield* Effect.flip(session.send(over)), tooLarge)
      assert.deepInclude(yield* Effect.flip(session.offer(over)), tooLarge)
      assert.deepInclude(yield* Effect.flip(session.deliver(over)), tooLarge)
      assert.deepInclude(yield* Effect.flip(gateway.send(session.id, over)), tooLarge)
      yield* session.send("next")
      yield* settle
      assert.deepStrictEqual(yield* messages, [fitting, fitting, fitting, fitting, "next"])
      yield* isReady(client)
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const policy of policies) {
    it.scoped(`gets a larger publication of a ${policy} topic in its place, without the value`, () =>
      Effect.gen(function* () {
        const gateway = yield* gatewayOf(policy)
        const client = yield* connect({ maxMessage: limit, codec })
        const live = yield* follow(client.subscribe(place))
        for (const bytes of [limit, limit + 1, limit - 1]) {
          yield* gateway.publish(place, sized(name, bytes))
          yield* settle
        }
        assert.deepStrictEqual(places(live.seen), [
          [1, "value"],
          [2, "too-large"],
          [3, "value"]
        ])
        yield* live.stop
        for (const bytes of [300, 20_000]) yield* gateway.publish(place, sized(name, bytes))
        const since = { epoch: live.seen[0]?.position.epoch ?? "", offset: 3 }
        const recovered = yield* follow(client.subscribe(place, { since }))
        const missed = [
          [4, "value"],
          [5, "too-large"]
        ]
        assert.deepStrictEqual(places(recovered.seen), policy === "latest" ? missed.slice(1) : missed)
        assert.strictEqual(recovered.end(), undefined)
        yield* isReady(client)
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("has them measured in the bytes of its own codec", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* connect({ maxMessage: limit, codec })
      const live = yield* follow(client.subscribe(place))
      // Three bytes a character; and a list that is more than twice as long in MessagePack.
      yield* gateway.publish(place, "\u20ac".repeat(333))
      yield* gateway.publish(
        place,
        Array.from({ length: 200 }, () => 0.5)
      )
      yield* gateway.publish(
        place,
        Array.from({ length: 110 }, () => 0.5)
      )
      yield* settle
      assert.deepStrictEqual(places(live.seen), [
        [1, "too-large"],
        [2, name === "JSON" ? "value" : "too-large"],
        [3, "value"]
      ])
      yield* isReady(client)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is refused who is there when that is larger, and lives", () =>
    Effect.gen(function* () {
      yield* gatewayOf()
      const many = yield* connect({ token: "b".repeat(200) })
      yield* follow(many.subscribe(place))
      const client = yield* connect({ maxMessage: 150, codec, token: "c" })
      const who = yield* follow(client.presence(place))
      assert.deepInclude(who.end(), { _tag: "TopicRefused", code: "too-large" })
      yield* isReady(client)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is refused who comes or goes when that is larger: nobody is missing in silence, and it lives", () =>
    Effect.gen(function* () {
      yield* gatewayOf()
      const watcher = yield* connect({ maxMessage: 300, codec, token: "w" })
      const who = yield* follow(watcher.presence(place))
      const small = yield* connect({ token: "s" })
      const reading = yield* follow(small.subscribe(place))
      yield* reading.stop
      yield* settle
      assert.deepStrictEqual(
        who.seen.map(({ _tag }) => _tag),
        ["Members", "Joined", "Left"]
      )
      const many = yield* connect({ token: "b".repeat(400) })
      yield* follow(many.subscribe(place))
      assert.deepInclude(who.end(), { _tag: "TopicRefused", topic: `${place.name}#presence`, code: "too-large" })
      yield* isReady(watcher)
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const where of ["here", "elsewhere"] as const) {
    it.scoped(`that comes back, ${where}, with less than what waits for it needs begins anew: incomplete`, () =>
      Effect.gen(function* () {
        const { a, b, visit } = yield* house(codec)
        const first = yield* visit(a, 5000)
        const session = yield* only(a.gateway)
        yield* session.send(sized(name, limit + 1))
        yield* first.leave
        const second = yield* visit(where === "here" ? a : b, limit)
        const reset = { _tag: "Reset", reason: "incomplete" } as const
        assert.deepInclude((yield* second.client.ready).start, reset)
        const waiting = yield* collect(second.client.messages)
        yield* settle
        assert.deepStrictEqual(yield* waiting, [])
      })
    )

    it.scoped(`that comes back, ${where}, with enough for what waits for it goes on`, () =>
      Effect.gen(function* () {
        const { a, b, visit } = yield* house(codec)
        const first = yield* visit(a, 5000)
        const session = yield* only(a.gateway)
        yield* session.send(sized(name, limit))
        yield* first.leave
        const here = where === "here" ? a : b
        const second = yield* visit(here, limit)
        assert.deepStrictEqual((yield* second.client.ready).start, { _tag: "Resumed" })
        const messages = yield* collect(second.client.messages)
        yield* settle
        assert.deepStrictEqual(yield* messages, [sized(name, limit)])
        // It takes less than before.
        const again = yield* only(here.gateway)
        assert.deepInclude(yield* Effect.flip(again.send(sized(name, limit + 1))), { _tag: "MessageTooLarge", limit })
      })
    )
  }

  it.scoped(
    "is not sent what another gateway leaves for it: what comes behind that arrives, and the mailbox is empty",
    () =>
      Effect.gen(function* () {
        const memory = yield* SessionStore.makeMemory()
        const bounds = { replayBytes: 10_000 }
        const a = yield* node(memory, bounds)
        const b = yield* node(memory, bounds)
        const { client, id } = yield* clientOf(a, { maxMessage: limit, codec })
        const messages = yield* collect(client.messages)
        // Many more than a mailbox takes: each makes room.
        for (let n = 0; n < 10; n++) yield* b.gateway.send(id, sized(name, 4000))
        yield* b.gateway.send(id, "behind")
        yield* settle
        for (let n = 0; n < 10; n++) yield* b.gateway.send(id, sized(name, 4000))
        yield* settle
        assert.deepStrictEqual(yield* messages, ["behind"])
        assert.deepStrictEqual(yield* memory.collect(id, 1, 0), [])
        yield* isReady(client)
      })
  )

  it.scoped("that waits for room with more than its client takes by now fails", () =>
    Effect.gen(function* () {
      const { a, visit } = yield* house(codec, { replayMessages: 1 })
      const first = yield* visit(a, 5000)
      const session = yield* only(a.gateway)
      yield* session.send("small")
      const waiting = yield* Effect.fork(Effect.flip(session.send(sized(name, 2000))))
      yield* settle
      yield* first.leave
      yield* visit(a, limit)
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "MessageTooLarge", size: 2000, limit })
    })
  )
})

/** Two gateways on one store, and a client that leaves its session to the next one, which may take less. */
const house = (codec: Codec.Codec, options?: Parameters<typeof node<never>>[1]) =>
  Effect.gen(function* () {
    const memory = yield* SessionStore.makeMemory()
    const [a, b] = [yield* node(memory, options), yield* node(memory, options)]
    const { keeper } = plainTab()
    const visit = (at: Node, maxMessage: number, more?: Partial<Client.ClientOptions<unknown, unknown>>) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
        const client = yield* Client.make({ url: "memory:", messages: Messages.json, maxMessage, codec, ...more }).pipe(
          Effect.provideService(Dialer.Dialer, at.dialer),
          Effect.provideService(SessionKeeper.SessionKeeper, keeper),
          Scope.extend(scope)
        )
        const events = yield* collect(client.events)
        yield* settle
        return { client, events, leave: Effect.zipRight(Scope.close(scope, Exit.void), settle) }
      })
    return { a, b, visit, memory, keeper }
  })

describe("A hello without limits", () => {
  it.scoped("sets none, in a session whose hello before it had one: all is sent, and nothing is skipped", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const { peer: small, welcome } = yield* join({ limits: { maxMessage: limit } })
      const session = yield* only(gateway)
      const over = sized("JSON", limit + 1)
      assert.deepInclude(yield* Effect.flip(session.send(over)), { _tag: "MessageTooLarge", limit })
      yield* small.leave
      const { peer, welcome: again } = yield* join(resumeOf(welcome))
      assert.deepInclude(again, { resumed: true })
      yield* session.send(over)
      yield* peer.say({ type: "subscribe", id: 1, topic: place.name })
      yield* gateway.publish(place, over)
      yield* settle
      assert.deepInclude(peer.said("data")[0] ?? {}, { seq: 1, body: over })
      const [publication] = peer.said("publication")
      assert.deepInclude(publication ?? {}, { topic: place.name, body: over })
      assert.notProperty(publication, "skipped")
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("A client whose server takes less than it did", () => {
  const refusals = (events: ReadonlyArray<ClientStatus.ClientEvent>) =>
    events.flatMap((event) => (event._tag === "Refused" ? [event.code] : []))

  it.scoped("is told of what is larger and was accepted before the first welcome; the rest arrives", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node(memory, { maxMessage: limit })
      const scope = yield* Effect.scope
      const client = yield* Client.make({ url: "memory:", messages: Messages.json }).pipe(
        Effect.provideService(Dialer.Dialer, { dial: (request) => Effect.delay(a.dialer.dial(request), 1000) }),
        Scope.extend(scope)
      )
      const events = yield* collect(client.events)
      const deliver = (message: unknown) => Effect.fork(Effect.either(client.deliver(message)))
      const fates = [yield* deliver("one"), yield* deliver("x".repeat(limit)), yield* deliver("two")]
      yield* settle
      yield* client.send("y".repeat(limit))
      yield* client.send("three")
      yield* pass(2000)
      const [one, large, two] = yield* Effect.forEach(fates, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual([one?._tag, two?._tag], ["Right", "Right"])
      assert.deepInclude(large?._tag === "Left" ? large.left : undefined, { _tag: "MessageTooLarge", limit })
      assert.deepStrictEqual(a.handled, ["one", "two", "three"])
      assert.deepStrictEqual(refusals(yield* events), ["too-large", "too-large"])
      yield* isReady(client)
    })
  )

  it.scoped("begins anew instead of ending for good when its session holds something larger", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node(memory)
      const { client, reach } = yield* clientOf(a)
      const events = yield* collect(client.events)
      yield* a.close
      const kept = yield* Effect.fork(Effect.either(client.deliver("x".repeat(5000))))
      const small = yield* Effect.fork(Effect.either(client.deliver("small")))
      yield* settle
      const b = yield* node(memory, { maxMessage: limit })
      yield* reach(b)
      yield* client.reconnect
      yield* pass(30_000)
      yield* isReady(client)
      const fate = yield* Fiber.join(kept)
      assert.deepInclude(fate._tag === "Left" ? fate.left : undefined, { _tag: "MessageTooLarge", size: 5002, limit })
      assert.strictEqual((yield* Fiber.join(small))._tag, "Right")
      assert.deepStrictEqual(b.handled, ["small"])
      assert.deepStrictEqual(refusals(yield* events), ["too-large"])
      const [lost] = (yield* events).filter(({ _tag }) => _tag === "SessionLost")
      assert.deepInclude(lost, { reason: "incomplete", outcomeUnknown: 0, carriedOver: 1 })
      assert.deepStrictEqual(b.ends, [{ _tag: "Bye" }])
    })
  )
})
