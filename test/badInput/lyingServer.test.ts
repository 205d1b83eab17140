/** What a server says of topics that cannot be: the client's typed reason, in its status or in the stream. */

import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Schema, Stream } from "effect"
import { type Client, Codec, Topic } from "holdfast"
import { welcome } from "../support/welcome.js"
import { assertClosedWith, assertVerdict, type Caller, makeClient, outcome } from "./fakeServer.js"
import { codecs, type Said, soon, type Text, until } from "./support.js"

type TestClient = Client.Client<Text, Text>

const Any = Topic.make("any/:name", Schema.Unknown)
const topic = Any.at({ name: "a" })
const { name } = topic
const epoch = "e1"
const at = (offset: unknown, inEpoch: unknown = epoch) => ({ epoch: inEpoch, offset })

const subscribed = (fields: object = {}) => ({
  type: "subscribed",
  topic: name,
  position: at(0),
  recovered: true,
  policy: "disconnect",
  ...fields
})
const publication = (offset: unknown, fields: object = {}) => ({
  type: "publication",
  topic: name,
  position: at(offset),
  body: offset,
  ...fields
})

/** Answers the client's requests; `said` has all of them. */
const serving =
  (react: (message: Said, caller: Caller) => void, said: Array<Said> = []) =>
  (caller: Caller) => {
    caller.say({ ...welcome, generation: caller.visit, resumed: caller.visit > 1, keyWindow: 300_000 })
    caller.hears((message) => {
      if (message.type === "ack") return
      said.push(message)
      react(message, caller)
    })
  }

/** Says these when it is asked to subscribe: functions get the request. */
const tells = (...lies: ReadonlyArray<object | ((request: Said) => object)>) =>
  serving((request, { say }) => {
    if (request.type !== "subscribe") return
    for (const lie of lies) say(typeof lie === "function" ? lie(request) : lie)
  })

const granted =
  (fields: object = {}) =>
  ({ id }: Said) =>
    subscribed({ id, ...fields })

const offsets = (client: TestClient, count: number, since?: { readonly epoch: string; readonly offset: number }) =>
  soon(
    `${count} publications`,
    client.subscribe(topic, { since }).pipe(
      Stream.take(count),
      Stream.runCollect,
      Effect.map((chunk) => [...chunk].map(({ position, skipped }) => [position.epoch, position.offset, skipped]))
    )
  )

// ---- lies that end the client

const since = at(7) as { readonly epoch: string; readonly offset: number }

interface Lie {
  readonly what: string
  readonly answer: (caller: Caller) => void
  readonly reason: string | RegExp
}

const badOffsets = [undefined, null, "1", -1, 0.5, 2 ** 53, 1e300, true]

