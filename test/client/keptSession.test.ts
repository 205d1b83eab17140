/** A session that is kept beyond its client: pages die anywhere, and the next one goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { MemoryNetwork } from "holdfast/testing"
import { countingStore, load, startOf, type Tab, tabs, turns } from "../support/keptSessions.js"
import { limit } from "../support/patience.js"
import { echoGateway, settle, type TestClient } from "../support/virtual.js"

/** Sends from one number to another, and notes what was accepted. */
const sends =
  (accepted: Array<number>, from: number, to: number) =>
  (client: TestClient, isAlive = () => true) =>
    Effect.gen(function* () {
      for (let n = from; n <= to; n++) {
        yield* Effect.orDie(client.send(n))
        if (isAlive()) accepted.push(n)
      }
    })

/** What came again because it was in hand when its page died. */
const withoutRepeats = (seen: ReadonlyArray<unknown>) => seen.filter((message, at) => message !== seen[at - 1])

/** Turns of the event loop in which all that can happen without time passing has happened. */
const most = 60

interface Point {
  /** Of the first page; the second one's is the earlier the later this is. */
  readonly turns: number
  readonly millis: number
  readonly isTold: boolean
}

/** Three pages, the first and the second of which die at this point of their lives. */
const lives = (makeTab: () => Tab, { isTold, millis, turns: count }: Point) => {
  const attempts: Array<number> = []
  return Effect.gen(function* () {
    const where = `${count} turns and ${millis} ms into it, ${isTold ? "told" : "not told"}`
    const { handled } = yield* echoGateway()
    const tab = makeTab()
    const accepted: Array<number> = []
    const seen: Array<unknown> = []
    for (const [first, age] of [
      [1, count],
      [6, most - count]
    ] as const) {
      const before = tab.ticket()
      const page = yield* load(tab, { script: sends(accepted, first, first + 4), seen, isTold })
      yield* turns(age)
      if (millis > 0) yield* TestClock.adjust(millis)
      const start = yield* startOf(page.client)
      if (before !== undefined) assert.include(["Connecting", "Resumed"], start, where)
      yield* page.die
      assert.deepStrictEqual(page.events, [], where)
    }
    const had = tab.ticket()
    const last = yield* load(tab, { script: sends(accepted, 11, 12), seen })
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* startOf(last.client), had === undefined ? "Fresh" : "Resumed", where)
    assert.deepStrictEqual(handled, accepted, where)
    assert.deepStrictEqual(withoutRepeats(seen), accepted, where)
    assert.isAtMost(seen.length, accepted.length + 2, where)
    assert.deepStrictEqual(last.events, [], where)
    assert.deepStrictEqual(
      attempts,
      [...new Set(attempts)].sort((a, b) => a - b),
      where
    )
    const { acknowledged, received, sent } = yield* last.client.stats
    assert.deepStrictEqual({ acknowledged, received, sent }, counted(accepted.length), where)
  }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), countingStore(attempts))), Effect.scoped)
}

const counted = (messages: number) => ({ acknowledged: messages, received: messages, sent: messages })

for (const [name, makeTab] of Object.entries(tabs)) {
  describe(`A session that is kept by ${name}`, () => {
    for (const isTold of [true, false]) {
      it.effect(
        `loses nothing and repeats nothing wherever its page dies, ${isTold ? "which the server hears" : "unheard"}`,
        () =>
          Effect.gen(function* () {
            for (let count = isTold ? 0 : 1; count <= most; count += 2)
              yield* lives(makeTab, { turns: count, millis: 0, isTold })
            for (const millis of [1, 49, 50, 51, 100]) yield* lives(makeTab, { turns: most, millis, isTold })
          }),
        limit
      )
    }

    it.scoped("is resumed where the page before died with a message in hand, which comes again and no other", () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const tab = makeTab()
        const inHand: Array<unknown> = []
        const stuck = (message: unknown) =>
          Effect.zipRight(
            Effect.sync(() => inHand.push(message)),
            message === 3 ? Effect.never : Effect.void
          )
        const page = yield* load(tab, { script: sends([], 1, 5), onMessage: stuck })
        yield* TestClock.adjust("1 second")
        yield* page.die
        const seen: Array<unknown> = []
        yield* load(tab, { seen })
        yield* settle
        assert.deepStrictEqual(
          [inHand, seen],
          [
            [1, 2, 3],
            [3, 4, 5]
          ]
        )
      }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), countingStore([]))))
    )

    it.scoped("takes along what was accepted while nobody could be reached, from page to page", () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        const { handled } = yield* echoGateway()
        const tab = makeTab()
        const accepted: Array<number> = []
        const first = yield* load(tab, { script: sends(accepted, 1, 2) })
        yield* settle
        yield* network.reach({ _tag: "Refused" })
        yield* network.cut()
        yield* sends(accepted, 3, 4)(first.client)
        yield* first.die
        for (const from of [5, 7]) {
          const page = yield* load(tab, { script: sends(accepted, from, from + 1) })
          yield* TestClock.adjust("5 seconds")
          yield* page.die
        }
        yield* network.reach({ _tag: "Open" })
        const last = yield* load(tab)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* startOf(last.client), "Resumed")
        assert.deepStrictEqual(handled, accepted)
        assert.lengthOf(handled, 8)
      }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), countingStore([]))))
    )
  })
}
