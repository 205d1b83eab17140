/** A machine that stops dead, and what its peers hear of it. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Listener } from "holdfast"
import { client, dial, gatewayAlone, hold, listenTo, Network, now, timed, virtually, whats, why } from "./support.js"

it.effect("peers of a machine that crashes hear at once that their connections are lost", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* client()
      yield* mine.ready
      yield* network.crash("server")
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "ConnectionLost")
    })
  )
)

it.effect("peers of a machine that crashes without a word find it by their read deadline", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* client()
      const { since } = yield* mine.ready
      yield* network.crash("server", { isTold: false })
      yield* Effect.sleep(59_999)
      assert.strictEqual((yield* mine.status)._tag, "Ready")
      yield* Effect.sleep(1)
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "ReadDeadlineExceeded")
      assert.strictEqual(yield* now, since + 60_000)
    })
  )
)

it.effect("a machine that is back answers with a reset for what it knows nothing of", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* client()
      yield* mine.ready
      yield* network.crash("server", { isTold: false })
      yield* Effect.sleep(1)
      yield* network.restart("server")
      yield* Effect.sleep(1)
      assert.strictEqual((yield* mine.status)._tag, "Ready")
      yield* mine.send("anything")
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "ConnectionLost")
    })
  )
)

it.effect("what was sent to a dead machine is answered with a reset once it is back", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* client()
      yield* mine.ready
      yield* network.crash("server", { isTold: false })
      yield* mine.send("anything")
      yield* Effect.sleep(1)
      assert.strictEqual((yield* mine.status)._tag, "Ready")
      yield* network.restart("server")
      yield* Effect.sleep(0)
      assert.strictEqual((yield* mine.status)._tag, "Waiting")
    })
  )
)

it.effect("nothing is left of a link whose machines have both crashed, the word of the first on its way", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      listenTo(yield* dial())
      listenTo(yield* server)
      yield* network.way({ latency: "1 minute" })
      yield* network.crash("client")
      yield* network.crash("server")
      yield* network.restart("client")
      yield* network.restart("server")
      yield* Effect.sleep("2 minutes")
      assert.lengthOf(yield* network.links, 0)
    })
  )
)

it.effect("a machine that died without a word takes no more than the wire holds", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      const transport = yield* dial()
      const heard = listenTo(transport)
      listenTo(yield* server)
      yield* network.crash("server", { isTold: false })
      for (let i = 0; i < 4; i++) transport.send("x".repeat(50_000))
      yield* Effect.sleep(0)
      assert.deepStrictEqual(whats(heard), ["congested"])
      // One message, and a piece of the next.
      assert.strictEqual(transport.buffered(), 150_000 - 16 * 1024)
    })
  )
)

it.effect("a program runs afresh after a restart, and once", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<string> = []
      let count = 0
      const program = Effect.gen(function* () {
        const me = ++count
        seen.push(`${me} begins`)
        yield* Effect.addFinalizer(() => Effect.sync(() => seen.push(`${me} ends`)))
        yield* Effect.forever(
          Effect.zipRight(
            Effect.sleep(10),
            Effect.sync(() => seen.push(`${me}`))
          )
        )
      })
      yield* network.run("server", Effect.scoped(program))
      yield* Effect.sleep(15)
      yield* network.crash("server")
      yield* Effect.sleep(100)
      yield* network.restart("server")
      yield* Effect.sleep(15)
      assert.deepStrictEqual(seen, ["1 begins", "1", "1 ends", "2 begins", "2"])
    })
  )
)

it.effect("the fiber of a program on a machine that crashes ends interrupted", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const fiber = yield* network.run("server", Effect.never)
      yield* network.crash("server")
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(exit._tag === "Failure" && exit.cause._tag === "Interrupt")
    })
  )
)

it.effect("a crash of a crashed machine is nothing", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const handled: Array<unknown> = []
      yield* network.run("server", gatewayAlone("one", handled))
      yield* network.crash("server", { isTold: false })
      yield* network.crash("server")
      yield* network.restart("server")
      const mine = yield* client()
      yield* mine.deliver("hello")
      assert.deepStrictEqual(handled, ["hello"])
    })
  )
)

it.effect("a restart of a machine that runs dies, and says why", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", Effect.never)
      const exit = yield* Effect.exit(network.restart("server"))
      assert.include(String(exit), "the machine server is running")
    })
  )
)

it.effect("a program is not given to a machine that has crashed", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", Effect.never)
      yield* network.crash("server")
      const exit = yield* Effect.exit(network.run("server", Effect.never))
      assert.include(String(exit), "the machine server has crashed")
    })
  )
)

it.effect("a dead program listens no more", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const listens = Effect.gen(function* () {
        const { listen } = yield* Listener.Listener
        yield* Effect.uninterruptible(
          Effect.zipRight(
            Effect.sleep(1000),
            Effect.zipRight(
              listen(() => {}),
              Effect.sleep(1000)
            )
          )
        )
        return yield* Effect.never
      })
      yield* network.run("server", Effect.scoped(listens))
      yield* Effect.sleep(500)
      yield* network.crash("server")
      yield* network.restart("server")
      yield* Effect.sleep(750) // The dead one has come to its line, the new one has not.
      assert.strictEqual(why(yield* Effect.flip(dial())), "503: nobody listens")
    })
  )
)

it.effect("a dial on its way to a machine that crashes fails at once when the crash is told", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      yield* network.way({ latency: 100 })
      const dialling = yield* Effect.fork(timed(Effect.flip(dial())))
      yield* Effect.sleep(50)
      yield* network.crash("server")
      const [failed, millis] = yield* Fiber.join(dialling)
      assert.strictEqual(why(failed), "Error: connection reset")
      assert.strictEqual(millis, 50)
    })
  )
)

it.effect("a dial that arrives at a machine that has crashed is refused", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      yield* network.way({ latency: 100 })
      const dialling = yield* Effect.fork(timed(Effect.flip(dial())))
      yield* Effect.sleep(50)
      yield* network.crash("server", { isTold: false })
      const [failed, millis] = yield* Fiber.join(dialling)
      assert.strictEqual(why(failed), "Error: connection refused")
      assert.strictEqual(millis, 200)
    })
  )
)

it.effect("a server hears nothing of a client that crashes without a word while it dials", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      yield* network.way({ latency: 100 })
      yield* network.run("laptop", Effect.scoped(Effect.zipRight(dial(), Effect.never)))
      const heard = listenTo(yield* server)
      yield* Effect.sleep(50) // The answer is on its way.
      yield* network.crash("laptop", { isTold: false })
      yield* Effect.sleep("1 hour")
      assert.deepStrictEqual(whats(heard), [])
    })
  )
)

it.effect("a machine that crashes again says nothing of connections that it did not know", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      const transport = yield* dial()
      const heard = listenTo(transport)
      listenTo(yield* server)
      yield* network.crash("server", { isTold: false })
      yield* network.restart("server")
      yield* network.crash("server")
      yield* Effect.sleep(1000)
      assert.deepStrictEqual(whats(heard), [])
    })
  )
)
