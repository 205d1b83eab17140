/** A list of wrong stores, each with the law that finds its fault. */
import { assert, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { SessionStore } from "holdfast"
import { type Law, SessionStoreLaws } from "holdfast/testing"

export type Wrong = readonly [
  fault: string,
  law: string,
  store: Layer.Layer<SessionStore.SessionStore>,
  options?: Law.Options
]

/** A test of each: that the law is broken, and says so. */
export const caught = (wrong: ReadonlyArray<Wrong>): void => {
  for (const [fault, law, store, options] of wrong) {
    it.effect(`that ${fault}`, () =>
      Effect.gen(function* () {
        const found = SessionStoreLaws.make(store, options).filter(({ name }) => name === law)
        assert.lengthOf(found, 1, `the law “${law}”`)
        for (const { holds } of found) {
          const broken = yield* Effect.flip(holds)
          assert.strictEqual(broken._tag, "LawBroken")
          assert.strictEqual(broken.law, law)
          assert.include(broken.message, broken.did)
          assert.isBelow(broken.message.length, 2000)
        }
      })
    )
  }
}
