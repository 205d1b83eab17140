/** The example of `SessionStoreLaws.suite` for another runner: `node --import tsx --test test/laws/nodeTest.ts`. */
import { test } from "node:test"
import { Effect } from "effect"
import { SessionStore } from "holdfast"
import { SessionStoreLaws } from "holdfast/testing"

// By the real clock, as for a server's; with `nodes: 2` as well where two instances share their data.
SessionStoreLaws.suite(SessionStore.layerMemory(), (law, holds) => test(law, () => Effect.runPromise(holds)), {
  clock: "live"
})
