/** The laws of a Broker, for any implementation. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope, TestClock } from "effect"
import { Broker, type Protocol } from "holdfast"

const { Broker: Service } = Broker
type Service = Broker.Broker["Type"]

const ann = { session: "s1", principal: "ann" }
const bob = { session: "s2", principal: "bob" }

/** Waits for what comes from elsewhere; a broker in memory has brought it already. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 5000 && !holds(); turn++) {
      yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
    }
    assert.isTrue(holds(), "waited in vain")
  })

/** Publishes JSON numbers, one after the other. */
const fill = (broker: Service, topic: string, from: number, to: number, retention?: Broker.Retention) =>
  Effect.forEach(
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
    (n) => broker.publish(topic, String(n), { retention })
  )

const payloads = (log: Broker.History) =>
  log._tag === "Complete" ? log.publications.map(({ payload }) => payload) : log.reason

/** A listener that remembers, and asserts that nothing is missing between two publications. */
export const listener = () => {
  const heard: Array<string> = []
  let last: Protocol.Position | undefined
  return {
    heard,
    published: ({ payload, position }: Broker.Publication) => {
      if (last !== undefined) assert.deepStrictEqual(position, { epoch: last.epoch, offset: last.offset + 1 })
      last = position
      heard.push(payload)
    },
    reset: (_position: Protocol.Position, reason: string) => void heard.push(`reset: ${reason}`)
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

/** `layer` is a broker in which nothing was published, each time it is built. */
export const brokerLaws = (name: string, layer: Layer.Layer<Broker.Broker>) => {
  const law = (text: string, body: (broker: Service) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
    it.scoped(text, () => Effect.flatMap(Service, body).pipe(Effect.provide(layer)))

  describe(`Broker: ${name}: a log`, () => {
    law("numbers its publications from 1, in one epoch, and gives their positions", (broker) =>
      Effect.gen(function* () {
        const [first, second, third] = yield* fill(broker, "t", 1, 3)
        assert.isNotEmpty(first?.epoch)
        assert.deepStrictEqual(second, { epoch: first?.epoch ?? "", offset: 2 })
        assert.deepStrictEqual(third, { epoch: first?.epoch ?? "", offset: 3 })
        assert.strictEqual(first?.offset, 1)
      })
    )

    law("is another one for each topic, of another epoch", (broker) =>
      Effect.gen(function* () {
        const a = yield* broker.publish("a", '"in a"')
        const b = yield* broker.publish("b", '"in b"')
        assert.notStrictEqual(a.epoch, b.epoch)
        assert.deepStrictEqual([a.offset, b.offset], [1, 1])
        assert.deepStrictEqual(payloads(yield* broker.history("a", { limit: 10 })), ['"in a"'])
        assert.deepStrictEqual(payloads(yield* broker.history("b", { since: a, limit: 10 })), "epoch")
      })
    )

    law("has a beginning before its first publication, from which all is recovered", (broker) =>
      Effect.gen(function* () {
        const { end } = yield* broker.history("t", { limit: 10 })
        assert.strictEqual(end.offset, 0)
        yield* fill(broker, "t", 1, 3)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: end, limit: 10 })), numbers(1, 3))
      })
    )

    law("keeps payloads and times as they were", (broker) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(1234)
        const payload = '{"text":"\\u0000 é 漢 😀 \\"quoted\\" \\n","n":1e21}'
        const position = yield* broker.publish("t", payload)
        const log = yield* broker.history("t", { limit: 1 })
        assert.deepStrictEqual<Broker.History>(log, {
          _tag: "Complete",
          publications: [{ position, payload, at: 1234 }],
          end: position
        })
      })
    )

    law("is read in pages, each of which goes on where the one before ended", (broker) =>
      Effect.gen(function* () {
        const { end: start } = yield* broker.history("t", { limit: 0 })
        yield* fill(broker, "t", 1, 10)
        const seen: Array<string> = []
        let since = start
        for (;;) {
          const log = yield* broker.history("t", { since, limit: 3 })
          if (log._tag === "Refused") return assert.fail(log.reason)
          assert.strictEqual(log.end.offset, 10, "the end of the log, not of the page")
          if (log.publications.length === 0) break
          assert.isAtMost(log.publications.length, 3)
          seen.push(...log.publications.map(({ payload }) => payload))
          since = log.publications.at(-1)?.position ?? since
        }
        assert.deepStrictEqual(seen, numbers(1, 10))
        const nothing = yield* broker.history("t", { limit: 0 })
        assert.deepStrictEqual(nothing, { _tag: "Complete", publications: [], end: since })
      })
    )

    law("without `since` is read from the oldest that is kept", (broker) =>
      Effect.gen(function* () {
        yield* fill(broker, "t", 1, 5, { messages: 3, bytes: 1000, age: 1000 })
        assert.deepStrictEqual(payloads(yield* broker.history("t", { limit: 2 })), ["3", "4"])
        assert.deepStrictEqual(payloads(yield* broker.history("t", { limit: 9 })), ["3", "4", "5"])
      })
    )
  })

  describe(`Broker: ${name}: recovery is complete or refused`, () => {
    const small: Broker.Retention = { messages: 3, bytes: 1_000_000, age: 60_000 }

    law("when nothing was missed: complete, and empty", (broker) =>
      Effect.gen(function* () {
        const [, , last] = yield* fill(broker, "t", 1, 3)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: last, limit: 10 })), [])
      })
    )

    law("when exactly the history's size was missed: complete; when one more was: refused as expired", (broker) =>
      Effect.gen(function* () {
        const [first, second] = yield* fill(broker, "t", 1, 4, small)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: first, limit: 10 })), ["2", "3", "4"])
        const [fifth] = yield* fill(broker, "t", 5, 5, small)
        assert.deepStrictEqual(yield* broker.history("t", { since: first, limit: 10 }), {
          _tag: "Refused",
          reason: "expired",
          end: fifth ?? assert.fail()
        })
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: second, limit: 10 })), ["3", "4", "5"])
      })
    )

    law("from the beginning, with exactly the history's size and one more", (broker) =>
      Effect.gen(function* () {
        const { end: beginning } = yield* broker.history("t", { limit: 0 })
        yield* fill(broker, "t", 1, 3, small)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: beginning, limit: 10 })), numbers(1, 3))
        yield* fill(broker, "t", 4, 4, small)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: beginning, limit: 10 })), "expired")
      })
    )

    law("is refused rather than cut short, even where the limit would have left out what is missing", (broker) =>
      Effect.gen(function* () {
        const [first] = yield* fill(broker, "t", 1, 5, small)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: first, limit: 0 })), "expired")
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: first, limit: 1 })), "expired")
      })
    )

    law("by bytes: complete at the bound, refused one byte above; the newest is always kept", (broker) =>
      Effect.gen(function* () {
        const bytes = (n: number): Broker.Retention => ({ messages: 100, bytes: n, age: 60_000 })
        const text = JSON.stringify("x".repeat(8))
        for (const [bound, kept] of [
          [30, 3],
          [29, 2],
          [9, 1]
        ] as const) {
          const topic = `t${bound}`
          for (let i = 0; i < 5; i++) yield* broker.publish(topic, text, { retention: bytes(bound) })
          const log = yield* broker.history(topic, { limit: 10 })
          assert.lengthOf(payloads(log), kept)
          const since = (offset: number) => ({ epoch: log.end.epoch, offset })
          assert.lengthOf(payloads(yield* broker.history(topic, { since: since(5 - kept), limit: 10 })), kept)
          const more = yield* broker.history(topic, { since: since(5 - kept - 1), limit: 10 })
          assert.strictEqual(payloads(more), "expired")
        }
      })
    )

    law("by age: complete at its last millisecond, refused at the next", (broker) =>
      Effect.gen(function* () {
        const { end: beginning } = yield* broker.history("t", { limit: 0 })
        const retention = { messages: 100, bytes: 1000, age: 1000 }
        yield* fill(broker, "t", 1, 1, retention)
        yield* TestClock.adjust(400)
        const [second] = yield* fill(broker, "t", 2, 2, retention)
        yield* TestClock.adjust(600)
        const read = (since: Protocol.Position | undefined) =>
          Effect.map(broker.history("t", { since, limit: 10 }), payloads)
        assert.deepStrictEqual(yield* read(beginning), ["1", "2"])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* read(beginning), "expired")
        assert.deepStrictEqual(yield* read(undefined), ["2"])
        yield* TestClock.adjust(400)
        assert.deepStrictEqual(yield* read(undefined), [])
        assert.deepStrictEqual(yield* read(second), [], "nothing came after it")
        assert.deepStrictEqual(yield* read({ epoch: beginning.epoch, offset: 1 }), "expired")
      })
    )

    law("from another epoch, whatever its offset: refused", (broker) =>
      Effect.gen(function* () {
        const [, second] = yield* fill(broker, "t", 1, 3)
        for (const offset of [0, 2, 3, 9]) {
          const log = yield* broker.history("t", { since: { epoch: `not ${second?.epoch}`, offset }, limit: 10 })
          assert.deepInclude(log, { _tag: "Refused", reason: "epoch" })
        }
      })
    )

    law("from beyond the end: refused, from the end: complete", (broker) =>
      Effect.gen(function* () {
        const [, , third] = yield* fill(broker, "t", 1, 3)
        const since = third ?? assert.fail()
        const ahead = yield* broker.history("t", { since: { ...since, offset: 4 }, limit: 10 })
        assert.deepStrictEqual(ahead, { _tag: "Refused", reason: "ahead", end: since })
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since, limit: 10 })), [])
      })
    )

    law("after a week without a publication a position is as good as before", (broker) =>
      Effect.gen(function* () {
        const { end: untouched } = yield* broker.history("quiet", { limit: 0 })
        const [, last] = yield* fill(broker, "t", 1, 2)
        yield* TestClock.adjust("7 days")
        yield* broker.expire
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: last, limit: 10 })), [])
        assert.deepStrictEqual(payloads(yield* broker.history("quiet", { since: untouched, limit: 10 })), [])
        const [next] = yield* fill(broker, "t", 3, 3)
        assert.deepStrictEqual(next, { epoch: last?.epoch ?? "", offset: 3 })
        assert.deepStrictEqual(payloads(yield* broker.history("t", { since: last, limit: 10 })), ["3"])
      })
    )
  })

  describe(`Broker: ${name}: a key`, () => {
    law("makes a repetition publish nothing, and give the position of the first", (broker) =>
      Effect.gen(function* () {
        const first = yield* broker.publish("t", '"a"', { key: "k" })
        yield* broker.publish("t", '"b"')
        assert.deepStrictEqual(yield* broker.publish("t", '"a"', { key: "k" }), first)
        assert.deepStrictEqual(payloads(yield* broker.history("t", { limit: 10 })), ['"a"', '"b"'])
      })
    )

    law("of one topic means nothing in another", (broker) =>
      Effect.gen(function* () {
        yield* broker.publish("t", '"a"', { key: "k" })
        yield* broker.publish("u", '"b"', { key: "k" })
        assert.deepStrictEqual(payloads(yield* broker.history("u", { limit: 10 })), ['"b"'])
      })
    )

    law("with another body fails, and publishes nothing; long bodies that differ in one place too", (broker) =>
      Effect.gen(function* () {
        const long = JSON.stringify("x".repeat(5000))
        for (const [key, body, other] of [
          ["short", "1", "2"],
          ["length", '"a"', '"ab"'],
          ["end", `[${long},1]`, `[${long},2]`],
          ["begin", `[1,${long}]`, `[2,${long}]`],
          ["middle", `[${long},1,${long}]`, `[${long},2,${long}]`]
        ] as const) {
          yield* broker.publish(key, body, { key })
          const reused = yield* Effect.flip(broker.publish(key, other, { key }))
          assert.deepInclude(reused, { _tag: "KeyReused", topic: key, key })
          assert.deepStrictEqual(payloads(yield* broker.history(key, { limit: 10 })), [body])
        }
      })
    )

    law("is remembered for the key window, to the millisecond", (broker) =>
      Effect.gen(function* () {
        const first = yield* broker.publish("t", "1", { key: "k" })
        yield* TestClock.adjust(broker.keyWindow - 1)
        yield* broker.expire
        assert.deepStrictEqual(yield* broker.publish("t", "1", { key: "k" }), first)
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* broker.publish("t", "1", { key: "k" })).offset, 2, "a repetition renews nothing")
      })
    )

    law("outlives what was published under it", (broker) =>
      Effect.gen(function* () {
        const retention = { messages: 1, bytes: 1000, age: 1 }
        const first = yield* broker.publish("t", "1", { key: "k", retention })
        yield* broker.publish("t", "2", { retention })
        yield* TestClock.adjust(10)
        yield* broker.expire
        assert.deepStrictEqual(yield* broker.publish("t", "1", { key: "k", retention }), first)
      })
    )

    law("used by many at once publishes once, and all get that position", (broker) =>
      Effect.gen(function* () {
        const positions = yield* Effect.all(
          Array.from({ length: 50 }, () => Effect.zipRight(Effect.yieldNow(), broker.publish("t", "1", { key: "k" }))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(positions.map(({ offset }) => offset)), new Set([1]))
        assert.deepStrictEqual(payloads(yield* broker.history("t", { limit: 10 })), ["1"])
      })
    )
  })

  describe(`Broker: ${name}: a listener`, () => {
    law("hears everything after the position it was given, once, in order, and nothing from before", (broker) =>
      Effect.gen(function* () {
        yield* fill(broker, "t", 1, 3)
        const ears = listener()
        const position = yield* broker.subscribe("t", ears)
        assert.strictEqual(position.offset, 3)
        yield* fill(broker, "t", 4, 6)
        yield* broker.publish("other", '"not for it"')
        yield* until(() => ears.heard.length >= 3)
        assert.deepStrictEqual(ears.heard, ["4", "5", "6"])
      })
    )

    law("hears no repetition of a key", (broker) =>
      Effect.gen(function* () {
        const ears = listener()
        yield* broker.subscribe("t", ears)
        yield* broker.publish("t", "1", { key: "k" })
        yield* broker.publish("t", "1", { key: "k" })
        yield* broker.publish("t", "2")
        yield* until(() => ears.heard.length >= 2)
        assert.deepStrictEqual(ears.heard, ["1", "2"])
      })
    )

    law("that is one of many misses nothing, and its end is not theirs", (broker) =>
      Effect.gen(function* () {
        const [a, b, c] = [listener(), listener(), listener()]
        const scope = yield* Scope.make()
        yield* broker.subscribe("t", a)
        yield* Scope.extend(broker.subscribe("t", b), scope)
        yield* broker.publish("t", "1")
        yield* until(() => b.heard.length === 1)
        yield* Scope.close(scope, Exit.void)
        yield* broker.subscribe("t", c)
        yield* broker.publish("t", "2")
        yield* until(() => a.heard.length === 2 && c.heard.length === 1)
        assert.deepStrictEqual([a.heard, b.heard, c.heard], [["1", "2"], ["1"], ["2"]])
      })
    )

    law("misses nothing while many publish at once, and all hear the order that the log has", (broker) =>
      Effect.gen(function* () {
        const [early, late] = [listener(), listener()]
        yield* broker.subscribe("t", early)
        const publisher = (name: number) =>
          Effect.forEach(
            Array.from({ length: 20 }, (_, i) => JSON.stringify(`${name}:${i}`)),
            (payload) => Effect.zipRight(Effect.yieldNow(), broker.publish("t", payload)),
            { discard: true }
          )
        const writers = Effect.all(
          Array.from({ length: 20 }, (_, i) => publisher(i)),
          { concurrency: "unbounded", discard: true }
        )
        const joined = Effect.gen(function* () {
          for (let i = 0; i < 7; i++) yield* Effect.yieldNow()
          return yield* broker.subscribe("t", late)
        })
        const [, position] = yield* Effect.all([writers, joined], { concurrency: "unbounded" })
        yield* until(() => early.heard.length >= 400 && late.heard.length >= 400 - position.offset)
        const log = yield* broker.history("t", { limit: 1000 })
        assert.deepStrictEqual(payloads(log), early.heard)
        assert.deepStrictEqual(late.heard, early.heard.slice(position.offset))
        for (let name = 0; name < 20; name++) {
          const own = early.heard.filter((text) => text.startsWith(`"${name}:`))
          assert.deepStrictEqual(
            own,
            Array.from({ length: 20 }, (_, i) => JSON.stringify(`${name}:${i}`)),
            "each publisher's order"
          )
        }
      })
    )
  })

  describe(`Broker: ${name}: members`, () => {
    /** Who is there, and what was told about it. */
    const seen = (broker: Service) =>
      Effect.gen(function* () {
        const { members, position } = yield* broker.members("t", "t#presence")
        const log = yield* broker.history("t#presence", { limit: 100 })
        assert.strictEqual(position.offset, log.end.offset, "the members are those of the end of the log")
        const told = payloads(log)
        if (typeof told === "string") return assert.fail(told)
        return {
          members: members.map(({ session }) => session).sort(),
          told: told.map((text) => {
            const { _tag, member } = JSON.parse(text)
            return `${_tag} ${member.session} ${member.principal}`
          })
        }
      })

    law("join once however often they do, and leave once", (broker) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* seen(broker), { members: [], told: [] })
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("t", "t#presence", bob)
        assert.deepStrictEqual((yield* seen(broker)).members, ["s1", "s2"])
        yield* broker.leave("s1", { topic: "t", after: 0 })
        yield* broker.leave("s1", { topic: "t", after: 0 })
        yield* broker.leave("nobody", { topic: "t", after: 0 })
        yield* broker.leave("s2", { topic: "elsewhere", after: 0 })
        assert.deepStrictEqual(yield* seen(broker), {
          members: ["s2"],
          told: ["Joined s1 ann", "Joined s2 bob", "Left s1 ann"]
        })
      })
    )

    law("are sessions: two of one principal are two", (broker) =>
      Effect.gen(function* () {
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("t", "t#presence", { session: "s3", principal: "ann" })
        yield* broker.leave("s1", { topic: "t", after: 0 })
        assert.deepStrictEqual((yield* seen(broker)).members, ["s3"])
      })
    )

    law("leave all their topics at once when none is named", (broker) =>
      Effect.gen(function* () {
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("u", "u#presence", ann)
        yield* broker.join("u", "u#presence", bob)
        yield* broker.leave("s1", { after: 0 })
        assert.deepStrictEqual((yield* seen(broker)).members, [])
        assert.deepStrictEqual((yield* broker.members("u", "u#presence")).members, [bob])
        yield* broker.join("t", "t#presence", ann)
        assert.deepStrictEqual((yield* seen(broker)).members, ["s1"], "and may come back")
      })
    )

    law("that leave after a while are there at its last millisecond, and gone at the next", (broker) =>
      Effect.gen(function* () {
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("t", "t#presence", bob)
        yield* broker.leave("s1", { after: 1000 })
        yield* TestClock.adjust(1000)
        yield* broker.expire
        assert.deepStrictEqual((yield* seen(broker)).members, ["s1", "s2"])
        yield* TestClock.adjust(1)
        yield* broker.expire
        yield* broker.expire
        assert.deepStrictEqual(yield* seen(broker), {
          members: ["s2"],
          told: ["Joined s1 ann", "Joined s2 bob", "Left s1 ann"]
        })
      })
    )

    law("that join again in time never left", (broker) =>
      Effect.gen(function* () {
        yield* broker.join("t", "t#presence", ann)
        yield* broker.leave("s1", { after: 1000 })
        yield* TestClock.adjust(1000)
        yield* broker.join("t", "t#presence", ann)
        yield* TestClock.adjust("1 hour")
        yield* broker.expire
        assert.deepStrictEqual((yield* seen(broker)).members, ["s1"])
        const changes = yield* broker.history("t#presence", { limit: 10 })
        assert.strictEqual(changes.end.offset, 1, "one Joined in all")
      })
    )

    law("that join again one of two topics leave the other", (broker) =>
      Effect.gen(function* () {
        yield* broker.join("t", "t#presence", ann)
        yield* broker.join("u", "u#presence", ann)
        yield* broker.leave("s1", { after: 1000 })
        yield* broker.join("t", "t#presence", ann)
        yield* TestClock.adjust(1001)
        yield* broker.expire
        assert.deepStrictEqual((yield* seen(broker)).members, ["s1"])
        assert.deepStrictEqual((yield* broker.members("u", "u#presence")).members, [])
      })
    )

    law("are told to listeners, and joining at once from everywhere tells it once", (broker) =>
      Effect.gen(function* () {
        const ears = listener()
        yield* broker.subscribe("t#presence", ears)
        yield* Effect.all(
          Array.from({ length: 30 }, () => broker.join("t", "t#presence", ann)),
          { concurrency: "unbounded", discard: true }
        )
        yield* broker.leave("s1", { after: 0 })
        yield* until(() => ears.heard.length >= 2)
        assert.deepStrictEqual(
          ears.heard.map((text) => JSON.parse(text)),
          [
            { _tag: "Joined", member: ann },
            { _tag: "Left", member: ann }
          ]
        )
      })
    )
  })
}
