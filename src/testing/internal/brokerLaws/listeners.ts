/** Laws of `subscribe`: what a listener hears. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { cutShort, interleaved, turn } from "../bench.js"
import { expectSame } from "../expect.js"
import { Ears, keeping, law, numbers } from "./brokerBench.js"

export const listeners = [
  law("a listener: hears everything after the position it was given, once, in order, and nothing from before", (t) =>
    Effect.gen(function* () {
      const [, , third] = yield* t.fill(t.topic, 1, 3)
      const ears = new Ears()
      const position = yield* t.other.subscribe(t.topic, ears)
      yield* expectSame("the position it was given, after 3 publications", position, third)
      yield* t.fill(t.topic, 4, 6)
      yield* t.one.publish(t.name("another topic"), '"not for it"')
      yield* t.fill(t.topic, 7, 7)
      yield* t.expectHeard("of 4 to 7", ears, t.topic, position)
      yield* expectSame("the payloads", ears.texts, numbers(4, 7))
    })
  ),

  law("a listener: of a topic that nobody had named hears it from its beginning", (t) =>
    Effect.gen(function* () {
      const ears = new Ears()
      const position = yield* t.other.subscribe(t.topic, ears)
      yield* expectSame("the offset of the position it was given", position.offset, 0)
      const [first] = yield* t.fill(t.topic, 1, 3)
      yield* expectSame("the epoch of the first publication", first?.epoch, position.epoch)
      yield* t.expectHeard("of 1 to 3", ears, t.topic, position)
    })
  ),

  law("a listener: hears what the log does not keep", (t) =>
    Effect.gen(function* () {
      const ears = new Ears()
      yield* t.other.subscribe(t.topic, ears)
      yield* t.fill(t.topic, 1, 20, keeping({ messages: 1 }))
      yield* t.heard("of which the log keeps 1", ears, 20)
      yield* expectSame("the payloads", ears.texts, numbers(1, 20))
      yield* expectSame("resets", ears.resets, [])
    })
  ),

  law("a listener: is one of many, whose end is not its own", (t) =>
    Effect.gen(function* () {
      const [a, b, c, d] = [new Ears(), new Ears(), new Ears(), new Ears()]
      const scope = yield* Scope.make()
      yield* t.one.subscribe(t.topic, a)
      yield* Scope.extend(t.other.subscribe(t.topic, b), scope)
      yield* t.other.subscribe(t.topic, d)
      yield* t.one.publish(t.topic, "1")
      yield* t.heard("before its scope was closed", b, 1)
      yield* Scope.close(scope, Exit.void)
      yield* t.other.subscribe(t.topic, c)
      yield* t.fill(t.topic, 2, 3)
      for (const [ears, texts] of [
        [a, ["1", "2", "3"]],
        [d, ["1", "2", "3"]],
        [c, ["2", "3"]],
        // Last: what it must not hear has had the time to come.
        [b, ["1"]]
      ] as const) {
        yield* t.heard("after another's scope was closed", ears, texts.length)
        yield* expectSame("what each has heard", ears.texts, texts)
      }
    })
  ),

  law("a listener: that ends and begins again goes on at the position it is given then", (t) =>
    Effect.gen(function* () {
      const witness = new Ears()
      yield* t.other.subscribe(t.topic, witness)
      for (let round = 0; round < 5; round++) {
        const ears = new Ears()
        const listening = Effect.gen(function* () {
          const position = yield* t.other.subscribe(t.topic, ears)
          yield* expectSame("the offset it was given", position.offset, 2 * round)
          yield* t.one.publish(t.topic, String(2 * round + 1))
          yield* t.expectHeard("while its scope was open", ears, t.topic, position)
        })
        yield* Effect.scoped(listening)
        yield* t.one.publish(t.topic, String(2 * round + 2))
        yield* t.heard("the witness", witness, 2 * round + 2)
        yield* expectSame("what it heard before and after its scope was closed", ears.texts, [String(2 * round + 1)])
      }
      yield* expectSame("what one that stayed heard", witness.texts, numbers(1, 10))
    })
  ),

  law("a listener: that stops while others publish hears a beginning of it, and nothing later", (t) =>
    Effect.gen(function* () {
      const witness = new Ears()
      yield* t.other.subscribe(t.topic, witness)
      const scope = yield* Scope.make()
      const ears = new Ears()
      yield* Scope.extend(t.other.subscribe(t.topic, ears), scope)
      const stopping = Effect.gen(function* () {
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        return ears.heard.length
      })
      const publishing = Effect.forEach(numbers(1, 60), (text) =>
        Effect.zipRight(Effect.yieldNow(), t.one.publish(t.topic, text))
      )
      const [count] = yield* Effect.all([stopping, publishing], { concurrency: "unbounded" })
      yield* t.heard("the witness", witness, 60)
      yield* expectSame("what it heard in the end", ears.texts, numbers(1, count))
    })
  ),

  law(
    "a listener: that begins while many publish misses nothing after its position and hears nothing from before",
    (t) =>
      interleaved((round) =>
        Effect.gen(function* () {
          const topic = t.name(`topic ${round}`)
          const publisher = (name: number) =>
            Effect.forEach(
              numbers(1, 12),
              (n) => Effect.zipRight(turn(name), (name % 2 === 0 ? t.one : t.other).publish(topic, `[${name},${n}]`)),
              { discard: true }
            )
          const joining = (turns: number) =>
            Effect.gen(function* () {
              const ears = new Ears()
              for (let i = 0; i < turns / 4; i++) yield* turn(turns)
              const position = yield* (turns % 2 === 0 ? t.one : t.other).subscribe(topic, ears)
              return { ears, position }
            })
          const writing = Effect.all([0, 1, 2, 3, 4, 5].map(publisher), { concurrency: "unbounded", discard: true })
          const all = Effect.all(
            Array.from({ length: 30 }, (_, turns) => joining(turns)),
            { concurrency: "unbounded" }
          )
          const [joined] = yield* Effect.all([all, writing], { concurrency: "unbounded" })
          for (const { ears, position } of joined) {
            yield* t.expectHeard(`from ${position.offset}, while 6 published 72`, ears, topic, position)
          }
        })
      )
  ),

  law("subscribe: one that is interrupted leaves no listener behind once its scope is closed", (t) =>
    Effect.gen(function* () {
      const witness = new Ears()
      yield* t.other.subscribe(t.topic, witness)
      for (let turns = 0; turns < 12; turns++) {
        const ears = new Ears()
        yield* cutShort(Effect.scoped(Effect.zipRight(t.other.subscribe(t.topic, ears), Effect.never)), turns)
        yield* t.one.publish(t.topic, String(turns))
        yield* t.heard("the witness", witness, turns + 1)
        yield* expectSame(`what one heard that was interrupted after ${turns} turns`, ears.texts, [])
      }
    })
  ),

  law("a listener: of two topics hears both, each in its order", (t) =>
    Effect.gen(function* () {
      const [a, b] = [t.name("a"), t.name("b")]
      const ears = new Ears()
      const scope = yield* Scope.make()
      yield* t.one.subscribe(a, ears)
      yield* Scope.extend(t.one.subscribe(b, ears), scope)
      yield* t.fill(a, 1, 3)
      yield* t.fill(b, 4, 6)
      yield* t.heard("of 3 publications in each of two topics", ears, 6)
      yield* Scope.close(scope, Exit.void)
      yield* t.fill(b, 7, 7)
      yield* t.fill(a, 8, 8)
      yield* t.heard("after its scope for one of them was closed", ears, 7)
      const texts = [...ears.texts].sort()
      yield* expectSame("the payloads, sorted", texts, [...numbers(1, 6), "8"])
    })
  )
]
