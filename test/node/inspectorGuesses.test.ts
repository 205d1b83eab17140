/** Who guesses the inspector's password is answered 429, counted by the address that the listener's proxies tell of. */

import { HttpRouter } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, HashMap, Layer, Logger, Redacted, TestClock } from "effect"
import { ConnectionError, Gateway, SessionStore } from "holdfast"
import { Inspector, NodeListener } from "holdfast/node"
import { WrongPasswords } from "../../src/node/inspector/wrongPasswords.js"
import { numbers } from "./support.js"

class Numbers extends Gateway.Tag<Numbers>()("test/Numbers", numbers) {}

/** Asks as an address behind a proxy, with a password. */
type Ask = (
  address: string,
  password?: string
) => Effect.Effect<{ readonly status: number; readonly retryAfter: string | null }>

const serving = (options: Inspector.InspectorOptions, trustedProxies: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const NumbersLive = Gateway.layer(Numbers, {
      authenticate: Gateway.anonymous,
      onMessage: () => Effect.void
    })
    const Routes = HttpRouter.Default.serve().pipe(
      Layer.provide(Inspector.layer(Numbers, options)),
      Layer.provideMerge(NumbersLive),
      Layer.provide(Layer.merge(NodeListener.layerHttp({ port: 0, trustedProxies }), SessionStore.layerMemory()))
    )
    const { address } = Context.get(yield* Layer.build(Routes), Numbers)
    const ask: Ask = (from, password) =>
      Effect.promise(async () => {
        const response = await fetch(`http://127.0.0.1:${new URL(address).port}/inspector/api/overview`, {
          headers: {
            "x-forwarded-for": from,
            ...(password === undefined
              ? {}
              : { authorization: `Basic ${Buffer.from(`ops:${password}`).toString("base64")}` })
          }
        })
        await response.text()
        return { status: response.status, retryAfter: response.headers.get("retry-after") }
      })
    return ask
  })

const right = "correct horse"

/** What is logged meanwhile. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ annotations, message }) => {
      lines.push([message, ...HashMap.values(annotations)].flat().join(" "))
    })
    return Effect.as(Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)), lines)
  })

describe("guessing the inspector's password", () => {
  it.scopedLive("five wrong ones from one address: 429 without comparing, and others are let in", () =>
    Effect.gen(function* () {
      let asked = 0
      const { authenticate, challenge } = Inspector.basic(Redacted.make(right))
      const counting: Inspector.Authenticate = (request) =>
        Effect.suspend(() => {
          asked++
          return authenticate(request)
        })
      const lines = yield* logged(
        Effect.gen(function* () {
          const ask = yield* serving({ authenticate: counting, challenge }, ["loopback"])
          // Who presents nothing guesses nothing.
          for (let i = 0; i < 10; i++) assert.strictEqual((yield* ask("192.0.2.1")).status, 401)
          for (let i = 0; i < 5; i++) assert.strictEqual((yield* ask("192.0.2.1", "wrong")).status, 401)
          const before = asked
          for (let i = 0; i < 20; i++) {
            const { retryAfter, status } = yield* ask("192.0.2.1", i === 10 ? right : "wrong")
            assert.strictEqual(status, 429)
            assert.isAtLeast(Number(retryAfter), 30)
          }
          assert.strictEqual(asked, before)
          assert.strictEqual((yield* ask("192.0.2.2", right)).status, 200)
        })
      )
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("wrong passwords")),
        ["holdfast: 5 wrong passwords for the inspector within a minute from 192.0.2.1"]
      )
    })
  )

  it.scopedLive("without a trusted proxy the header counts for nothing", () =>
    Effect.gen(function* () {
      const ask = yield* serving(Inspector.basic(Redacted.make(right)), [])
      for (let i = 0; i < 5; i++) assert.strictEqual((yield* ask(`192.0.2.${i}`, "wrong")).status, 401)
      assert.strictEqual((yield* ask("192.0.2.99", "wrong")).status, 429)
    })
  )

  it.scopedLive("what is not allowed is no guess", () =>
    Effect.gen(function* () {
      const authenticate = () => new ConnectionError.NotAllowed({ reason: "not you" })
      const ask = yield* serving({ authenticate }, ["loopback"])
      for (let i = 0; i < 10; i++) assert.strictEqual((yield* ask("192.0.2.1", "wrong")).status, 403)
    })
  )
})

describe("wrong passwords", () => {
  it.effect("five within any minute, to the millisecond", () =>
    Effect.gen(function* () {
      const wrong = new WrongPasswords()
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(yield* wrong.refusedFor("192.0.2.1"), 0)
        yield* wrong.add("192.0.2.1")
        yield* TestClock.adjust("10 seconds")
      }
      assert.strictEqual(yield* wrong.refusedFor("192.0.2.1"), 10_000)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* wrong.refusedFor("192.0.2.1"), 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* wrong.refusedFor("192.0.2.1"), 0)
      // Four of the last minute are still counted.
      yield* wrong.add("192.0.2.1")
      assert.strictEqual(yield* wrong.refusedFor("192.0.2.1"), 10_000)
    })
  )

  it.effect("a /64 of IPv6 is one address", () =>
    Effect.gen(function* () {
      const wrong = new WrongPasswords()
      for (let i = 1; i <= 5; i++) yield* wrong.add(`2001:db8::${i}`)
      assert.isAbove(yield* wrong.refusedFor("2001:db8::99"), 0)
      assert.strictEqual(yield* wrong.refusedFor("2001:db8:1::1"), 0)
    })
  )

  it.effect("so many addresses are remembered, and the one that has guessed the longest ago goes", () =>
    Effect.gen(function* () {
      const wrong = new WrongPasswords()
      const guess = (address: string) => Effect.repeatN(wrong.add(address), 4)
      yield* guess("first")
      yield* guess("second")
      for (let i = 0; i < 9_998; i++) yield* wrong.add(`other ${i}`)
      assert.isAbove(yield* wrong.refusedFor("first"), 0)
      yield* wrong.add("one more")
      assert.strictEqual(yield* wrong.refusedFor("first"), 0)
      assert.isAbove(yield* wrong.refusedFor("second"), 0)
    })
  )

  it.effect("it is said once a minute, with how many it stands for", () =>
    Effect.gen(function* () {
      const wrong = new WrongPasswords()
      const guess = (address: string) => Effect.repeatN(wrong.add(address), 4)
      const lines = yield* logged(
        Effect.gen(function* () {
          for (const address of ["a", "b", "c"]) yield* guess(address)
          yield* TestClock.adjust("1 minute")
          yield* guess("d")
        })
      )
      assert.deepStrictEqual(lines, [
        "holdfast: 5 wrong passwords for the inspector within a minute from a",
        "holdfast: 5 wrong passwords for the inspector within a minute from d; and 2 more times since it was last said"
      ])
    })
  )
})
