/** Gateways on one store hear of what the others do, and say that they live. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Schema, TestClock } from "effect"
import { Broker, ConnectionError, Dialer, Gateway, SessionStore, Topic } from "holdfast"
import { clientOf, type Node, node, type Store } from "../support/manyGateways.js"
import { greet, join, resumeOf } from "../support/peer.js"
import { collect, settle } from "../support/virtual.js"

const unavailable = new ConnectionError.StoreUnavailable({ cause: new Error("no connection") })

/** Two gateways whose handlers begin, and never end. */
const busyNodes = Effect.gen(function* () {
  const store = yield* SessionStore.makeMemory()
  const interrupted: Array<string> = []
  const busy = (name: string) =>
    node(store, {
      onMessage: (message, session) =>
        message === "work"
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted.push(name)))
          : session.send(`${name}: ${message}`)
    })
  return { store, a: yield* busy("a"), b: yield* busy("b"), interrupted }
})

const info = (gateway: Node["gateway"]) => Effect.map(gateway.sessions, (sessions) => sessions.length)

describe("A session that another gateway takes over", () => {
  it.scoped("has its handler interrupted at once, though nothing more is asked of the store", () =>
    Effect.gen(function* () {
      const { a, b, interrupted } = yield* busyNodes
      const { client, moveTo } = yield* clientOf(a)
      yield* client.send("work")
      yield* settle
      assert.deepStrictEqual(interrupted, [])
      yield* moveTo(b)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" }, generation: 2 })
      assert.deepStrictEqual(interrupted, ["a"])
      assert.deepStrictEqual(a.ends, [{ _tag: "MovedAway" }])
      assert.deepStrictEqual([yield* info(a.gateway), yield* info(b.gateway)], [0, 1])
    })
  )

  it.scoped("has a connection that lives closed with 4409, at once", () =>
    Effect.gen(function* () {
      const { a, b } = yield* busyNodes
      const { peer, welcome } = yield* Effect.provideService(join(), Dialer.Dialer, a.dialer)
      const next = yield* Effect.provideService(join(resumeOf(welcome)), Dialer.Dialer, b.dialer)
      assert.deepInclude(next.welcome, { resumed: true, generation: 2 })
      assert.deepInclude(peer.closed() ?? {}, { code: 4409 })
      assert.isUndefined(next.peer.closed())
      assert.deepStrictEqual([a.ends, b.ends], [[{ _tag: "MovedAway" }], []])
    })
  )

  it.scoped("and comes back lives on where it is, whatever is said of the generations before", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const watchers: Array<SessionStore.Watcher> = []
      const store: Store = {
        ...memory,
        watch: (watcher) =>
          Effect.zipRight(
            Effect.sync(() => watchers.push(watcher)),
            memory.watch(watcher)
          )
      }
      const a = yield* node(store)
      const b = yield* node(store)
      const { client, id, moveTo } = yield* clientOf(a)
      yield* moveTo(b)
      yield* moveTo(a)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 3 })
      // Late, and twice.
      for (const generation of [1, 2, 1]) {
        for (const watcher of watchers) watcher.lost(id, generation, { _tag: "TakenOver" })
      }
      yield* settle
      assert.strictEqual(yield* info(a.gateway), 1)
      yield* client.deliver("still here")
      assert.deepStrictEqual(a.handled, ["still here"])
      for (const watcher of watchers) watcher.lost(id, 3, { _tag: "Removed", tombstone: undefined })
      yield* settle
      assert.strictEqual(yield* info(a.gateway), 0)
      assert.deepStrictEqual(a.ends, [{ _tag: "MovedAway" }, { _tag: "Lost" }])
    })
  )
})

describe("A session that one gateway is asked for twice at the same time", () => {
  for (const lives of [false, true]) {
    const where = lives ? "and lives there" : "and that only the store knows"
    it.scoped(`${where}: what is said of the first of the two is not taken for another gateway's doing`, () =>
      Effect.gen(function* () {
        const memory = yield* SessionStore.makeMemory()
        const a = yield* node({ ...memory, attach: (request) => Effect.delay(memory.attach(request), 1000) })
        const elsewhere = yield* node(memory)
        const first = lives ? a : elsewhere
        const { peer, welcome } = yield* Effect.provideService(join(), Dialer.Dialer, first.dialer)
        if (!lives) yield* peer.leave
        const hellos = [resumeOf(welcome), resumeOf(welcome)]
        const peers = yield* Effect.forEach(hellos, (hello) =>
          Effect.zipLeft(Effect.provideService(greet(hello), Dialer.Dialer, a.dialer), TestClock.adjust(50))
        )
        yield* TestClock.adjust(2000)
        assert.deepStrictEqual(
          peers.map((peer) => peer.closed()?.code),
          [4409, undefined]
        )
        assert.strictEqual(yield* info(a.gateway), 1)
        assert.deepStrictEqual(a.ends, [])
      })
    )
  }
})

describe("gateway.disconnect of what lives elsewhere", () => {
  it.scoped("tells its client 4410 at once, interrupts its handler, and counts it", () =>
    Effect.gen(function* () {
      const { a, b, interrupted } = yield* busyNodes
      const { client } = yield* clientOf(a)
      yield* client.send("work")
      yield* settle
      assert.strictEqual(yield* b.gateway.disconnect({ principal: "ann" }, "banned"), 1)
      yield* settle
      const end = yield* client.ended
      assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { code: 4410, reason: "banned" })
      assert.deepStrictEqual(interrupted, ["a"])
      assert.deepStrictEqual([a.ends, b.ends], [[{ _tag: "Ended", reason: "banned", final: true }], []])
    })
  )
})

