/** Laws of the key of a publication. */
import * as Effect from "effect/Effect"
import { TooManyKeys } from "../../../protocol/ConnectionError.js"
import { cutShort, interleaved, turn } from "../bench.js"
import { expectFailure, expectSame, expectThat } from "../expect.js"
import { oddNames } from "../oddNames.js"
import { Ears, exactLaw, keeping, law, numbers } from "./brokerBench.js"

const key = "key"

export const keys = [
  law("a key: makes a repetition publish nothing, and give the position of the first", (t) =>
    Effect.gen(function* () {
      const ears = new Ears()
      yield* t.other.subscribe(t.topic, ears)
      const first = yield* t.one.publish(t.topic, '"a"', { key })
      yield* t.one.publish(t.topic, '"b"')
      yield* expectSame("the repetition's position", yield* t.one.publish(t.topic, '"a"', { key }), first)
      const elsewhere = yield* t.other.publish(t.topic, '"a"', { key })
      yield* expectSame("the position of a repetition on another node", elsewhere, first)
      yield* t.one.publish(t.topic, '"c"')
      yield* t.expectLog("the log", t.topic, undefined, ['"a"', '"b"', '"c"'])
      yield* t.heard("after repetitions", ears, 3)
      yield* expectSame("what a listener heard", ears.texts, ['"a"', '"b"', '"c"'])
    })
  ),

  law("a key: is opaque text, and of one topic means nothing in another", (t) =>
    Effect.gen(function* () {
      for (const [i, name] of oddNames.entries()) {
        yield* t.one.publish(t.topic, String(i), { key: name })
        yield* t.one.publish(t.topic, String(i), { key: name })
      }
      yield* t.expectLog("a publication for each of many keys", t.topic, undefined, numbers(0, oddNames.length - 1))
      const [short, long] = [t.name("a"), `${t.name("a")}:b`]
      yield* t.one.publish(short, '"a"', { key: "b:c" })
      yield* t.one.publish(long, '"b"', { key: "c" })
      yield* t.one.publish(long, '"c"', { key: "b:c" })
      yield* t.expectLog("one topic", short, undefined, ['"a"'])
      yield* t.expectLog("another topic, with keys that look alike", long, undefined, ['"b"', '"c"'])
    })
  ),

  law("a key: with another payload fails, and publishes nothing; long payloads that differ in one place too", (t) =>
    Effect.gen(function* () {
      const long = JSON.stringify("x".repeat(5000))
      for (const [name, body, other] of [
        ["short", "1", "2"],
        ["space", "1", "1 "],
        ["length", '"a"', '"ab"'],
        ["end", `[${long},1]`, `[${long},2]`],
        ["begin", `[1,${long}]`, `[2,${long}]`],
        ["middle", `[${long},1,${long}]`, `[${long},2,${long}]`],
        ["unicode", '"é"', '"e\u0301"']
      ] as const) {
        const topic = t.name(name)
        const first = yield* t.one.publish(topic, body, { key })
        const reused = { _tag: "KeyReused", topic, key }
        yield* expectFailure(`the key with another payload (${name})`, t.other.publish(topic, other, { key }), reused)
        yield* t.expectLog(`the log after it (${name})`, topic, undefined, [body])
        yield* expectSame(`the first payload again (${name})`, yield* t.one.publish(topic, body, { key }), first)
      }
    })
  ),

  law("a key: that must not be new publishes nothing and fails as it was told to, unless it is remembered", (t) =>
    Effect.gen(function* () {
      const ifNew = new TooManyKeys({ option: "maxKeysPerSession", limit: 1, retryAfter: 7 })
      const refused = { _tag: "TooManyKeys", limit: 1, retryAfter: 7 }
      yield* expectFailure("a new key", t.one.publish(t.topic, '"a"', { key, ifNew }), refused)
      yield* t.expectLog("the log after it", t.topic, undefined, [])
      const first = yield* t.one.publish(t.topic, '"a"', { key, publisher: "ann" })
      const again = yield* t.other.publish(t.topic, '"a"', { key, ifNew, publisher: "bob" })
      yield* expectSame("the position of a repetition", again, first)
      const reused = { _tag: "KeyReused", topic: t.topic, key }
      yield* expectFailure("a repetition with another payload", t.one.publish(t.topic, '"b"', { key, ifNew }), reused)
      yield* t.expectLog("the log", t.topic, undefined, ['"a"'])
    })
  ),

  exactLaw("a key: is remembered for the key window, to the millisecond", (t) =>
    Effect.gen(function* () {
      const first = yield* t.one.publish(t.topic, "1", { key })
      yield* t.pass(0, t.one.keyWindow - 1)
      yield* t.one.expire
      yield* expectSame("a repetition in time", yield* t.one.publish(t.topic, "1", { key }), first)
      yield* t.pass(0, 1)
      const { offset } = yield* t.one.publish(t.topic, "1", { key })
      yield* expectSame("the offset of one after the window, which a repetition does not renew", offset, 2)
    })
  ),

  law("a key: is remembered for the key window, and no longer (where it is at most 10 units)", (t) =>
    Effect.gen(function* () {
      const { keyWindow } = t.one
      yield* expectThat("keyWindow", keyWindow > 0 && Number.isFinite(keyWindow), "milliseconds", keyWindow)
      yield* expectSame("keyWindow of another node", t.other.keyWindow, keyWindow)
      const first = yield* t.one.publish(t.topic, "1", { key })
      yield* expectSame("a repetition at once", yield* t.one.publish(t.topic, "1", { key }), first)
      if (keyWindow > t.millis(10)) return
      yield* t.pass(0, keyWindow / 2)
      yield* expectSame("one after half of the window", yield* t.one.publish(t.topic, "1", { key }), first)
      yield* t.pass(1, keyWindow / 2)
      yield* t.one.expire
      const { offset } = yield* t.one.publish(t.topic, "1", { key })
      yield* expectSame("the offset of one after the window, which a repetition does not renew", offset, 2)
    })
  ),

  law("a key: outlives what was published under it", (t) =>
    Effect.gen(function* () {
      const retention = keeping({ messages: 1, age: 1 })
      const first = yield* t.one.publish(t.topic, "1", { key, retention })
      yield* t.one.publish(t.topic, "2", { retention })
      yield* t.pass(0, 10)
      yield* t.one.expire
      const again = yield* t.one.publish(t.topic, "1", { key, retention })
      yield* expectSame("a repetition of what is kept no more", again, first)
      yield* t.expectLog("the log", t.topic, undefined, [])
    })
  ),

  law("a key: used by many at once publishes once, and all get that position", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const topic = t.name(`topic ${round}`)
        const positions = yield* Effect.all(
          Array.from({ length: 30 }, (_, i) =>
            Effect.zipRight(turn(i), (i % 2 === 0 ? t.one : t.other).publish(topic, "1", { key }))
          ),
          { concurrency: "unbounded" }
        )
        const { end } = yield* t.read(topic)
        yield* expectSame("the end of the log", end.offset, 1)
        yield* expectSame(
          "the positions that 30 publishers were given",
          positions,
          positions.map(() => end)
        )
      })
    )
  ),

  law("publish: one that is interrupted is done or not, and with a key is tried again without a second", (t) =>
    Effect.gen(function* () {
      const ears = new Ears()
      const start = yield* t.other.subscribe(t.topic, ears)
      for (let turns = 0; turns < 12; turns++) {
        const own = { key: `key ${turns}` }
        yield* cutShort(t.one.publish(t.topic, String(turns), own), turns)
        yield* t.one.publish(t.topic, String(turns), own)
        const log = yield* t.read(t.topic)
        yield* expectSame(`how many there are after ${turns + 1}, each tried twice`, log.end.offset, turns + 1)
      }
      yield* t.expectLog("the log", t.topic, undefined, numbers(0, 11))
      yield* t.expectHeard("where each was tried twice", ears, t.topic, start)
    })
  )
]
