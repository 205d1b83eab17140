/** What a heap of 400 MB holds: the memory broker forgets, and everything else goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Plan } from "../programs/brokerHeap.main.js"
import { start } from "./child.js"

describe("2,000 publications of 900 kB to topics of their own, in a heap of 400 MB,", () => {
  for (const [what, letter, units] of [
    ["Latin", "x", 900_000],
    ["Cyrillic", "ж", 450_000]
  ] as const) {
    it.scopedLive(
      `leave a bystander's echoes alone (${what})`,
      () =>
        Effect.gen(function* () {
          const child = yield* start("brokerHeap.main.ts", { node: ["--max-old-space-size=400"] })
          const plan: Plan = { letter, units, publications: 2000 }
          const { echoes, kept } = yield* child.ask<{ readonly echoes: number; readonly kept: unknown }>("fill", plan)
          assert.strictEqual(kept, 1)
          assert.isAtLeast(echoes, 99)
        }),
      180_000
    )
  }
})
