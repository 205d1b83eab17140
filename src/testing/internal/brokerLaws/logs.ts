/** Laws of `publish` and `history`: what a log is. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { History } from "../../../topic/Broker.js"
import { defaultRetention } from "../../../topic/Broker.js"
import { interleaved, turn } from "../bench.js"
import { breach, expectSame, expectThat } from "../expect.js"
import { oddNames } from "../oddNames.js"
import { Ears, exactLaw, keeping, law, numbers, textsOf } from "./brokerBench.js"

export const logs = [
  law("a log: numbers its publications from 1, in one epoch, and gives their positions", (t) =>
    Effect.gen(function* () {
      const positions = yield* t.fill(t.topic, 1, 4)
      const epoch = positions[0]?.epoch
      yield* expectThat("its epoch", typeof epoch === "string" && epoch !== "", "some text", epoch)
      const offsets = [1, 2, 3, 4].map((offset) => ({ epoch, offset }))
      yield* expectSame("the positions of 4 publications", positions, offsets)
      const log = yield* t.read(t.topic)
      if (log._tag === "Refused") return yield* breach("history without a position", "Complete", log)
      yield* expectSame("the end", log.end, offsets[3])
      yield* expectSame(
        "the positions in the log",
        log.publications.map(({ position }) => position),
        offsets
      )
      yield* expectSame("the payloads in the log", textsOf(log), numbers(1, 4))
    })
  ),

  law("a log: is another one for each topic, of another epoch", (t) =>
    Effect.gen(function* () {
      const [a, b] = [t.name("a"), t.name("b")]
      const inA = yield* t.one.publish(a, '"in a"')
      const inB = yield* t.one.publish(b, '"in b"')
      yield* expectThat("the epochs of two topics", inA.epoch !== inB.epoch, "two", [inA.epoch, inB.epoch])
      yield* expectSame("the first offset of each", [inA.offset, inB.offset], [1, 1])
      yield* t.expectLog("the log of a", a, undefined, ['"in a"'])
      yield* t.expectLog("the log of b, from a position in a", b, inA, "epoch")
    })
  ),

  law("a log: topics are opaque text, and no two of them mix", (t) =>
    Effect.gen(function* () {
      const own = t.name("-")
      const topics = oddNames.flatMap((name) => [`${name}${own}`, `${own}${name}`])
      const all = topics.map((topic, i) => ({ topic, ears: new Ears(), member: { session: own, principal: `${i}` } }))
      for (const { ears, member, topic } of all) {
        yield* t.other.subscribe(topic, ears)
        yield* t.one.join(topic, `who is in ${topic}`, member, 1)
      }
      for (const [i, { topic }] of all.entries()) {
        const position = yield* t.one.publish(topic, String(i), { key: "key" })
        yield* expectSame(`the offset of the first publication in ${JSON.stringify(topic)}`, position.offset, 1)
      }
      for (const [i, { ears, member, topic }] of all.entries()) {
        const named = JSON.stringify(topic)
        yield* t.expectLog(`the log of ${named}`, topic, undefined, [String(i)])
        yield* t.heard(`in ${named}`, ears, 1)
        yield* expectSame(`what a listener of ${named} heard`, ears.texts, [String(i)])
        const { members } = yield* t.other.members(topic, `who is in ${topic}`)
        yield* expectSame(`the members of ${named}`, members, [member])
      }
    })
  ),

  law("a log: has a beginning before its first publication, from which all is recovered", (t) =>
    Effect.gen(function* () {
      const { end } = yield* t.one.history(t.topic, { limit: 10 })
      yield* expectSame("the offset of its end when nothing was published", end.offset, 0)
      yield* t.expectLog("what came after it", t.topic, end, [])
      const [first] = yield* t.fill(t.topic, 1, 3)
      yield* expectSame("the position of the first publication", first, { epoch: end.epoch, offset: 1 })
      yield* t.expectLog("what came after its beginning", t.topic, end, numbers(1, 3))
    })
  ),

  law("a log: begins when its topic is first named, by whatever operation, and at once on all nodes", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const topic = t.name(`topic ${round}`)
        const name = (node: typeof t.one) => [
          Effect.map(node.history(topic, { limit: 0 }), ({ end }) => end),
          node.subscribe(topic, new Ears()),
          Effect.map(node.members(t.name(`base ${round}`), topic), ({ position }) => position),
          node.publish(topic, "1")
        ]
        const positions = yield* Effect.all(
          [...name(t.one), ...name(t.other), ...name(t.one)].map((naming, i) => Effect.zipRight(turn(i), naming)),
          { concurrency: "unbounded" }
        )
        const { end } = yield* t.read(topic)
        yield* expectSame("the end of the log after 3 publications", end.offset, 3)
        yield* expectSame(
          "the epochs that all of them were given",
          positions.map(({ epoch }) => epoch),
          positions.map(() => end.epoch)
        )
      })
    )
  ),

  exactLaw("a log: keeps the time of a publication", (t) =>
    Effect.gen(function* () {
      yield* t.pass(1, 234)
      const position = yield* t.one.publish(t.topic, "1")
      const at = yield* Clock.currentTimeMillis
      yield* t.pass(3)
      const log: History = { _tag: "Complete", publications: [{ position, payload: "1", at }], end: position }
      yield* expectSame("the log", yield* t.read(t.topic), log)
    })
  ),

  law("a log: has the times of its publications in milliseconds, none before the one before", (t) =>
    Effect.gen(function* () {
      yield* t.pass(1)
      yield* t.fill(t.topic, 1, 3)
      yield* t.pass(1)
      yield* t.fill(t.topic, 4, 4)
      const log = yield* t.read(t.topic)
      const now = yield* Clock.currentTimeMillis
      const times = log._tag === "Complete" ? log.publications.map(({ at }) => at) : []
      const apart = (times[3] ?? 0) - (times[2] ?? 0)
      yield* expectThat(
        "the times of 4 publications, a unit of time between the last two",
        times.every((at, i) => at >= (times[i - 1] ?? 0)) && apart >= t.millis(0.5),
        `in order, the last two about ${t.millis(1)} ms apart`,
        times
      )
      // The server's clock may be another, but not by an hour.
      yield* expectThat("the last", Math.abs((times[3] ?? 0) - now) < 3_600_000, `about ${now}`, times[3])
    })
  ),

  law("a log: keeps payloads as they are, large ones too", (t) =>
    Effect.gen(function* () {
      const payloads = [
        '{"text":"\\u0000 é 漢 😀 \\"quoted\\" \\n","n":1e21}',
        '"\u2028 👩‍👩‍👧 e\u0301 é"',
        " [1,\n2] ",
        '""',
        "null",
        "12345678901234567890",
        JSON.stringify("漢x".repeat(500_000)),
        JSON.stringify({ deep: Array.from({ length: 10_000 }, (_, i) => ({ i })) })
      ]
      const ears = new Ears()
      const start = yield* t.other.subscribe(t.topic, ears)
      for (const payload of payloads) yield* t.one.publish(t.topic, payload)
      yield* t.expectLog("the log", t.topic, undefined, payloads)
      yield* t.expectHeard("of payloads of all kinds", ears, t.topic, start)
    })
  ),

  law("a log: is read in pages, each of which goes on where the one before ended", (t) =>
    Effect.gen(function* () {
      const { end: start } = yield* t.read(t.topic, undefined, 0)
      const last = (yield* t.fill(t.topic, 1, 10)).at(-1)
      const seen: Array<string> = []
      let since = start
      for (;;) {
        const log = yield* t.read(t.topic, since, 3)
        if (log._tag === "Refused") return yield* breach("a page", "Complete", log)
        yield* expectSame("the end that a page tells, which is the log's", log.end, last)
        if (log.publications.length === 0) break
        const rest = Math.min(3, 10 - seen.length)
        yield* expectSame(`how many of ${10 - seen.length} a page of 3 has`, log.publications.length, rest)
        seen.push(...log.publications.map(({ payload }) => payload))
        since = log.publications.at(-1)?.position ?? since
      }
      yield* expectSame("all pages together", seen, numbers(1, 10))
      const nothing: History = { _tag: "Complete", publications: [], end: since }
      yield* expectSame("history with limit 0", yield* t.read(t.topic, undefined, 0), nothing)
    })
  ),

  law("a log: without `since` is read from the oldest that is kept", (t) =>
    Effect.gen(function* () {
      yield* t.fill(t.topic, 1, 5, keeping({ messages: 3 }))
      yield* t.expectLog("2 of the 3 that are kept", t.topic, undefined, ["3", "4"], 2)
      yield* t.expectLog("all that are kept", t.topic, undefined, ["3", "4", "5"], 9)
    })
  ),

  law("a log: keeps what `defaultRetention` says when nothing else is said", (t) =>
    Effect.gen(function* () {
      const { messages } = defaultRetention
      const { end: start } = yield* t.read(t.topic, undefined, 0)
      const publish = Effect.forEach(numbers(1, messages), (text) => t.one.publish(t.topic, text), { concurrency: 50 })
      const [first] = yield* publish
      const full = yield* t.read(t.topic, start)
      const kept = full._tag === "Complete" ? full.publications.length : full.reason
      yield* expectSame(`how many of ${messages} publications are kept`, kept, messages)
      yield* t.one.publish(t.topic, "0")
      yield* t.expectLog(`from the beginning, after ${messages + 1} publications`, t.topic, start, "expired")
      const rest = yield* t.read(t.topic, { epoch: start.epoch, offset: 1 })
      yield* expectSame("the tag of history from position 1", rest._tag, "Complete")
      yield* expectSame("the epoch", first?.epoch, start.epoch)
    })
  ),

  law("publish: of many at once each has a position of its own, without a gap, and each publisher's order stays", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const topic = t.name(`topic ${round}`)
        const publisher = (name: number) =>
          Effect.forEach(numbers(1, 10), (n) =>
            Effect.zipRight(turn(name), (name % 2 === 0 ? t.one : t.other).publish(topic, `[${name},${n}]`))
          )
        const names = Array.from({ length: 12 }, (_, i) => i)
        const positions = (yield* Effect.all(names.map(publisher), { concurrency: "unbounded" })).flat()
        yield* expectSame(
          "the offsets of 120 publications",
          positions.map(({ offset }) => offset).sort((a, b) => a - b),
          numbers(1, 120).map(Number)
        )
        const log = yield* t.read(topic)
        if (log._tag === "Refused") return yield* breach("history without a position", "Complete", log)
        yield* expectSame(
          "the offsets in the log",
          log.publications.map(({ position }) => position.offset),
          numbers(1, 120).map(Number)
        )
        for (const name of names) {
          const own = log.publications.map(({ payload }) => payload).filter((text) => text.startsWith(`[${name},`))
          const expected = numbers(1, 10).map((n) => `[${name},${n}]`)
          yield* expectSame(`the order of publisher ${name}`, own, expected)
        }
      })
    )
  )
]