describe("A store that loses a session", () => {
  for (const isMute of [false, true]) {
    const how = isMute ? "without a word" : "and says so"
    it.scoped(`${how}: its client is closed with 1011, and told that it is unknown when it comes back`, () =>
      Effect.gen(function* () {
        const memory = yield* SessionStore.makeMemory()
        const a = yield* node(isMute ? { ...memory, watch: () => Effect.void } : memory)
        const { client, id } = yield* clientOf(a)
        const changes = yield* collect(client.changes)
        yield* memory.remove(id, 1)
        // What was found out by asking is found out as late as that.
        if (isMute) assert.deepStrictEqual(a.ends, [])
        if (isMute) yield* Effect.ignore(a.gateway.send(id, "anything"))
        yield* settle
        assert.deepStrictEqual(a.ends, [{ _tag: "Lost" }])
        yield* TestClock.adjust(1000)
        const [waiting] = (yield* changes).flatMap((status) => (status._tag === "Waiting" ? [status.reason] : []))
        assert.deepInclude(waiting ?? {}, { code: 1011 })
        const status = yield* client.status
        assert.strictEqual(status._tag, "Ready")
        assert.deepInclude(status._tag === "Ready" ? status.start : {}, { _tag: "Reset", reason: "unknown" })
        assert.strictEqual(yield* memory.size, 1)
      })
    )
  }
})

describe("gateway.nodes", () => {
  it.scoped("lists the gateways on the store, with what each holds, until they end", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const a = yield* node(store)
      yield* TestClock.adjust(5000)
      const b = yield* node(store)
      yield* clientOf(a)
      const figures = Effect.map(b.gateway.nodes, (nodes) =>
        nodes.map(({ connections, sessions, since }) => ({ connections, sessions, since }))
      )
      const nothing = { connections: 0, sessions: 0 }
      assert.deepStrictEqual(yield* figures, [
        { ...nothing, since: 0 },
        { ...nothing, since: 5000 }
      ])
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(yield* figures, [
        { connections: 1, sessions: 1, since: 0 },
        { ...nothing, since: 5000 }
      ])
      assert.deepStrictEqual(yield* a.gateway.nodes, yield* b.gateway.nodes)
      const [first] = yield* a.gateway.nodes
      assert.strictEqual(first?.address, a.gateway.address)
      yield* a.close
      assert.deepStrictEqual(yield* figures, [{ ...nothing, since: 5000 }])
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(yield* b.gateway.nodes, 1)
    })
  )

  it.scoped("forgets a gateway that has said nothing for the lease, and not before", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory({ lease: "9 seconds" })
      const said: Array<string> = []
      let isDead = false
      const store: Store = {
        ...memory,
        announce: (info) => Effect.suspend(() => (isDead ? unavailable : memory.announce(info)))
      }
      const heard = Logger.make(({ message }) => void said.push(String(message)))
      const a = yield* node(store).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, heard)))
      yield* node(memory)
      const count = Effect.map(a.gateway.nodes, (nodes) => nodes.length)
      // It is said at 0, 3, 6, … seconds.
      yield* TestClock.adjust(6000)
      isDead = true
      yield* TestClock.adjust(9000)
      assert.strictEqual(yield* count, 2)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* count, 1)
      assert.lengthOf(said, 1, "it is logged once")
      isDead = false
      yield* TestClock.adjust(3000)
      assert.strictEqual(yield* count, 2)
      isDead = true
      yield* TestClock.adjust(3000)
      assert.lengthOf(said, 2)
    })
  )

  it.scoped("fails with the store", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const { gateway } = yield* node({ ...memory, nodes: unavailable })
      assert.strictEqual(yield* Effect.flip(gateway.nodes), unavailable)
    })
  )
})

describe("gateway.ready", () => {
  it.scoped("succeeds while the store can be used, and fails with the reason while it cannot, or while it drains", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      let isDown = false
      const store: Store = { ...memory, ready: Effect.suspend(() => (isDown ? unavailable : Effect.void)) }
      const a = yield* node(store, { onMessage: () => Effect.never })
      const { client } = yield* clientOf(a)
      yield* a.gateway.ready
      isDown = true
      const { _tag, message, reason } = yield* Effect.flip(a.gateway.ready)
      assert.deepStrictEqual([_tag, reason], ["NotReady", "the session store: no connection"])
      assert.strictEqual(message, "not ready: the session store: no connection")
      isDown = false
      yield* a.gateway.ready
      yield* client.send("work")
      yield* settle
      const closing = yield* Effect.fork(a.close)
      yield* settle
      assert.strictEqual((yield* Effect.flip(a.gateway.ready)).reason, "the gateway drains")
      yield* Fiber.join(closing)
    })
  )

  it.scoped("asks the broker, where there are topics", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const memory = yield* Broker.makeMemory()
      let isDown = false
      const down = new ConnectionError.BrokerUnavailable({ cause: "no route" })
      const broker: typeof memory = { ...memory, ready: Effect.suspend(() => (isDown ? down : Effect.void)) }
      const topics = [Gateway.topic(Topic.make("news", Schema.Unknown), { subscribe: Gateway.allow })]
      const { gateway } = yield* Effect.provideService(node<Broker.Broker>(store, { topics }), Broker.Broker, broker)
      const plain = yield* node(store)
      yield* gateway.ready
      isDown = true
      assert.strictEqual((yield* Effect.flip(gateway.ready)).reason, "the broker: no route")
      yield* plain.gateway.ready
    })
  )
})