const lies: ReadonlyArray<Lie> = [
  {
    what: "a publication of another epoch",
    answer: tells(granted({ position: at(7) }), publication(8, { position: at(8, "e2") })),
    reason: "publication of any/a: of the epoch e2, and e1 was subscribed to"
  },
  {
    what: "a gap where nothing is skipped",
    answer: tells(granted({ position: at(7) }), publication(9)),
    reason: "publication of any/a: 9 came, 8 was expected"
  },
  {
    what: "a gap later",
    answer: tells(granted({ position: at(7) }), publication(8), publication(Number.MAX_SAFE_INTEGER)),
    reason: "publication of any/a: 9007199254740991 came, 9 was expected"
  },
  ...[0, ...badOffsets].map(
    (offset): Lie => ({
      what: `a publication at ${offset}`,
      answer: tells(granted({ position: at(7) }), publication(offset, { body: 1 })),
      reason: "publication: position is not one"
    })
  ),
  ...[undefined, null, 8, "8", { offset: 8 }, { epoch: 1, offset: 8 }].map(
    (position): Lie => ({
      what: `a publication at ${JSON.stringify(position)}`,
      answer: tells(granted({ position: at(7) }), publication(8, { position })),
      reason: "publication: position is not one"
    })
  ),
  {
    what: "a publication of no topic",
    answer: tells(granted({ position: at(7) }), publication(8, { topic: undefined })),
    reason: "publication: topic is not a string"
  },
  ...badOffsets.map(
    (offset): Lie => ({
      what: `subscribed at ${offset}`,
      answer: tells(granted({ position: at(offset) })),
      reason: /^subscribed: position\.offset: /
    })
  ),
  ...["", "e".repeat(129), 1].map(
    (inEpoch): Lie => ({
      what: `subscribed in the epoch ${String(inEpoch).slice(0, 5)}`,
      answer: tells(granted({ position: at(7, inEpoch) })),
      reason: /^subscribed: position\.epoch: /
    })
  ),
  {
    what: "subscribed without a position",
    answer: tells(granted({ position: undefined })),
    reason: /^subscribed: position: /
  },
  {
    what: "subscribed with an unknown policy",
    answer: tells(granted({ policy: "all" })),
    reason: /^subscribed: policy: /
  },
  {
    what: "subscribed with an unknown reason",
    answer: tells(granted({ reason: "x" })),
    reason: /^subscribed: reason: /
  },
  {
    what: "subscribed that is perhaps recovered",
    answer: tells(granted({ recovered: 1 })),
    reason: /^subscribed: recovered: /
  },
  {
    what: "subscribed with members that are none",
    answer: tells(granted({ members: ["ann"] })),
    reason: /^subscribed: members/
  },
  { what: "subscribed with the id 0", answer: tells(subscribed({ id: 0 })), reason: /^subscribed: id: / },
  {
    what: "recovered in another epoch",
    answer: tells(granted({ position: at(7, "e2") })),
    reason: "subscribed to any/a: recovered, but 7 of the epoch e2 is not 7 of e1"
  },
  {
    what: "recovered, and further on",
    answer: tells(granted({ position: at(8) })),
    reason: "subscribed to any/a: recovered, but 8 of the epoch e1 is not 7 of e1"
  },
  {
    what: "recovered, and further back",
    answer: tells(granted({ position: at(3) })),
    reason: "subscribed to any/a: recovered, but 3 of the epoch e1 is not 7 of e1"
  },
  {
    what: "recovered further on where publications may be skipped",
    answer: tells(granted({ position: at(8), policy: "latest" })),
    reason: "subscribed to any/a: recovered, but 8 of the epoch e1 is not 7 of e1"
  },
  {
    what: "a new start that is said to be recovered, further on",
    answer: tells(granted({ position: at(7) }), publication(8), subscribed({ position: at(12) })),
    reason: "subscribed to any/a: recovered, but 12 of the epoch e1 is not 8 of e1"
  },
  {
    what: "published without a position",
    answer: tells({ type: "published", id: 1 }),
    reason: /^published: position: /
  },
  {
    what: "published without an id",
    answer: tells({ type: "published", position: at(1) }),
    reason: /^published: id: /
  },
  { what: "unsubscribed from nothing", answer: tells({ type: "unsubscribed" }), reason: /^unsubscribed: topic: / },
  {
    what: "an error of the request 0",
    answer: tells({ type: "error", id: 0, code: "x", reason: "x" }),
    reason: /^error: id: /
  },
  ...["", "a b", "a#b", "#presence", "x".repeat(256), "a//b", "é", "\ud800"].map(
    (invited): Lie => ({
      what: `an invitation to ${JSON.stringify(invited).slice(0, 20)}`,
      answer: tells({ type: "invite", topic: invited }),
      reason: /^invite: .*topic's name/
    })
  ),
  {
    what: "an invitation from nowhere",
    answer: tells({ type: "invite", topic: "any/b", since: at(-1) }),
    reason: /^invite: since/
  },
  {
    what: "endless invitations",
    answer: serving((request, { say }) => {
      if (request["topic"] !== name) return
      for (let n = 0; n < 1000; n++) say({ type: "invite", topic: `any/${n}b` })
    }),
    reason: "invite: more than 100 topics that nobody reads"
  },
  ...["subscribe", "unsubscribe", "publish"].map(
    (type): Lie => ({
      what: `a server's ${type}`,
      answer: tells({ type, id: 1, topic: name, body: 1 }),
      reason: `${type} is not for a client`
    })
  )
]

