import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bundle } from "../support/bundle.js"

const bundled = (file: string) =>
  Effect.promise(() => bundle({ entry: new URL(file, import.meta.url), holdfast: "src", minify: false }))

const packageOf = (id: string): string => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1] ?? "holdfast"

describe("a bundle for browsers", () => {
  it.live("of the core and holdfast/browser has nothing of Node", () =>
    Effect.gen(function* () {
      const { modules, ofNode } = yield* bundled("../support/bundle.everything.ts")
      assert.deepStrictEqual(ofNode, [])
      const packages = new Set(modules.map(({ id }) => packageOf(id)))
      assert.deepStrictEqual([...packages].sort(), ["effect", "holdfast"])
    })
  )

  it.live("of what needs Node says who imports what", () =>
    Effect.gen(function* () {
      const { ofNode } = yield* bundled("../../src/node/internal/clientAddress.ts")
      assert.match(ofNode.join("\n"), /src\/node\/internal\/clientAddress\.ts imports node:net/)
    })
  )
})
