/** What becomes of dials, and where they go. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Listener } from "holdfast"
import { client, dial, gatewayAlone, hold, Network, now, timed, virtually, why } from "./support.js"

it.effect("each machine is reached, or not, for itself", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* hold("one")
      yield* hold("two")
      yield* network.reach({ _tag: "Refused" }, "one")
      assert.strictEqual(why(yield* Effect.flip(dial("ws://one/"))), "Error: connection refused")
      yield* dial("ws://two/")
      yield* network.reach({ _tag: "Status", status: 500, body: "no", retryAfter: 7 }, "two")
      const refused = yield* Effect.flip(dial("ws://two/"))
      assert.deepInclude(refused, { _tag: "DialRefused", status: 500, body: "no", retryAfter: 7 })
      yield* network.reach({ _tag: "Open" }, "one")
      yield* dial("ws://one/")
    })
  )
)

it.effect("what is said of all machines holds for those named before", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* hold("one")
      yield* network.reach({ _tag: "Open" }, "one")
      yield* network.reach({ _tag: "Refused" })
      assert.strictEqual(why(yield* Effect.flip(dial("ws://one/"))), "Error: connection refused")
    })
  )
)

it.effect("a refusal takes the way there and back", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.way({ latency: 10 }, "client", "server")
      yield* network.way({ latency: 5 }, "server", "client")
      yield* network.reach({ _tag: "Refused" })
      assert.strictEqual((yield* timed(Effect.flip(dial())))[1], 15)
      yield* network.reach({ _tag: "Status", status: 404, body: "" })
      assert.strictEqual((yield* timed(Effect.flip(dial())))[1], 15)
      yield* network.reach({ _tag: "Open" })
      const [failed, millis] = yield* timed(Effect.flip(dial()))
      assert.deepStrictEqual([why(failed), millis], ["503: nobody listens", 15])
    })
  )
)

it.effect("over a silent way nobody hears of a refusal", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" })
      yield* network.silence("server", "client")
      const dialling = yield* Effect.fork(timed(Effect.flip(dial())))
      yield* Effect.sleep("1 minute")
      yield* network.heal("server", "client")
      const [failed, millis] = yield* Fiber.join(dialling)
      assert.deepStrictEqual([why(failed), millis], ["Error: connection refused", 60_000])
    })
  )
)

it.effect("a dial that is never answered ends with the connect timeout", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      yield* network.reach({ _tag: "Silent" }, "server")
      const mine = yield* client()
      yield* Effect.sleep(9_999)
      assert.strictEqual((yield* mine.status)._tag, "Connecting")
      yield* Effect.sleep(1)
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "ConnectTimeout")
    })
  )
)

it.effect("a dial over a silent way ends with the connect timeout, and comes to nothing after the heal", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      yield* network.silence("client", "server")
      const mine = yield* client()
      yield* Effect.sleep(10_000)
      yield* Effect.sleep(0)
      const status = yield* mine.status
      assert.strictEqual(status._tag === "Waiting" && status.reason._tag, "ConnectTimeout")
      yield* network.heal("client", "server")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(yield* network.links, [])
      yield* mine.ready
      assert.strictEqual((yield* network.links).length, 1)
    })
  )
)

it.effect("a dial goes to the machine that its URL names, in whatever case, or else to `server`", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      for (const name of ["server", "gateway-1", "Gateway-2"]) yield* network.run(name, gatewayAlone(name))
      const answers: Array<unknown> = []
      for (const url of [
        "memory:",
        "ws://gateway-1/",
        "ws://Gateway-2:8080/path?query",
        "wss://nobody/",
        "ws://server/"
      ]) {
        const mine = yield* client(url)
        yield* mine.deliver(url)
        const session = yield* mine.ready
        assert.strictEqual(session.start._tag, "Fresh")
        answers.push(yield* Effect.map(Effect.flatten(Stream.runHead(mine.messages)), String))
      }
      assert.deepStrictEqual(answers, [
        "server: memory:",
        "gateway-1: ws://gateway-1/",
        "Gateway-2: ws://Gateway-2:8080/path?query",
        "server: wss://nobody/",
        "server: ws://server/"
      ])
    })
  )
)

it.effect("a listener's address leads to it", () =>
  virtually(
    Effect.gen(function* () {
      for (const name of ["server", "gateway-2"]) {
        yield* hold(name)
        const network = yield* Network
        const { address } = yield* Effect.provide(Listener.Listener, network.on(name))
        yield* dial(address)
        const from = yield* Effect.map(network.latest, (link) => link.isOpen())
        assert.isTrue(from)
      }
      assert.strictEqual(yield* now, 0)
    })
  )
)

it.effect("the machine that dials has an address", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      yield* network.address("1.2.3.4", "laptop")
      for (const name of ["laptop", "phone"])
        yield* network.run(name, Effect.zipRight(Effect.scoped(Effect.zipRight(dial(), Effect.never)), Effect.void))
      const first = yield* server
      const second = yield* server
      assert.deepStrictEqual([first.remoteAddress, second.remoteAddress], ["1.2.3.4:client", "phone:client"])
    })
  )
)