describe("a server that lies about topics is closed with 4400, and the client stops:", () => {
  for (const { answer, reason, what } of lies) {
    for (const codec of codecs) {
      it.scopedLive(`${what} (${codec})`, () =>
        Effect.gen(function* () {
          const { client, codes } = yield* makeClient(answer, { codec: Codec[codec] })
          const reading = yield* Effect.fork(Stream.runDrain(client.subscribe(topic, { since })))
          const publishing = yield* Effect.fork(Effect.flip(client.publish(topic, 1)))
          const end = assertVerdict(yield* outcome(client), "Stop", "Refused")
          if (end._tag !== "PeerViolation") throw new Error(`ended by ${end._tag}`)
          if (typeof reason === "string") assert.strictEqual(end.reason, reason)
          else assert.match(end.reason, reason)
          yield* assertClosedWith(codes, 4400)
          // Nobody waits for ever: the stream has completed, and what was published has its fate.
          yield* soon("the stream's end", Fiber.join(reading))
          assert.include(["OutcomeUnknown", "NotSent"], (yield* soon("its fate", Fiber.join(publishing)))._tag)
        })
      )
    }
  }
})

// ---- lies that say nothing

const ignored: ReadonlyArray<readonly [what: string, ...lies: ReadonlyArray<object | ((request: Said) => object)>]> = [
  ["a publication before subscribed", publication(1), publication(5, { position: at(5, "e2") }), granted()],
  ["a publication again", granted(), publication(1), publication(1), publication(1, { body: "another" })],
  ["publications from long before", granted(), publication(1), publication(2), publication(1), publication(2)],
  ["a publication of a topic that nobody reads", granted(), publication(3, { topic: "any/b" })],
  ["a publication of no topic that there is", granted(), publication(3, { topic: "a b" })],
  ["a publication of __proto__", granted(), publication(3, { topic: "__proto__" })],
  ["subscribed that nobody asked for", subscribed({ topic: "any/b", id: 77 }), granted()],
  [
    "subscribed without an id, before it was asked for",
    subscribed({ topic: "any/b" }),
    subscribed({ position: at(9) }),
    granted()
  ],
  ["subscribed of a stale id", subscribed({ id: 77, position: at(9) }), granted()],
  ["subscribed twice", granted(), granted({ position: at(9) }), granted({ recovered: false, reason: "epoch" })],
  ["subscribed of another topic", granted({ topic: "any/b" }), granted()],
  ["unsubscribed that nobody asked for", granted(), { type: "unsubscribed", topic: name, id: 77 }],
  ["unsubscribed from a topic that nobody reads", { type: "unsubscribed", topic: "any/b", reason: "x" }, granted()],
  ["published that nobody asked for", { type: "published", id: 77, position: at(1) }, granted()],
  ["published in answer to a subscription", ({ id }) => ({ type: "published", id, position: at(1) }), granted()],
  ["an error of nothing", { type: "error", id: 77, code: "failed", reason: "x" }, granted()],
  ["an error of what is granted", granted(), ({ id }) => ({ type: "error", id, code: "failed", reason: "x" })],
  ["an invitation to what is read", { type: "invite", topic: name, since: at(9) }, granted()]
]

describe("what a server says to nobody is ignored, and the stream goes on:", () => {
  for (const [what, ...all] of ignored) {
    for (const codec of codecs) {
      it.scopedLive(`${what} (${codec})`, () =>
        Effect.gen(function* () {
          const { client } = yield* makeClient(tells(...all, publication(1), publication(2), publication(3)), {
            codec: Codec[codec]
          })
          assert.deepStrictEqual(yield* offsets(client, 3), [
            [epoch, 1, 0],
            [epoch, 2, 0],
            [epoch, 3, 0]
          ])
          assert.strictEqual((yield* client.status)._tag, "Ready")
        })
      )
    }
  }
})

