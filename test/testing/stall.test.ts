/** A machine that does not read. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { client, dial, gatewayAlone, hold, listenTo, Network, virtually, whats } from "./support.js"

it.effect("what is sent to a machine that does not read waits, and arrives in order at the end of the stall", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      const transport = yield* dial()
      const here = listenTo(transport)
      const there = yield* server
      const heard = listenTo(there)
      yield* network.stall("server")
      transport.send("1")
      transport.send("2")
      there.send("3")
      yield* Effect.sleep(1000)
      assert.deepStrictEqual(whats(heard), [])
      assert.deepStrictEqual(whats(here), ["3", "congested"])
      assert.strictEqual(transport.buffered(), 2)
      yield* network.release("server")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(whats(heard), ["1", "2"])
      assert.deepStrictEqual(whats(here), ["3", "congested", "drained"])
    })
  )
)

it.effect("a connection that is made in a stall is not read either", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      yield* network.stall("server")
      const transport = yield* dial()
      const heard = listenTo(yield* server)
      transport.send("1")
      yield* Effect.sleep(1000)
      assert.deepStrictEqual(whats(heard), [])
      yield* network.release("server")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(whats(heard), ["1"])
    })
  )
)

it.effect("the sender to a machine that does not read gives up at its write deadline", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* client()
      yield* mine.ready
      yield* network.stall("server")
      yield* mine.send("anything")
      yield* Effect.sleep(9_999)
      assert.strictEqual((yield* mine.status)._tag, "Ready")
      yield* Effect.sleep(1)
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "WriteDeadlineExceeded")
      yield* network.release("server")
      assert.strictEqual((yield* mine.ready).start._tag, "Resumed")
    })
  )
)

it.effect("the stall of another machine does not end one by hand", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      const transport = yield* dial()
      const heard = listenTo(yield* server)
      const link = yield* network.latest
      link.stall("client")
      transport.send("1")
      yield* network.stall("another")
      yield* network.release("another")
      yield* Effect.sleep(1)
      assert.deepStrictEqual(whats(heard), [])
    })
  )
)
