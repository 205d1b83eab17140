import { assert, describe, it } from "@effect/vitest"
import { limit } from "../support/patience.js"
import { flawsOf } from "./compiler.js"
import { mistakes, preamble } from "./mistakes.js"

describe("A mistake", () => {
  it(
    "is a type error that names the option or the service",
    () => {
      const [none, ...flaws] = flawsOf(
        ["export {}", ...mistakes.map(({ code }) => code)].map((code) => preamble + code)
      )
      assert.deepStrictEqual(none, [], "the preamble has none")
      assert.isAtLeast(mistakes.length, 40)
      for (const [at, { code, names }] of mistakes.entries()) {
        const [flaw, ...others] = flaws[at] ?? []
        assert.isDefined(flaw, `an error in: ${code}`)
        assert.deepStrictEqual(others, [], `one error in: ${code}`)
        assert.include([...(flaw?.lines.slice(0, 3) ?? []), flaw?.underlined].join("\n"), names, code)
      }
    },
    limit
  )
})