describe("where publications may be skipped", () => {
  for (const policy of ["dropOldest", "latest"]) {
    it.scopedLive(`a gap is no lie, and is told as skipped (${policy})`, () =>
      Effect.gen(function* () {
        const answer = serving(({ id, type }, { say }) => {
          if (type !== "subscribe") return
          say(subscribed({ id, policy, position: at(7) }))
          say(publication(10))
          say(publication(9))
          setTimeout(() => say(publication(100)), 50)
        })
        const { client } = yield* makeClient(answer)
        assert.deepStrictEqual(yield* offsets(client, 2, since), [
          [epoch, 10, 2],
          [epoch, 100, 89]
        ])
      })
    )

    for (const reason of ["epoch", "ahead", "expired", undefined]) {
      it.scopedLive(`what is not recovered (${reason}) goes on where the server says (${policy})`, () =>
        Effect.gen(function* () {
          const fields = {
            policy,
            recovered: false,
            position: at(3, "e2"),
            ...(reason === undefined ? {} : { reason })
          }
          const { client } = yield* makeClient(tells(granted(fields), publication(4, { position: at(4, "e2") })))
          assert.deepStrictEqual(yield* offsets(client, 1, since), [["e2", 4, 0]])
        })
      )
    }
  }
})

// ---- what fails the stream

const failure = (client: TestClient, from = since) =>
  soon("the stream to fail", Effect.flip(Stream.runDrain(client.subscribe(topic, { since: from }))))

describe("what is not recovered fails the stream, and the client goes on:", () => {
  for (const codec of codecs) {
    for (const reason of ["epoch", "ahead", "expired", undefined] as const) {
      it.scopedLive(`${reason} (${codec})`, () =>
        Effect.gen(function* () {
          const said: Array<Said> = []
          const answer = serving(({ id, type }, { say }) => {
            const lost = { recovered: false, position: at(3, "e2"), ...(reason === undefined ? {} : { reason }) }
            if (type === "subscribe") say(subscribed({ id, ...lost }))
          }, said)
          const { client } = yield* makeClient(answer, { codec: Codec[codec] })
          const error = yield* failure(client)
          if (error._tag !== "PositionLost") throw new Error(error._tag)
          const { position, since: from, topic: of } = error
          const expected = { reason: reason ?? "expired", since, topic: name, position: at(3, "e2") }
          assert.deepStrictEqual<unknown>({ reason: error.reason, since: from, topic: of, position }, expected)
          assert.strictEqual((yield* client.status)._tag, "Ready")
          // The server believes that it is subscribed.
          yield* until(
            "unsubscribe",
            Effect.sync(() => said.at(-1)),
            (last) => last?.type === "unsubscribe"
          )
        })
      )
    }
  }

  it.scopedLive("a new start after some publications: those come first", () =>
    Effect.gen(function* () {
      const lost = subscribed({ recovered: false, reason: "expired", position: at(20) })
      const { client } = yield* makeClient(tells(granted({ position: at(7) }), publication(8), lost, publication(21)))
      const seen: Array<number> = []
      const reading = Stream.runForEach(client.subscribe(topic, { since }), ({ position }) =>
        Effect.sync(() => void seen.push(position.offset))
      )
      const error = yield* soon("the stream to fail", Effect.flip(reading))
      if (error._tag !== "PositionLost") throw new Error(error._tag)
      assert.deepStrictEqual(error.since, { epoch, offset: 8 })
      assert.deepStrictEqual(seen, [8])
    })
  )

  for (const code of [
    "malformed-topic",
    "unknown-topic",
    "not-allowed",
    "too-many-subscriptions",
    "failed",
    "nobody knows"
  ]) {
    it.scopedLive(`an error, ${code}`, () =>
      Effect.gen(function* () {
        const { client } = yield* makeClient(tells(({ id }) => ({ type: "error", id, code, reason: "words" })))
        assert.deepInclude(yield* failure(client), { _tag: "TopicRefused", topic: name, code, reason: "words" })
        assert.strictEqual((yield* client.status)._tag, "Ready")
      })
    )
  }

  for (const reason of ["words", undefined]) {
    it.scopedLive(`the server's end of the subscription (${reason})`, () =>
      Effect.gen(function* () {
        const end = { type: "unsubscribed", topic: name, ...(reason === undefined ? {} : { reason }) }
        const { client } = yield* makeClient(tells(granted({ position: at(7) }), end))
        assert.deepInclude(yield* failure(client), {
          _tag: "TopicRefused",
          code: "unsubscribed",
          reason: reason ?? "the server ended the subscription"
        })
        assert.strictEqual((yield* client.status)._tag, "Ready")
      })
    )
  }
})

