/** Laws of `append` and `acknowledge`: which messages are kept, and as what. */
import * as Effect from "effect/Effect"
import type { StoredMessage } from "../../../session/SessionStore.js"
import { expectSame } from "../expect.js"
import { law, messages } from "./storeBench.js"

const text = (seq: number, payload: string | Uint8Array, confirm = false): StoredMessage => ({ seq, payload, confirm })

const refused = (...seqs: ReadonlyArray<number>) =>
  seqs.map((seq) => ({ seq, code: `code "${seq}"`, reason: `nein, ${seq}: 漢` }))

export const progress = [
  law("acknowledge: what was refused is kept with the session, once and in order, the latest of it", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const note = (processed: number, most: number, ...seqs: ReadonlyArray<number>) =>
        t.one.acknowledge(id, 1, { acked: 0, processed, refused: { messages: refused(...seqs), most } })
      yield* note(3, 10, 1, 3)
      const first = yield* t.attached("attach after 1 and 3 of 3 were refused", { nextSecretHash: "h1" })
      yield* expectSame("what was refused", first.refused, refused(1, 3))
      yield* t.one.acknowledge(id, first.generation, {
        acked: 0,
        processed: 5,
        refused: { messages: refused(3, 5), most: 10 }
      })
      yield* t.one.acknowledge(id, first.generation, { acked: 0, processed: 6 })
      const second = yield* t.attached("attach after 3 and 5 of 5 were said to be refused", { nextSecretHash: "h1" })
      yield* expectSame("what was refused, 3 of it twice", second.refused, refused(1, 3, 5))
      yield* t.other.acknowledge(id, second.generation, {
        acked: 0,
        processed: 9,
        refused: { messages: refused(7, 9), most: 2 }
      })
      const third = yield* t.attached("attach after 7 and 9 of 9 were refused, of which 2 in all are kept")
      yield* expectSame("what was refused", third.refused, refused(7, 9))
      yield* t.expectFenced("of what was refused, by one that was taken over", t.one, id, 1, false)
    })
  ),

  law("acknowledge: invitations are those that were noted last, and go with the session", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const one = { topic: 'rooms/"a"', since: "oldest" } as const
      const other = { topic: "rooms/b", since: { epoch: "e\n1", offset: 7 } }
      const note = (generation: number, ...invitations: ReadonlyArray<typeof one | typeof other>) =>
        t.one.acknowledge(id, generation, { acked: 0, processed: 0, invitations })
      const none = yield* t.attached("attach of one that was invited to nothing", { nextSecretHash: "h1" })
      yield* expectSame("the invitations", none.invitations, [])
      yield* note(none.generation, one)
      yield* note(none.generation, one, other)
      yield* t.other.acknowledge(id, none.generation, { acked: 0, processed: 1 })
      const two = yield* t.attached("attach of one that was invited to two topics", { nextSecretHash: "h1" })
      yield* expectSame("the invitations", two.invitations, [one, other])
      yield* t.expectFenced("of invitations, by one that was taken over", t.one, id, none.generation, false)
      yield* note(two.generation)
      const over = yield* t.attached("attach of one whose invitations are over")
      yield* expectSame("the invitations", over.invitations, [])
    })
  ),

  law("append: one that is tried again is appended once, wherever the two overlap", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 2))
      yield* t.other.append(id, 1, messages(1, 2))
      yield* t.one.append(id, 1, messages(1, 3))
      yield* t.other.append(id, 1, messages(2, 5))
      yield* t.one.append(id, 1, messages(2, 2))
      const session = yield* t.attached("attach after appends of 1-2, 1-2, 1-3, 2-5 and 2")
      yield* expectSame("sent", session.sent, 5)
      yield* expectSame("the messages", session.outbound, messages(1, 5))
    })
  ),

  law("append: what it has already is ignored, not replaced", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 2))
      yield* t.one.append(id, 1, messages(1, 3, "again "))
      const session = yield* t.attached("attach after appends of 1-2, and of 1-3 with other payloads")
      yield* expectSame("the messages", session.outbound, [...messages(1, 2), ...messages(3, 3, "again ")])
    })
  ),

  law("append: one that is tried again does not bring back what was acknowledged since", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 3))
      yield* t.one.acknowledge(id, 1, { acked: 2, processed: 0 })
      yield* t.other.append(id, 1, messages(1, 4))
      yield* t.one.acknowledge(id, 1, { acked: 3, processed: 0 })
      const session = yield* t.attached("attach after an append of 1-3, an acknowledge of 3, and an append of 1-4")
      yield* expectSame("sent and acked", [session.sent, session.acked], [4, 3])
      yield* expectSame("the messages", session.outbound, messages(4, 4))
    })
  ),

  law("append: no messages change nothing", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, [])
      yield* t.one.append(id, 1, messages(1, 1))
      yield* t.one.append(id, 1, [])
      const session = yield* t.attached("attach")
      yield* expectSame("sent and messages", [session.sent, session.outbound], [1, messages(1, 1)])
    })
  ),

  law("append: payloads and flags are kept as they are: text as text, bytes as bytes", (t) =>
    Effect.gen(function* () {
      const stored = [
        text(1, '{"text":"\\u0000 é 漢 😀 \\"quoted\\" \\n","n":1e21}', true),
        text(2, '"é, and \u2028, and 👩‍👩‍👧"'),
        text(3, " [1,\n2] "),
        text(4, "12345678901234567890"),
        text(5, new Uint8Array(0)),
        text(
          6,
          Uint8Array.from({ length: 256 }, (_, i) => i),
          true
        ),
        text(7, new Uint8Array([0xc3, 0x28, 0xff, 0xfe, 0, 0x80])),
        // A view of a part, as a codec may make it.
        text(8, new Uint8Array([9, 8, 7, 6, 5]).subarray(1, 3))
      ]
      const id = yield* t.create()
      yield* t.one.append(id, 1, stored.slice(0, 3))
      yield* t.one.append(id, 1, stored.slice(3))
      const session = yield* t.attached("attach")
      yield* expectSame("the messages", session.outbound, stored)
    })
  ),

  law("append: large payloads are kept whole", (t) =>
    Effect.gen(function* () {
      const stored = [
        text(1, JSON.stringify("漢x".repeat(500_000))),
        text(
          2,
          Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i * 31)
        )
      ]
      const id = yield* t.create()
      yield* t.one.append(id, 1, stored)
      const session = yield* t.attached("attach after an append of 3 MB of text and 1 MiB of bytes")
      yield* expectSame("the messages", session.outbound, stored)
    })
  ),

  law("append: a thousand messages stay in their order, at once and one by one", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 900))
      for (let seq = 901; seq <= 1000; seq++) yield* t.one.append(id, 1, messages(seq, seq))
      yield* t.one.acknowledge(id, 1, { acked: 99, processed: 0 })
      const session = yield* t.attached("attach after 1000 messages, of which 99 were acknowledged")
      yield* expectSame("sent and acked", [session.sent, session.acked], [1000, 99])
      yield* expectSame("the messages", session.outbound, messages(100, 1000))
    })
  ),

  law("acknowledge: releases what the client has processed, and nothing else", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 5))
      yield* t.one.acknowledge(id, 1, { acked: 0, processed: 3 })
      const first = yield* t.attached("attach after an acknowledge of 0 of 5 messages")
      yield* expectSame("acked and processed", [first.acked, first.processed], [0, 3])
      yield* expectSame("the messages", first.outbound, messages(1, 5))
      yield* t.other.acknowledge(id, 2, { acked: 3, processed: 3 })
      const second = yield* t.attached("attach after an acknowledge of 3", { nextSecretHash: "h3" })
      yield* expectSame("the messages", second.outbound, messages(4, 5))
      yield* t.other.acknowledge(id, 3, { acked: 5, processed: 3 })
      yield* t.other.append(id, 3, messages(6, 6))
      const third = yield* t.attached("attach after an acknowledge of all 5 and an append of 6", {
        nextSecretHash: "h4"
      })
      yield* expectSame("sent and acked", [third.sent, third.acked], [6, 5])
      yield* expectSame("the messages", third.outbound, messages(6, 6))
    })
  ),

  law("acknowledge: neither number goes back, whatever the other does", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 3))
      yield* t.one.acknowledge(id, 1, { acked: 2, processed: 5 })
      yield* t.one.acknowledge(id, 1, { acked: 1, processed: 4 })
      yield* t.one.acknowledge(id, 1, { acked: 0, processed: 6 })
      yield* t.other.acknowledge(id, 1, { acked: 3, processed: 1 })
      const session = yield* t.attached("attach after acknowledges of 2/5, 1/4, 0/6 and 3/1")
      yield* expectSame("acked and processed", [session.acked, session.processed], [3, 6])
      yield* expectSame("the messages", session.outbound, [])
    })
  )
]
