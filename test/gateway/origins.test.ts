import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { Gateway, Messages } from "holdfast"
import { OriginPolicy } from "../../src/gateway/originPolicy.js"
import { World } from "../support/virtual.js"

const gatewayFor = (origins: ReadonlyArray<string>) =>
  Gateway.make({ messages: Messages.json, authenticate: Gateway.anonymous, onMessage: () => Effect.void, origins })

describe("The origins of a gateway", () => {
  for (const origin of ["https://example.com/", "https://example.com/app", "example.com", "https://Example.com", ""]) {
    it.scoped(`are refused where no browser would send them: ${JSON.stringify(origin)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(gatewayFor(["https://other.example", origin]))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "origins", value: JSON.stringify(origin) })
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("may be any that a browser sends", () =>
    Effect.provide(gatewayFor(["https://example.com", "http://127.0.0.1:5173", "http://[::1]:80", "null"]), World)
  )

  it.effect("that it refuses are told of once each, the first ten of them: anybody may send any", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const listening = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void said.push(String(message)))
      )
      const origins = yield* OriginPolicy.make(["https://good.example"])
      assert.isTrue(origins.allows("https://good.example"))
      assert.isTrue(origins.allows(undefined))
      assert.isFalse(origins.allows("https://bad.example"))
      const tell = Effect.forEach(
        Array.from({ length: 30 }, (_, n) => `https://bad-${n % 15}.example`),
        (origin) => origins.tell(origin)
      )
      yield* Effect.provide(tell, listening)
      assert.strictEqual(said.length, 10)
      assert.strictEqual(new Set(said).size, 10)
      assert.match(said[0] ?? "", /pages of https:\/\/bad-0\.example .*"https:\/\/good\.example"/)
    })
  )
})
