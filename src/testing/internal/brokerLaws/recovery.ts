/** Laws of `history` from a position: complete or refused, and what is kept. */
import * as Effect from "effect/Effect"
import type { Position } from "../../../protocol/Protocol.js"
import type { History } from "../../../topic/Broker.js"
import { expectSame } from "../expect.js"
import { exactLaw, keeping, law, numbers, textsOf } from "./brokerBench.js"

const small = keeping({ messages: 3 })

export const recovery = [
  law("recovery: when nothing was missed, complete and empty", (t) =>
    Effect.gen(function* () {
      const [, , last] = yield* t.fill(t.topic, 1, 3)
      yield* t.expectLog("after the last", t.topic, last, [])
    })
  ),

  law("recovery: when exactly what is kept was missed, complete; when one more was, refused as expired", (t) =>
    Effect.gen(function* () {
      const [first, second] = yield* t.fill(t.topic, 1, 4, small)
      yield* t.expectLog("3 of 4 were missed, 3 are kept", t.topic, first, ["2", "3", "4"])
      const [fifth] = yield* t.fill(t.topic, 5, 5, small)
      const refused = { _tag: "Refused", reason: "expired", end: fifth }
      yield* expectSame("4 of 5 were missed, 3 are kept", yield* t.read(t.topic, first), refused)
      yield* t.expectLog("3 of 5 were missed, 3 are kept", t.topic, second, ["3", "4", "5"])
    })
  ),

  law("recovery: from the beginning, with exactly what is kept and one more", (t) =>
    Effect.gen(function* () {
      const { end: beginning } = yield* t.read(t.topic)
      yield* t.fill(t.topic, 1, 3, small)
      yield* t.expectLog("all 3 were missed, 3 are kept", t.topic, beginning, numbers(1, 3))
      yield* t.fill(t.topic, 4, 4, small)
      yield* t.expectLog("all 4 were missed, 3 are kept", t.topic, beginning, "expired")
    })
  ),

  law("recovery: is refused rather than cut short, even where the limit would have left out what is missing", (t) =>
    Effect.gen(function* () {
      const [first] = yield* t.fill(t.topic, 1, 5, small)
      yield* t.expectLog("limit 0", t.topic, first, "expired", 0)
      yield* t.expectLog("limit 1", t.topic, first, "expired", 1)
    })
  ),

  law("recovery: by bytes, complete at the bound, refused one byte above; the newest is always kept", (t) =>
    Effect.gen(function* () {
      // 10 UTF-16 units each, and 10, 18 or 26 bytes of UTF-8.
      for (const letter of ["x", "é", "漢"]) {
        const text = JSON.stringify(letter.repeat(8))
        for (const [bound, kept] of [
          [30, 3],
          [29, 2],
          [9, 1]
        ] as const) {
          const topic = t.name(`${letter} ${bound}`)
          const did = `5 publications of 10 UTF-16 units (${letter}), of which ${bound} units are kept`
          for (let i = 0; i < 5; i++) yield* t.one.publish(topic, text, { retention: keeping({ bytes: bound }) })
          const texts = Array.from({ length: kept }, () => text)
          yield* t.expectLog(did, topic, undefined, texts)
          const { epoch } = (yield* t.read(topic)).end
          yield* t.expectLog(`${did}: all that is kept`, topic, { epoch, offset: 5 - kept }, texts)
          yield* t.expectLog(`${did}: one more`, topic, { epoch, offset: 5 - kept - 1 }, "expired")
        }
      }
    })
  ),

  exactLaw("recovery: by age, complete at its last millisecond, refused at the next", (t) =>
    Effect.gen(function* () {
      const { end: beginning } = yield* t.read(t.topic)
      const retention = keeping({ age: t.millis(10) })
      yield* t.fill(t.topic, 1, 1, retention)
      yield* t.pass(4)
      const [second] = yield* t.fill(t.topic, 2, 2, retention)
      yield* t.pass(6)
      yield* t.expectLog("at the last millisecond of the first", t.topic, beginning, ["1", "2"])
      yield* t.pass(0, 1)
      yield* t.expectLog("from the beginning, a millisecond later", t.topic, beginning, "expired")
      yield* t.expectLog("from the oldest, a millisecond later", t.topic, undefined, ["2"])
      yield* t.pass(4)
      yield* t.expectLog("from the oldest, when all are too old", t.topic, undefined, [])
      yield* t.expectLog("from the end, when all are too old", t.topic, second, [])
      yield* t.expectLog("before the last, when all are too old", t.topic, { ...beginning, offset: 1 }, "expired")
    })
  ),

  law("recovery: by age, what is too old is refused, and what is not is complete", (t) =>
    Effect.gen(function* () {
      const { end: beginning } = yield* t.read(t.topic)
      yield* t.fill(t.topic, 1, 1, keeping({ age: t.millis(5) }))
      yield* t.expectLog("at once", t.topic, beginning, ["1"])
      yield* t.pass(4)
      const [second] = yield* t.fill(t.topic, 2, 2, keeping({ age: t.millis(5) }))
      yield* t.pass(2)
      yield* t.one.expire
      yield* t.expectLog("from the beginning, after 6 units of 5", t.topic, beginning, "expired")
      yield* t.expectLog("from the oldest, after 6 units of 5", t.topic, undefined, ["2"])
      yield* t.pass(5)
      yield* t.one.expire
      yield* t.expectLog("from the oldest, when all are too old", t.topic, undefined, [])
      yield* t.expectLog("from the end, when all are too old", t.topic, second, [])
      const [third] = yield* t.fill(t.topic, 3, 3, keeping({ age: t.millis(5) }))
      yield* expectSame("the position of the next", third, { epoch: beginning.epoch, offset: 3 })
      yield* t.expectLog("what came after the second", t.topic, second, ["3"])
    })
  ),

  law("recovery: what is kept is what the last publication said, of its own topic", (t) =>
    Effect.gen(function* () {
      const other = t.name("other")
      yield* t.fill(other, 1, 5)
      const { end: beginning } = yield* t.read(t.topic)
      yield* t.fill(t.topic, 1, 5, keeping({ messages: 5 }))
      yield* t.fill(t.topic, 6, 6, keeping({ messages: 2 }))
      yield* t.expectLog("after one that keeps 2", t.topic, undefined, ["5", "6"])
      yield* t.fill(t.topic, 7, 8, keeping({ messages: 4 }))
      yield* t.expectLog("after two that keep 4", t.topic, undefined, ["5", "6", "7", "8"])
      yield* t.expectLog("from the beginning", t.topic, beginning, "expired")
      yield* t.fill(t.topic, 9, 9, keeping({ bytes: 3 }))
      yield* t.expectLog("after one that keeps 3 bytes", t.topic, undefined, ["7", "8", "9"])
      yield* t.expectLog("another topic's log", other, undefined, numbers(1, 5))
    })
  ),

  law("recovery: from another epoch, whatever its offset, refused", (t) =>
    Effect.gen(function* () {
      const [, second, third] = yield* t.fill(t.topic, 1, 3)
      for (const offset of [0, 2, 3, 9]) {
        const refused = { _tag: "Refused", reason: "epoch", end: third }
        const log = yield* t.read(t.topic, { epoch: `not ${second?.epoch}`, offset })
        yield* expectSame(`history from ${offset} of another epoch`, log, refused)
      }
      yield* t.expectLog("history from the empty epoch", t.topic, { epoch: "", offset: 0 }, "epoch")
    })
  ),

  law("recovery: from beyond the end refused, from the end complete", (t) =>
    Effect.gen(function* () {
      const [, , end] = yield* t.fill(t.topic, 1, 3)
      const beyond: Position = { epoch: end?.epoch ?? "", offset: 4 }
      yield* expectSame("history from 4 of 3", yield* t.read(t.topic, beyond), {
        _tag: "Refused",
        reason: "ahead",
        end
      })
      const empty = { _tag: "Complete", publications: [], end }
      yield* expectSame("history from 3 of 3", yield* t.read(t.topic, end), empty)
    })
  ),

  law("recovery: what history gave is complete while others publish, and stays as it was", (t) =>
    Effect.gen(function* () {
      const { end: beginning } = yield* t.read(t.topic)
      const logs: Array<History> = []
      const reading = Effect.forEach(numbers(1, 40), () =>
        Effect.zipRight(
          Effect.yieldNow(),
          Effect.map(t.read(t.topic, beginning), (log) => logs.push(log))
        )
      )
      const writing = Effect.forEach(numbers(1, 40), (text) =>
        Effect.zipRight(Effect.yieldNow(), t.one.publish(t.topic, text))
      )
      yield* Effect.all([reading, writing], { concurrency: "unbounded" })
      for (const log of logs) {
        yield* expectSame("a log that was read meanwhile, up to its end", textsOf(log), numbers(1, log.end.offset))
      }
    })
  ),

  exactLaw("expire: after an hour without a publication a position is as good as before", (t) =>
    Effect.gen(function* () {
      const quiet = t.name("quiet")
      const { end: untouched } = yield* t.read(quiet)
      const [, last] = yield* t.fill(t.topic, 1, 2)
      yield* t.pass(0, 3_600_000)
      yield* t.one.expire
      yield* t.expectLog("from the end", t.topic, last, [])
      yield* t.expectLog("from the end of a topic that had no publication", quiet, untouched, [])
      const [next] = yield* t.fill(t.topic, 3, 3)
      yield* expectSame("the position of the next publication", next, { epoch: last?.epoch, offset: 3 })
      yield* t.expectLog("what came after the end", t.topic, last, ["3"])
    })
  ),

  law("expire: forgets nothing that is to be kept", (t) =>
    Effect.gen(function* () {
      const { end: beginning } = yield* t.read(t.topic)
      const first = yield* t.one.publish(t.topic, "1", { key: "key" })
      yield* t.fill(t.topic, 2, 3)
      yield* t.one.join(t.topic, t.name("presence"), { session: t.name("s"), principal: "ann" }, 1)
      yield* t.one.expire
      yield* t.other.expire
      yield* t.expectLog("the log", t.topic, beginning, numbers(1, 3))
      const again = yield* t.one.publish(t.topic, "1", { key: "key" })
      yield* expectSame("the position of a repetition", again, first)
      const { members } = yield* t.other.members(t.topic, t.name("presence"))
      yield* expectSame("the members", members, [{ session: t.name("s"), principal: "ann" }])
    })
  )
]
