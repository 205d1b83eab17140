/** Laws of `announce`, `withdraw`, `nodes` and `ready`. */
import * as Effect from "effect/Effect"
import type { NodeInfo } from "../../../session/SessionStore.js"
import { expectSame, expectThat } from "../expect.js"
import { exactLaw, law, type Service, type StoreBench } from "./storeBench.js"

const info = (id: string, more?: Partial<NodeInfo>): NodeInfo => ({
  id,
  address: `wss://${id}.example/path?x=1&y="é"`,
  since: 1_700_000_000_123,
  connections: 3,
  sessions: 100_000,
  ...more
})

/** That these are listed, of all that this law has announced. */
const expectNodes = (t: StoreBench, did: string, on: Service, expected: ReadonlyArray<NodeInfo>) =>
  Effect.flatMap(on.nodes, (found) => {
    const own = t.bench.name("")
    return expectSame(
      `the nodes ${did}`,
      found.filter(({ id }) => id.endsWith(own)),
      expected
    )
  })

export const nodes = [
  law("announce: lists what each gateway said last, by id, until it is withdrawn", (t) =>
    Effect.gen(function* () {
      const [a, b, c] = [info(t.id("a")), info(t.id("b")), info(t.id("c"))]
      yield* expectNodes(t, "before any was announced", t.one, [])
      yield* t.other.announce(c)
      yield* t.one.announce(a)
      yield* t.other.announce(b)
      yield* expectNodes(t, "after three were announced", t.one, [a, b, c])
      yield* expectNodes(t, "as the other node sees them", t.other, [a, b, c])
      const busier = info(b.id, { connections: 0, sessions: 0, address: "memory:" })
      yield* t.one.announce(busier)
      yield* expectNodes(t, "after one was announced again", t.other, [a, busier, c])
      yield* t.one.withdraw(a.id)
      yield* expectNodes(t, "after one was withdrawn", t.other, [busier, c])
      yield* t.other.withdraw(a.id)
      yield* t.other.withdraw(t.id("nobody"))
      yield* expectNodes(t, "after it was withdrawn once more", t.one, [busier, c])
      yield* t.one.announce(a)
      yield* expectNodes(t, "after it was announced again", t.one, [a, busier, c])
    })
  ),

  law("announce: is forgotten when it was not said again within the lease (live: at most 10 units)", (t) =>
    Effect.gen(function* () {
      const { lease } = t.one
      yield* expectThat("lease", lease > 0 && Number.isFinite(lease), "milliseconds", lease)
      yield* expectSame("lease of the other node", t.other.lease, lease)
      if (t.bench.isLive && lease > t.millis(10)) return
      yield* t.bench.allow(lease / 4)
      const [a, b] = [info(t.id("a")), info(t.id("b"))]
      yield* t.one.announce(a)
      yield* t.one.announce(b)
      yield* t.pass(0, lease / 2)
      yield* t.one.announce(a)
      yield* expectNodes(t, "after half of the lease", t.other, [a, b])
      yield* t.pass(0, (5 * lease) / 8)
      yield* expectNodes(t, "after it, when one was announced again at half of it", t.other, [a])
      yield* t.pass(0, (5 * lease) / 8)
      yield* expectNodes(t, "after half of it more", t.other, [])
      yield* t.one.announce(b)
      yield* expectNodes(t, "when the other was announced again", t.other, [b])
    })
  ),

  exactLaw("announce: holds for the lease, and not a millisecond longer", (t) =>
    Effect.gen(function* () {
      const a = info(t.id("a"))
      yield* t.one.announce(a)
      yield* t.pass(0, t.one.lease)
      yield* expectNodes(t, "at the end of the lease", t.other, [a])
      yield* t.pass(0, 1)
      yield* expectNodes(t, "a millisecond after it", t.other, [])
    })
  ),

  law("ready: succeeds on every node of a store that can be used", (t) => Effect.zipRight(t.one.ready, t.other.ready))
]
