/** Laws of `post` and `collect`, and of what `append` takes out of the mailbox. */
import * as Effect from "effect/Effect"
import type { Payload } from "../../../protocol/Codec.js"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { StoredMessage } from "../../../session/SessionStore.js"
import { cutShort, interleaved } from "../bench.js"
import { type Breach, expectFailure, expectSame, expectThat } from "../expect.js"
import { all, many, node, numbers } from "./crowd.js"
import { banned, law, type Service, type StoreBench } from "./storeBench.js"

const roomy = { messages: 1000, bytes: 100_000_000 }

const text = (n: number): string => JSON.stringify(`mail ${n}`)

const post = (on: Service, id: string, key: string, payload: Payload = JSON.stringify(key), bounds = roomy) =>
  on.post(id, { key, payload }, bounds)

/** Posts `from` to `to`, by the two nodes in turn. */
const postAll = (t: StoreBench, id: string, from: number, to: number) =>
  Effect.gen(function* () {
    for (let n = from; n <= to; n++) {
      yield* expectSame("what post answers", yield* post(node(t, n), id, `key ${n}`, text(n)), "Posted")
    }
  })

const mail = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ({
    number: from + i,
    payload: text(from + i),
    isOrder: false
  }))

/** A message made of mail. */
const made = (seq: number, number: number): StoredMessage => ({
  seq,
  payload: text(number),
  confirm: false,
  mail: number
})

const expectMail = (
  t: StoreBench,
  did: string,
  id: string,
  expected: unknown,
  generation = 1
): Effect.Effect<void, StoreUnavailable | Breach> =>
  Effect.flatMap(Effect.either(t.other.collect(id, generation, 0)), (found) =>
    expectSame(`the mail ${did}`, found._tag === "Right" ? found.right : found.left._tag, expected)
  )

const payloads = (messages: ReadonlyArray<{ readonly payload: Payload }>) => messages.map(({ payload }) => payload)