// ---- publications of the client

describe("a publication", () => {
  it.scopedLive("has the answer with its id alone", () =>
    Effect.gen(function* () {
      const answer = serving(({ id, type }, { say }) => {
        if (type !== "publish") return
        say({ type: "published", id: Number(id) + 1, position: at(8) })
        say({ type: "published", id, position: at(9) })
        say({ type: "published", id, position: at(10) })
        say({ type: "error", id, code: "failed", reason: "x" })
      })
      const { client } = yield* makeClient(answer)
      assert.deepStrictEqual<unknown>(yield* soon("its position", client.publish(topic, 1)), at(9))
      assert.deepStrictEqual<unknown>(yield* soon("its position", client.publish(topic, 1)), at(9))
    })
  )

  for (const code of ["key-reused", "too-large", "invalid-publication", "nobody knows"]) {
    it.scopedLive(`fails with what refused it: ${code}`, () =>
      Effect.gen(function* () {
        const answer = serving(({ id, type }, { say }) => {
          if (type === "publish") say({ type: "error", id, code, reason: "words" })
        })
        const { client } = yield* makeClient(answer)
        const error = yield* soon("its fate", Effect.flip(client.publish(topic, 1)))
        assert.deepInclude(error, { _tag: "TopicRefused", topic: name, code, reason: "words" })
      })
    )
  }
})

// ---- silence

const isRunning = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isNone)

describe("a server that never answers", () => {
  it.scopedLive("holds up nothing but what waits for it: the client closes in time, and tells the fates", () =>
    Effect.gen(function* () {
      const said: Array<Said> = []
      const { client } = yield* makeClient(
        serving(() => {}, said),
        { closeTimeout: "200 millis" }
      )
      const reading = yield* Effect.fork(Stream.runDrain(client.subscribe(topic)))
      const present = yield* Effect.fork(Stream.runDrain(client.presence(topic)))
      const publishing = yield* Effect.fork(Effect.flip(client.publish(topic, 1)))
      yield* until(
        "the requests",
        Effect.sync(() => said.length),
        (count) => count === 3
      )
      yield* Effect.sleep(50)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.isTrue(yield* isRunning(reading))
      assert.isTrue(yield* isRunning(present))
      assert.isTrue(yield* isRunning(publishing))
      yield* soon("the close", client.close)
      yield* soon("the streams' end", Effect.zip(Fiber.join(reading), Fiber.join(present)))
      assert.strictEqual((yield* soon("its fate", Fiber.join(publishing)))._tag, "OutcomeUnknown")
    })
  )

  it.scopedLive("and whoever has gone meanwhile can come back", () =>
    Effect.gen(function* () {
      let asked = 0
      const answer = serving(({ id, type }, { say }) => {
        if (type !== "subscribe" || ++asked === 1) return
        say(subscribed({ id }))
        say(publication(1))
      })
      const { client } = yield* makeClient(answer)
      yield* client.ready
      const waited = yield* Effect.exit(Effect.timeout(Stream.runDrain(client.subscribe(topic)), "50 millis"))
      assert.isTrue(Exit.isFailure(waited))
      assert.deepStrictEqual(yield* offsets(client, 1), [[epoch, 1, 0]])
    })
  )
})

// ---- the server's wishes

