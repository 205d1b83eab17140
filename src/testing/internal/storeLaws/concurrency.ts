/** Laws of operations at the same time, from two nodes, and of those that are interrupted. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { cutShort, interleaved, turn } from "../bench.js"
import { expectSame, expectThat } from "../expect.js"
import { all, many, node, numbers } from "./crowd.js"
import { banned, law, messages } from "./storeBench.js"

export const concurrency = [
  law("attach: of many at once each that attaches has a generation of its own, and the last alone owns", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        const answers = yield* all(
          numbers.map((i) => t.attach({ id, nextSecretHash: `next ${i}`, attempt: undefined }, node(t, i)))
        )
        const generations = answers.map((answer) =>
          answer._tag === "Attached" ? answer.session.generation : answer._tag
        )
        yield* expectSame(
          `the generations of ${many} attaches at once`,
          [...generations].sort((a, b) => Number(a) - Number(b)),
          numbers.map((i) => i + 2)
        )
        for (let generation = 1; generation <= many; generation++) {
          yield* t.expectFenced(`the last is ${many + 1}`, node(t, generation), id, generation, false)
        }
        yield* t.one.append(id, many + 1, messages(1, 1))
        const winner = generations.indexOf(many + 1)
        const loser = generations.indexOf(many)
        const secret = (i: number) => ({ id, secretHash: `next ${i}`, nextSecretHash: "h9" })
        yield* t.expectAnswer("attach with the secret of the last but one", { _tag: "Mismatch" }, secret(loser))
        yield* t.attached("attach with the secret of the last", secret(winner))
      })
    )
  ),

  law("attach: of many attempts at once none attaches after a later one", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        // 1, 6, 11, … in a fixed disorder.
        const attempts = numbers.map((i) => ((i * 5) % many) + 1)
        const answers = yield* all(
          attempts.map((attempt, i) => t.attach({ id, attempt, nextSecretHash: `next ${attempt}` }, node(t, i)))
        )
        const won = answers
          .flatMap((answer, i) =>
            answer._tag === "Attached" ? [{ generation: answer.session.generation, attempt: attempts[i] ?? 0 }] : []
          )
          .sort((a, b) => a.generation - b.generation)
        const refused = answers.filter(({ _tag }) => _tag === "Superseded").length
        yield* expectSame("how many were attached or superseded", won.length + refused, many)
        yield* expectSame(
          "the generations of those that attached",
          won.map(({ generation }) => generation),
          won.map((_, i) => i + 2)
        )
        yield* expectThat(
          "the attempts of those that attached, by generation",
          won.every(({ attempt }, i) => attempt > (won[i - 1]?.attempt ?? 0)) && won.at(-1)?.attempt === many,
          `each later than the one before, the last ${many}`,
          won
        )
      })
    )
  ),

  law("append: what an owner appends while it is taken over is in what the next one is given, or was Fenced", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        const appending = all(numbers.map((i) => Effect.either(t.one.append(id, 1, messages(1, i + 1, "old ")))))
        const takeover = Effect.gen(function* () {
          for (let i = 0; i < 4 * round; i++) yield* turn(i)
          const session = yield* t.attached("attach, while generation 1 appends", { id })
          const next = session.sent + 1
          yield* t.other.append(id, 2, messages(next, next + 1, "new "))
          return session
        })
        const [appended, session] = yield* Effect.all([appending, takeover], { concurrency: "unbounded" })
        const most = appended.reduce((last, answer, i) => (Either.isRight(answer) ? Math.max(last, i + 1) : last), 0)
        yield* expectSame(
          "the last message that generation 1 was told is appended, and the last that generation 2 found",
          session.sent,
          most
        )
        const end = yield* t.attached("attach once more", { id, nextSecretHash: "h3" })
        yield* expectSame("the messages in the end", end.outbound, [
          ...messages(1, most, "old "),
          ...messages(most + 1, most + 2, "new ")
        ])
      })
    )
  ),

  law("append: the same from many places at once is appended once, and in order", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        yield* all(numbers.map((i) => node(t, i).append(id, 1, messages(1, 1 + (i % 7)))))
        yield* t.one.append(id, 1, messages(1, 8))
        const session = yield* t.attached("attach", { id })
        yield* expectSame("sent", session.sent, 8)
        yield* expectSame("the messages", session.outbound, messages(1, 8))
      })
    )
  ),

  law("acknowledge: of many at once the highest numbers stay", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        yield* t.one.append(id, 1, messages(1, many))
        yield* all(
          numbers.map((i) => node(t, i).acknowledge(id, 1, { acked: (i * 5) % many, processed: (i * 7) % many }))
        )
        const session = yield* t.attached("attach", { id })
        yield* expectSame("acked and processed", [session.acked, session.processed], [many - 1, many - 1])
        yield* expectSame("the messages", session.outbound, messages(many, many))
      })
    )
  ),

  law("revoke: of many at once each session is counted by one, and no attach brings it back", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const principal = t.id(`cy ${round}`)
        const ids = numbers.map((i) => t.id(`round ${round}.${i}`))
        for (const id of ids) yield* t.create({ id, principal })
        const [counts, answers] = yield* Effect.all(
          [
            all(numbers.map((i) => node(t, i).revoke({ principal }, banned))),
            all(ids.map((id, i) => t.attach({ id, principal }, node(t, i))))
          ],
          { concurrency: "unbounded" }
        )
        const total = counts.reduce((sum, count) => sum + count, 0)
        yield* expectSame(`what ${many} revokes at once of ${many} sessions count together`, total, many)
        for (const [i, id] of ids.entries()) {
          const gone = { _tag: "Gone", tombstone: banned } as const
          yield* t.expectAnswer("attach of what was revoked", gone, { id, principal })
          const answer = answers[i]
          const generation = answer?._tag === "Attached" ? answer.session.generation : 1
          yield* t.expectFenced("which was revoked meanwhile", t.one, id, generation, true)
        }
      })
    )
  ),

  law("append: one that is interrupted is done whole or not at all, and is tried again", (t) =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const id = yield* t.create({ id: t.id(`turns ${turns}`) })
        yield* t.one.append(id, 1, messages(1, 2))
        yield* cutShort(t.one.append(id, 1, messages(3, 12)), turns)
        // It fences off what may still be on its way.
        const session = yield* t.attached("attach", { id })
        yield* expectThat(
          `the last message after an append of 3-12 that was interrupted after ${turns} turns`,
          session.sent === 2 || session.sent === 12,
          "2 or 12",
          session.sent
        )
        yield* expectSame("the messages", session.outbound, messages(1, session.sent))
        yield* t.other.append(id, 2, messages(3, 13))
        const end = yield* t.attached("attach once more", { id, nextSecretHash: "h3" })
        yield* expectSame("the messages after it was tried again", end.outbound, messages(1, 13))
      }
    })
  ),

  law("attach: one that is interrupted has attached or not, and the client attaches again", (t) =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const id = yield* t.create({ id: t.id(`turns ${turns}`) })
        yield* t.one.append(id, 1, messages(1, 2))
        yield* cutShort(t.attach({ id, nextSecretHash: "lost" }, t.one), turns)
        const session = yield* t.attached(
          `attach with the secret before, after an attach that was interrupted after ${turns} turns`,
          { id }
        )
        const { generation } = session
        yield* expectThat("its generation", generation === 2 || generation === 3, "2 or 3", generation)
        yield* expectSame("the messages", session.outbound, messages(1, 2))
        yield* t.other.append(id, generation, messages(3, 3))
        const next = yield* t.attached("attach with the new secret", { id, secretHash: "h2", nextSecretHash: "h3" })
        yield* expectSame("the generation after it", next.generation, generation + 1)
      }
    })
  ),

  law("acknowledge, remove: one that is interrupted is done whole or not at all", (t) =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const id = yield* t.create({ id: t.id(`turns ${turns}`) })
        yield* t.one.append(id, 1, messages(1, 9))
        yield* cutShort(t.one.acknowledge(id, 1, { acked: 7, processed: 5 }), turns)
        const session = yield* t.attached("attach", { id })
        const { acked, outbound, processed } = session
        yield* expectThat(
          `acked, processed and messages after an acknowledge that was interrupted after ${turns} turns`,
          (acked === 0 && processed === 0 && outbound.length === 9) ||
            (acked === 7 && processed === 5 && outbound.length === 2),
          "0, 0 and 9 of them, or 7, 5 and 2",
          [acked, processed, outbound.length]
        )
        yield* cutShort(t.other.remove(id, 2, banned), turns)
        const answer = yield* t.attach({ id, nextSecretHash: "h3" })
        if (answer._tag === "Attached")
          yield* expectSame("the messages, if it is there", answer.session.outbound, outbound)
        else yield* expectSame("what is left of it, if it is not", answer, { _tag: "Gone", tombstone: banned })
      }
    })
  )
]