export const mailing = [
  law("post: mail is numbered from 1, in order, and stays until messages made of it are appended", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* expectMail(t, "of a new session", id, [])
      yield* postAll(t, id, 1, 3)
      yield* expectMail(t, "after 3 posts", id, mail(1, 3))
      yield* expectSame("the mail after number 2", yield* t.one.collect(id, 1, 2), mail(3, 3))
      yield* expectSame("the mail after number 3", yield* t.one.collect(id, 1, 3), [])
      yield* t.one.append(id, 1, [made(1, 1), made(2, 2)])
      yield* expectMail(t, "after an append of messages made of 1 and 2", id, mail(3, 3))
      yield* t.one.append(id, 1, [{ seq: 3, payload: text(0), confirm: false }])
      yield* expectMail(t, "after an append of a message that is made of none", id, mail(3, 3))
      yield* t.one.append(id, 1, [made(4, 3)])
      yield* expectMail(t, "after an append of a message made of 3", id, [])
      yield* postAll(t, id, 4, 4)
      yield* expectMail(t, "after one more post", id, mail(4, 4))
      const session = yield* t.attached("attach")
      yield* expectSame("the messages", payloads(session.outbound), [text(1), text(2), text(0), text(3)])
    })
  ),

  law("append: a message takes its mail and all before, and one that is there already takes none", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 4)
      yield* t.one.append(id, 1, [made(1, 2)])
      yield* expectMail(t, "after an append of a message made of 2", id, mail(3, 4))
      yield* t.one.append(id, 1, [made(1, 4)])
      yield* expectMail(t, "after one of the same message, made of 4", id, mail(3, 4))
    })
  ),

  law("append: one with mail that is tried again appends each message once, and leaves no mail behind", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 2)
      yield* t.one.append(id, 1, [made(1, 1)])
      yield* t.other.append(id, 1, [made(1, 1)])
      yield* t.one.append(id, 1, [made(1, 1), made(2, 2)])
      yield* postAll(t, id, 3, 3)
      yield* t.one.append(id, 1, [made(1, 1), made(2, 2)])
      const session = yield* t.attached("attach after appends of 1, 1, 1-2 and 1-2")
      yield* expectSame("sent", session.sent, 2)
      yield* expectSame("the messages", payloads(session.outbound), [text(1), text(2)])
      yield* expectSame("the mail", session.mail, mail(3, 3))
    })
  ),

  law("acknowledge: the mail that it drops, and all before, leaves the mailbox, which has room again", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 3)
      yield* t.one.acknowledge(id, 1, { acked: 0, processed: 0, mail: 2 })
      yield* expectMail(t, "after an acknowledge that drops 2", id, mail(3, 3))
      yield* t.other.acknowledge(id, 1, { acked: 0, processed: 0, mail: 1 })
      yield* t.other.acknowledge(id, 1, { acked: 0, processed: 0 })
      yield* expectMail(t, "after one that drops 1, and one that drops none", id, mail(3, 3))
      const two = { messages: 2, bytes: 100_000_000 }
      yield* expectSame("what post answers then", yield* post(t.one, id, "key 4", text(4), two), "Posted")
      yield* expectSame("what post answers to one more", yield* post(t.one, id, "key 5", text(5), two), "Full")
      yield* t.one.append(id, 1, [made(1, 3)])
      yield* expectMail(t, "after an append of a message made of 3", id, mail(4, 4))
      const session = yield* t.attached("attach")
      yield* expectSame("the messages", payloads(session.outbound), [text(3)])
    })
  ),

  law("append: mail is either appended or left, wherever an append of it is interrupted", (t) =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const id = yield* t.create({ id: t.id(`turns ${turns}`) })
        yield* postAll(t, id, 1, 3)
        yield* cutShort(t.one.append(id, 1, [made(1, 1), made(2, 2)]), turns)
        const session = yield* t.attached("attach", { id })
        const isDone = session.sent > 0
        yield* expectSame(
          "the messages and the mail",
          [payloads(session.outbound), session.mail],
          [isDone ? [text(1), text(2)] : [], isDone ? mail(3, 3) : mail(1, 3)]
        )
      }
    })
  ),

  law("append: an owner that was taken over takes no mail", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 2)
      const session = yield* t.attached("attach by another node")
      yield* expectSame("the mail that it is given", session.mail, mail(1, 2))
      const late = t.one.append(id, 1, [made(1, 2)])
      yield* expectFailure("an append of the owner before", late, { _tag: "Fenced", gone: false })
      yield* expectMail(t, "after it", id, mail(1, 2), 2)
    })
  ),

  law("attach: gives the mail that is left, which stays, attached or not", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 2)
      yield* t.one.detach(id, 1, t.millis(30))
      yield* postAll(t, id, 3, 3)
      yield* t.one.append(id, 1, [made(1, 1)])
      const session = yield* t.attached("attach, after 3 posts, of which 1 was appended")
      yield* expectSame("the mail", session.mail, mail(2, 3))
      yield* postAll(t, id, 4, 4)
      yield* expectSame("the mail that attach gave, after one more post", session.mail, mail(2, 3))
      const again = yield* t.attached("attach again", { nextSecretHash: "h3" })
      yield* expectSame("the mail", again.mail, mail(2, 4))
      yield* expectMail(t, "that collect gives", id, mail(2, 4), 3)
    })
  ),

  law("post: the same key again leaves nothing, also when its mail was taken; another key does", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const other = yield* t.create({ id: t.id("other") })
      yield* postAll(t, id, 1, 1)
      yield* expectSame("the same key again", yield* post(t.one, id, "key 1", text(1)), "Posted")
      yield* expectSame("and by another node", yield* post(t.other, id, "key 1", text(1)), "Posted")
      yield* expectMail(t, "after three posts of one key", id, mail(1, 1))
      yield* t.one.append(id, 1, [made(1, 1)])
      yield* expectSame("and when it was taken", yield* post(t.other, id, "key 1", text(1)), "Posted")
      yield* expectMail(t, "after that", id, [])
      yield* expectSame("another key, the same payload", yield* post(t.one, id, "key 2", text(1)), "Posted")
      yield* expectMail(t, "after that", id, [{ number: 2, payload: text(1), isOrder: false }])
      yield* expectSame("the first key, another session", yield* post(t.one, other, "key 1", text(1)), "Posted")
      yield* expectMail(t, "of the other session", other, mail(1, 1))
    })
  ),

  law("post: more than so many messages are Full, until some are taken", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const three = { messages: 3, bytes: roomy.bytes }
      const tried = (n: number) => post(node(t, n), id, `key ${n}`, text(n), three)
      for (const n of [1, 2, 3]) yield* expectSame(`post ${n} of 3`, yield* tried(n), "Posted")
      yield* expectSame("post 4 of 3", yield* tried(4), "Full")
      yield* expectSame("the key of one that is there", yield* tried(3), "Posted")
      yield* expectMail(t, "after them", id, mail(1, 3))
      yield* t.one.append(id, 1, [made(1, 1)])
      yield* expectSame("post 4 when 1 was taken", yield* tried(4), "Posted")
      yield* expectSame("post 5", yield* tried(5), "Full")
      yield* expectMail(t, "in the end", id, mail(2, 4))
      const none = { messages: 0, bytes: 0 }
      const empty = yield* t.create({ id: t.id("empty") })
      yield* expectSame("one where none fits", yield* post(t.one, empty, "key", text(1), none), "Posted")
      yield* expectSame("a second", yield* post(t.one, empty, "key 2", text(1), none), "Full")
    })
  ),

  law("post: more than so many bytes are Full, however they are written; one always fits", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      // 10, 12 and 8 bytes.
      const payloads = [JSON.stringify("漢é漢"), JSON.stringify("0123456789"), new Uint8Array(8)] as const
      const bounds = (bytes: number) => ({ messages: roomy.messages, bytes })
      yield* expectSame("10 bytes of 5", yield* post(t.one, id, "a", payloads[0], bounds(5)), "Posted")
      yield* expectSame("12 more of 21", yield* post(t.other, id, "b", payloads[1], bounds(21)), "Full")
      yield* expectSame("12 more of 22", yield* post(t.one, id, "b", payloads[1], bounds(22)), "Posted")
      yield* expectSame("8 more of 29", yield* post(t.one, id, "c", payloads[2], bounds(29)), "Full")
      yield* expectSame("8 more of 30", yield* post(t.other, id, "c", payloads[2], bounds(30)), "Posted")
      yield* t.one.append(id, 1, [made(1, 1)])
      yield* expectSame(
        "8 more of 27, when 10 were taken",
        yield* post(t.one, id, "d", payloads[2], bounds(27)),
        "Full"
      )
      yield* expectSame("8 more of 28", yield* post(t.one, id, "d", payloads[2], bounds(28)), "Posted")
    })
  ),

  law("post: to a session that never was, was removed, revoked or has expired, is Unknown", (t) =>
    Effect.gen(function* () {
      const removed = yield* t.create({ id: t.id("removed") })
      const ended = yield* t.create({ id: t.id("ended") })
      const revoked = yield* t.create({ id: t.id("revoked") })
      const expired = yield* t.create({ id: t.id("expired") })
      yield* postAll(t, removed, 1, 2)
      yield* t.one.remove(removed, 1)
      yield* t.one.remove(ended, 1, banned)
      yield* t.one.revoke({ session: revoked }, banned)
      yield* t.one.detach(expired, 1, t.millis(1))
      yield* t.pass(2)
      for (const id of [t.id("nobody"), removed, ended, revoked, expired]) {
        yield* expectSame(`a post to ${JSON.stringify(id)}`, yield* post(t.other, id, "key"), "Unknown")
      }
      yield* t.expectAnswer("attach of the one that never was", { _tag: "Unknown" }, { id: t.id("nobody") })
      yield* t.expectAnswer("attach of the one that was removed", { _tag: "Unknown" }, { id: removed })
    })
  ),

  law("post: payloads are kept as they are: text as text, bytes as bytes", (t) =>
    Effect.gen(function* () {
      const odd: ReadonlyArray<Payload> = [
        '{"text":"\\u0000 é 漢 😀 \\"quoted\\" \\n","n":1e21}',
        "12345678901234567890",
        " [1,\n2] ",
        new Uint8Array(0),
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array([0xc3, 0x28, 0xff, 0xfe, 0, 0x80]),
        // A view of a part, as a codec may make it.
        new Uint8Array([9, 8, 7, 6, 5]).subarray(1, 3),
        JSON.stringify("漢x".repeat(100_000))
      ]
      const id = yield* t.create()
      for (const [i, payload] of odd.entries()) yield* post(node(t, i), id, `odd ${i}`, payload)
      const expected = odd.map((payload, i) => ({ number: i + 1, payload, isOrder: false }))
      yield* expectMail(t, "that collect gives", id, expected)
      const session = yield* t.attached("attach")
      yield* expectSame("the mail that attach gives", session.mail, expected)
    })
  ),

  law("collect: is for the owner alone", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* postAll(t, id, 1, 1)
      yield* t.attached("attach")
      const fenced = (generation: number, gone: boolean) => ({ _tag: "Fenced", id, generation, gone })
      yield* expectFailure("collect of generation 1 of 2", t.one.collect(id, 1, 0), fenced(1, false))
      yield* expectFailure("collect of generation 3 of 2", t.other.collect(id, 3, 0), fenced(3, true))
      yield* expectMail(t, "of generation 2", id, mail(1, 1), 2)
      yield* t.other.remove(id, 2, banned)
      yield* expectFailure("collect of what is gone", t.other.collect(id, 2, 0), fenced(2, true))
    })
  ),

  law("post: of many at once from two nodes each is numbered, without a gap, in the order of each sender", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        const rows = 3
        const row = (i: number) =>
          Effect.forEach(Array.from({ length: rows }), (_, n) => post(node(t, i), id, `${i}.${n}`), { discard: true })
        yield* all(numbers.map(row))
        const found = yield* t.one.collect(id, 1, 0)
        yield* expectSame(
          `the numbers of ${rows * many} posts at once`,
          found.map(({ number }) => number),
          Array.from({ length: rows * many }, (_, i) => i + 1)
        )
        for (const i of numbers) {
          const own = payloads(found).filter((payload) => String(JSON.parse(String(payload))).split(".")[0] === `${i}`)
          const sent = Array.from({ length: rows }, (_, n) => JSON.stringify(`${i}.${n}`))
          yield* expectSame(`what sender ${i} posted`, own, sent)
        }
      })
    )
  ),

  law("post: of the same key many times at once is left once, and of a mailbox for some as many as fit", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        yield* all(numbers.map((i) => post(node(t, i), id, "key", text(1))))
        yield* expectMail(t, `after ${many} posts of one key at once`, id, mail(1, 1))
        const five = { messages: 5, bytes: roomy.bytes }
        const answers = yield* all(numbers.map((i) => post(node(t, i), id, `key ${i}`, text(i), five)))
        const posted = answers.filter((answer) => answer === "Posted").length
        yield* expectSame(`how many of ${many} were posted where 4 fit`, posted, 4)
        yield* expectSame("how many are there", (yield* t.one.collect(id, 1, 0)).length, 5)
      })
    )
  ),

  law("post: what is posted while a session is taken over is for the next owner, once", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const id = yield* t.create({ id: t.id(`round ${round}`) })
        yield* postAll(t, id, 1, 1)
        const posting = all(numbers.map((i) => post(node(t, i), id, `${i}`)))
        const taking = Effect.ignore(t.one.append(id, 1, [made(1, 1)]))
        const [, , session] = yield* Effect.all([posting, taking, t.attached("attach", { id })], {
          concurrency: "unbounded"
        })
        const later = yield* t.other.collect(id, 2, session.mail.at(-1)?.number ?? 0)
        const found = [...payloads(session.outbound), ...payloads(session.mail), ...payloads(later)]
        yield* expectThat(
          "messages and mail, after a post of each",
          found.length === many + 1 && new Set(found).size === many + 1,
          `${many + 1}, each once`,
          found
        )
      })
    )
  )
]