describe("an invitation", () => {
  it.scopedLive("leaves room for the topics that are read: those are the client's own", () =>
    Effect.gen(function* () {
      const answer = serving(({ id, topic, type }, { say }) => {
        if (type !== "subscribe") return
        say({ ...subscribed({ id }), topic })
        if (topic === "any/2") for (const invited of ["any/x", "any/y"]) say({ type: "invite", topic: invited })
      })
      const { client } = yield* makeClient(answer, { maxSubscriptions: 2 })
      const read = (at: string) => Effect.fork(Stream.runDrain(client.subscribe(Any.at({ name: at }))))
      const invited = yield* Effect.fork(Stream.runCollect(Stream.take(client.events, 2)))
      yield* client.ready
      yield* Effect.forEach(["0", "1", "2"], read)
      const events = [...(yield* soon("two invitations", Fiber.join(invited)))]
      assert.deepStrictEqual<unknown>(events, [
        { _tag: "Invited", topic: "any/x" },
        { _tag: "Invited", topic: "any/y" }
      ])
      assert.strictEqual((yield* client.status)._tag, "Ready")
    })
  )

  it.scopedLive("that is taken back at once, for ever, leaves nothing behind", () =>
    Effect.gen(function* () {
      const said: Array<Said> = []
      const answer = serving(({ id, topic, type }, { say }) => {
        // Unanswered, the client would ask for no more at once than the limits allow.
        if (type === "subscribe") say({ type: "error", code: "not-allowed", reason: "no", id })
        if (type === "unsubscribe") say({ type: "unsubscribed", topic, id })
        if (type !== "publish") return
        for (let n = 0; n < 1000; n++) {
          say({ type: "invite", topic: `any/${n}` })
          say({ type: "unsubscribed", topic: `any/${n}` })
        }
      }, said)
      const { client } = yield* makeClient(answer)
      yield* Effect.fork(client.publish(topic, 1))
      yield* until(
        "all of them",
        Effect.sync(() => said.length),
        (count) => count >= 1001
      )
      assert.strictEqual((yield* client.status)._tag, "Ready")
    })
  )
})

// ---- what this end refuses before it is said

describe("what the server would close the client for is refused before it is sent:", () => {
  for (const key of ["", "k".repeat(129)]) {
    it.scopedLive(`a key of ${key.length} characters`, () =>
      Effect.gen(function* () {
        const said: Array<Said> = []
        const { client } = yield* makeClient(serving(() => {}, said))
        yield* client.ready
        const error = yield* soon("the refusal", Effect.flip(client.publish(topic, 1, { key })))
        assert.deepInclude(error, {
          _tag: "TopicRefused",
          code: "malformed-key",
          reason: "a key has 1 to 128 characters"
        })
        assert.deepStrictEqual(said, [])
      })
    )
  }

  for (const from of [at(-1), at(0.5), at(2 ** 53), at(1, ""), at(1, "e".repeat(129))]) {
    it.scopedLive(`a position ${JSON.stringify(from).slice(0, 40)}`, () =>
      Effect.gen(function* () {
        const said: Array<Said> = []
        const { client } = yield* makeClient(serving(() => {}, said))
        yield* client.ready
        const error = yield* failure(client, from as typeof since)
        assert.deepInclude(error, { _tag: "TopicRefused", code: "malformed-position" })
        assert.deepStrictEqual(said, [])
      })
    )
  }

  for (const bad of ["", "a b", "a#b", "x".repeat(256), "é"]) {
    it.scopedLive(`a topic ${JSON.stringify(bad).slice(0, 20)}`, () =>
      Effect.gen(function* () {
        const said: Array<Said> = []
        const { client } = yield* makeClient(serving(() => {}, said))
        yield* client.ready
        const ref = { name: bad, schema: Schema.Unknown }
        const refused = { _tag: "TopicRefused", code: "malformed-topic" } as const
        assert.deepInclude(yield* Effect.flip(Stream.runDrain(client.subscribe(ref))), refused)
        assert.deepInclude(yield* Effect.flip(Stream.runDrain(client.presence(ref))), refused)
        assert.deepInclude(yield* Effect.flip(client.publish(ref, 1)), refused)
        assert.deepStrictEqual(said, [])
      })
    )
  }
})
