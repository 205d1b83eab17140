/** Ways that break, and ways that fall silent. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { client, dial, gatewayAlone, hold, listenTo, Network, timed, virtually, whats, why } from "./support.js"

const pair = Effect.gen(function* () {
  const [server] = yield* hold("server")
  const client = yield* dial()
  const there = yield* server
  return { client, there, back: listenTo(client), heard: listenTo(there) }
})

/** Three clients' machines of a gateway's, and what becomes of their connections when something is done. */
const whoIsCut = (one?: string, other?: string) =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* hold("one")
      yield* hold("two")
      const cut: Array<string> = []
      for (const from of ["a", "b"]) {
        for (const to of ["one", "two"]) {
          const transport = yield* Effect.provide(dial(`ws://${to}/`), network.on(from))
          transport.run({
            message: () => {},
            ping: () => {},
            pong: () => {},
            congested: () => {},
            drained: () => {},
            closed: () => void cut.push(`${from}-${to}`)
          })
        }
      }
      yield* network.cut(one, other)
      yield* Effect.sleep(0)
      return [...cut].sort()
    })
  )

it.effect("a cut is of two machines in whatever order, of one, or of all", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* whoIsCut("a", "one"), ["a-one"])
    assert.deepStrictEqual(yield* whoIsCut("two", "b"), ["b-two"])
    assert.deepStrictEqual(yield* whoIsCut("two"), ["a-two", "b-two"])
    assert.deepStrictEqual(yield* whoIsCut(), ["a-one", "a-two", "b-one", "b-two"])
    assert.deepStrictEqual(yield* whoIsCut("a", "b"), [])
  })
)

it.effect("a cut breaks a dial that is on its way", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* hold("server")
      yield* network.way({ latency: 100 })
      for (const after of [50, 150]) {
        const dialling = yield* Effect.fork(timed(Effect.flip(dial())))
        yield* Effect.sleep(after)
        yield* network.cut("server", "client")
        const [failed, millis] = yield* Fiber.join(dialling)
        assert.deepStrictEqual([why(failed), millis], ["Error: connection reset", after])
        assert.deepStrictEqual(yield* network.links, [])
      }
    })
  )
)

it.effect("a silence is of one direction, and after it all that was said in it arrives in order", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { back, client, heard, there } = yield* pair
      yield* network.silence("client", "server")
      client.send("1")
      client.send("2")
      there.send("3")
      yield* Effect.sleep("1 hour")
      assert.deepStrictEqual([whats(heard), whats(back)], [[], ["3"]])
      yield* network.heal("client", "server")
      client.send("4")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(whats(heard), ["1", "2", "4"])
    })
  )
)

it.effect("a partition is of both directions, and of no others", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { back, client, heard, there } = yield* pair
      const say = (what: string) => {
        client.send(what)
        there.send(what)
        return Effect.sleep(1)
      }
      yield* network.partition("server", "another")
      yield* say("1")
      yield* network.partition("server", "client")
      yield* say("2")
      assert.deepStrictEqual([whats(heard), whats(back)], [["1"], ["1"]])
      yield* network.rejoin("client", "server")
      yield* say("3")
      assert.deepStrictEqual(
        [whats(heard), whats(back)],
        [
          ["1", "2", "3"],
          ["1", "2", "3"]
        ]
      )
    })
  )
)

it.effect("what waits in a silence is no more than the wire holds", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { back, client, heard } = yield* pair
      yield* network.silence("client")
      for (let i = 0; i < 4; i++) client.send(String(i).repeat(50_000))
      yield* Effect.sleep(1)
      assert.deepStrictEqual(whats(back), ["congested"])
      // One message, and a piece of the next.
      assert.strictEqual(client.buffered(), 150_000 - 16 * 1024)
      yield* network.heal("client")
      yield* Effect.sleep(1)
      assert.deepStrictEqual(
        whats(heard).map(([first]) => first),
        ["0", "1", "2", "3"]
      )
      assert.deepStrictEqual(whats(back), ["congested", "drained"])
    })
  )
)

it.effect("after a silence an end hears of the other that gave up in it, after what that had said", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { client, heard } = yield* pair
      yield* network.silence("client", "server")
      client.send("1")
      client.destroy()
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(whats(heard), [])
      yield* network.heal("client", "server")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(whats(heard), ["1", "closed 1006"])
    })
  )
)

it.effect("what lasts no longer than the read deadline is not noticed, and nothing is lost in it", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const handled: Array<unknown> = []
      yield* network.run("server", gatewayAlone("one", handled))
      const mine = yield* client()
      yield* mine.ready
      yield* network.partition("client", "server")
      yield* mine.send(1)
      yield* mine.send(2)
      yield* Effect.sleep("25 seconds")
      yield* network.rejoin("client", "server")
      yield* mine.deliver(3)
      assert.deepStrictEqual(handled, [1, 2, 3])
      assert.strictEqual((yield* mine.ready).generation, 1)
    })
  )
)

it.effect(
  "a partition that outlasts the read deadline is noticed by both ends, and nothing is lost or handled twice",
  () =>
    virtually(
      Effect.gen(function* () {
        const network = yield* Network
        const handled: Array<unknown> = []
        yield* network.run("server", gatewayAlone("one", handled))
        const mine = yield* client()
        yield* mine.deliver(1)
        yield* network.silence("server", "client") // 2 is handled, but not acknowledged.
        yield* mine.send(2)
        yield* Effect.sleep("90 seconds")
        assert.notStrictEqual((yield* mine.status)._tag, "Ready")
        yield* network.heal("server", "client")
        yield* mine.deliver(3)
        assert.strictEqual((yield* mine.ready).start._tag, "Resumed")
        assert.deepStrictEqual(handled, [1, 2, 3])
      })
    )
)
