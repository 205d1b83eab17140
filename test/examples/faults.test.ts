/** The faults of the demo's gateway: what is broken for one client, and that the contracts of its transports hold. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { type Client, type ClientStatus, SessionStore } from "holdfast"
import { MemoryNetwork, MemoryTransport } from "holdfast/testing"
import * as Faults from "../../examples/gateway/faults.js"
import { FaultyTransport } from "../../examples/gateway/faultyTransport.js"
import { collect, echoGateway, makeClient, settle, statusTags, withRandom } from "../support/virtual.js"
import { listenTo, whats } from "../testing/support.js"

const World = Layer.merge(
  Layer.provideMerge(Faults.layer, MemoryNetwork.layer()),
  Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())
)

const me = "abcdef0123"

const connect = (client: string, options?: Partial<Client.ClientOptions<unknown, unknown>>) =>
  Effect.gen(function* () {
    const timing = { heartbeatInterval: "2 seconds", readDeadline: "6 seconds" } as const
    const made = yield* makeClient({ url: `ws://server/?client=${client}`, ...timing, ...options })
    const seen = yield* collect(made.messages)
    const ready = yield* made.ready
    yield* settle
    return { ...made, seen, ready }
  })

const startOf = (status: ClientStatus.Status) => (status._tag === "Ready" ? status.start._tag : status._tag)

const faults = Effect.map(
  Faults.Faults,
  ({ apply }) =>
    (action: Faults.Action) =>
      apply(me, action)
)

describe("a client that is", () => {
  it.scoped("silenced finds it at exactly the deadline, and goes on with nothing lost, in order, and once", () =>
    Effect.gen(function* () {
      const { gateway, handled } = yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      assert.deepStrictEqual(yield* apply("silence"), { _tag: "Silent" })
      const [session] = yield* gateway.sessions
      for (const n of [1, 2, 3]) yield* client.send(n)
      yield* session?.send("said in the silence") ?? Effect.die("no session")

      yield* TestClock.adjust(5999)
      assert.strictEqual(startOf(yield* client.status), "Fresh")
      assert.deepStrictEqual([handled, yield* client.seen], [[], []])
      yield* TestClock.adjust(1)
      assert.strictEqual(startOf(yield* client.status), "Waiting")

      // A silence belongs to its connection: the next one is well.
      yield* TestClock.adjust(1000)
      assert.strictEqual(startOf(yield* client.status), "Resumed")
      assert.deepStrictEqual(handled, [1, 2, 3])
      assert.deepStrictEqual(yield* client.seen, ["said in the silence", 1, 2, 3])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(startOf(yield* client.status), "Resumed")
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("silenced and healed in time hears what was held back, on the same connection", () =>
    Effect.gen(function* () {
      const { gateway, handled } = yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      yield* apply("silence")
      const [session] = yield* gateway.sessions
      yield* client.send(1)
      yield* session?.send("a") ?? Effect.die("no session")
      yield* TestClock.adjust(5999)
      yield* apply("heal")
      yield* client.send(2)
      yield* settle
      assert.deepStrictEqual(
        [handled, yield* client.seen],
        [
          [1, 2],
          ["a", 1, 2]
        ]
      )
      yield* TestClock.adjust("1 minute")
      const status = yield* client.status
      assert.strictEqual(status._tag === "Ready" && status.generation, 1)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("slowed is 1.5 s away each way, in order, until it is healed", () =>
    Effect.gen(function* () {
      const { handled } = yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      assert.deepStrictEqual(yield* apply("slow"), { _tag: "Slow", delay: 1500 })
      for (const n of [1, 2, 3]) yield* client.send(n)
      yield* TestClock.adjust(1000)
      yield* client.send(4)
      yield* TestClock.adjust(499)
      assert.deepStrictEqual(handled, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(handled, [1, 2, 3])
      yield* TestClock.adjust(1499)
      assert.deepStrictEqual([handled, yield* client.seen], [[1, 2, 3, 4], []])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* client.seen, [1, 2, 3])

      // The fourth echo is on its way still: healed, it does not come after the fifth.
      yield* apply("heal")
      yield* client.send(5)
      yield* settle
      assert.deepStrictEqual(yield* client.seen, [1, 2, 3, 4, 5])
      const status = yield* client.status
      assert.strictEqual(status._tag === "Ready" && status.generation, 1)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("slowed is slow on its next connection, too", () =>
    Effect.gen(function* () {
      const { handled } = yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      yield* apply("slow")
      assert.deepStrictEqual(yield* apply("cut"), { _tag: "Slow", delay: 1500 })
      yield* settle
      yield* client.send(1)
      // The delay, the hello, and the welcome; then the message.
      yield* TestClock.adjust(1000 + 1500 + 1500 + 1499)
      assert.deepStrictEqual([startOf(yield* client.status), handled], ["Resumed", []])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(handled, [1])
      yield* apply("heal") // or its farewell takes 3 s, which nobody lets pass
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("cut comes back after its first delay, and the others notice nothing", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* connect(me)
      const other = yield* connect("0123456789")
      const plain = yield* connect("no id")
      const apply = yield* faults
      assert.deepStrictEqual(yield* apply("cut"), { _tag: "None" })
      yield* settle
      assert.deepStrictEqual(statusTags([yield* client.status, yield* other.status, yield* plain.status]), [
        "Waiting",
        "Ready",
        "Ready"
      ])
      yield* TestClock.adjust(1000)
      assert.strictEqual(startOf(yield* client.status), "Resumed")
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("refused is cut, answered 503 for 20 s, and accepted then", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      assert.deepStrictEqual(yield* apply("refuse"), { _tag: "Refused", remaining: 20_000 })
      yield* TestClock.adjust(1000)
      const status = yield* client.status
      assert(status._tag === "Waiting" && status.reason._tag === "DialRefused")
      assert.strictEqual(status.reason.status, 503)
      yield* TestClock.adjust(18_999)
      yield* client.reconnect
      yield* settle
      assert.strictEqual(startOf(yield* client.status), "Waiting")
      yield* TestClock.adjust(1)
      yield* client.reconnect
      yield* settle
      assert.strictEqual(startOf(yield* client.status), "Resumed")
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("refused and healed is accepted at its next attempt", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* connect(me)
      const apply = yield* faults
      yield* apply("refuse")
      assert.deepStrictEqual(yield* apply("heal"), { _tag: "None" })
      yield* TestClock.adjust(1000)
      assert.strictEqual(startOf(yield* client.status), "Resumed")
    }).pipe(Effect.provide(World), withRandom(0.5))
  )
})

it.scoped(
  "what is the matter with a client can be asked: a silence ends with its connection, a slowness does not",
  () =>
    Effect.gen(function* () {
      yield* echoGateway()
      yield* connect(me)
      const { standing } = yield* Faults.Faults
      const apply = yield* faults
      yield* apply("silence")
      assert.deepStrictEqual(yield* standing(me), { _tag: "Silent" })
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(yield* standing(me), { _tag: "None" })
      yield* apply("slow")
      yield* apply("cut")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* standing(me), { _tag: "Slow", delay: 1500 })
      assert.deepStrictEqual(yield* standing("a stranger"), { _tag: "None" })
      yield* apply("heal")
    }).pipe(Effect.provide(World), withRandom(0.5))
)

it.scoped("a client that has been gone for two minutes is forgotten when another dials", () =>
  Effect.gen(function* () {
    yield* echoGateway()
    const { apply } = yield* Faults.Faults
    assert.strictEqual((yield* Effect.flip(apply(me, "cut"))).client, me)
    const client = yield* connect(me)
    yield* client.close
    yield* settle
    yield* TestClock.adjust(119_999)
    yield* connect("0123456789")
    yield* apply(me, "heal")
    yield* TestClock.adjust(1)
    yield* connect("9876543210")
    assert.strictEqual((yield* Effect.flip(apply(me, "cut"))).client, me)
  }).pipe(Effect.provide(World), withRandom(0.5))
)

describe("a transport that is silent", () => {
  const linked = Effect.gen(function* () {
    const clock = yield* Effect.clock
    const { client, server } = MemoryTransport.link()
    const gone: Array<FaultyTransport> = []
    const surroundings = {
      now: () => clock.unsafeCurrentTimeMillis(),
      fork: (effect: Effect.Effect<void>) => Effect.runFork(effect, { immediate: false })
    }
    const faulty = new FaultyTransport(server, surroundings, (transport) => void gone.push(transport))
    return { client, faulty, gone, there: listenTo(client) }
  })
  const soon = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

  it.effect("tells of its peer's end when it is destroyed: once, and not within the call", () =>
    Effect.gen(function* () {
      const { client, faulty, gone } = yield* linked
      const heard = listenTo(faulty)
      faulty.become({ _tag: "Silent" })
      client.send("unheard")
      client.close(1000, "")
      yield* soon
      assert.deepStrictEqual(whats(heard), [])
      faulty.destroy()
      faulty.destroy()
      assert.deepStrictEqual(whats(heard), [])
      yield* soon
      faulty.destroy()
      faulty.become({ _tag: "Open" })
      yield* soon
      assert.deepStrictEqual(whats(heard), ["closed 1006"])
      assert.deepStrictEqual(gone, [faulty])
    })
  )

  it.effect("tells of its peer's end after what the peer had said, when it is healed", () =>
    Effect.gen(function* () {
      const { client, faulty } = yield* linked
      const heard = listenTo(faulty)
      faulty.become({ _tag: "Silent" })
      client.send("one")
      client.send("two")
      client.close(1000, "")
      yield* soon
      faulty.become({ _tag: "Open" })
      assert.deepStrictEqual(whats(heard), [])
      yield* soon
      assert.deepStrictEqual(whats(heard), ["one", "two", "closed 1000"])
    })
  )

  it.effect("gives on what it held before what comes in the moment in which it is healed", () =>
    Effect.gen(function* () {
      const { faulty, there } = yield* linked
      listenTo(faulty)
      faulty.become({ _tag: "Silent" })
      faulty.send("one")
      faulty.become({ _tag: "Open" })
      faulty.send("two")
      yield* soon
      assert.deepStrictEqual(whats(there), ["one", "two"])
    })
  )

  it.effect("is closed while its peer lives: closed 1006 follows a destroy", () =>
    Effect.gen(function* () {
      const { faulty, there } = yield* linked
      const heard = listenTo(faulty)
      faulty.become({ _tag: "Silent" })
      faulty.send("unheard")
      faulty.close(1001, "going away")
      yield* soon
      assert.deepStrictEqual([whats(heard), whats(there)], [[], []])
      faulty.destroy()
      yield* soon
      assert.deepStrictEqual([whats(heard), whats(there)], [["closed 1006"], ["closed 1006"]])
    })
  )

  it.effect("pushes back a peer that goes on, and counts what it holds for its own end", () =>
    Effect.gen(function* () {
      const { client, faulty, there } = yield* linked
      const heard = listenTo(faulty)
      faulty.become({ _tag: "Silent" })
      const big = "x".repeat(100_000)
      for (let i = 0; i < 30; i++) client.send(big)
      yield* soon
      assert.isAbove(client.buffered(), 1_000_000)
      faulty.send(big)
      assert.strictEqual(faulty.buffered(), 100_000)
      faulty.become({ _tag: "Open" })
      for (let i = 0; i < 10; i++) yield* soon
      assert.strictEqual(heard.filter(({ what }) => what === big).length, 30)
      assert.deepStrictEqual([client.buffered(), faulty.buffered()], [0, 0])
      assert.strictEqual(there.filter(({ what }) => what === big).length, 1)
    })
  )

  it.effect("keeps what comes while it is paused, and does not resume by itself", () =>
    Effect.gen(function* () {
      const { client, faulty } = yield* linked
      const heard = listenTo(faulty, { onMessage: (frame) => frame === "one" && faulty.pause() })
      faulty.become({ _tag: "Silent" })
      for (const what of ["one", "two"]) client.send(what)
      yield* soon
      faulty.become({ _tag: "Open" })
      yield* soon
      assert.deepStrictEqual(whats(heard), ["one"])
      faulty.resume()
      yield* soon
      assert.deepStrictEqual(whats(heard), ["one", "two"])
    })
  )
})
