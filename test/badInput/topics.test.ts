/** Requests about topics that cannot be granted: each is answered as PROTOCOL.md §9 says, and the session goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as plain from "./support.js"
import { codecs, connect, join, type Peer, type Said } from "./support.js"
import { Any, ask, makeBystander, makeGateway, type Request, unharmed } from "./topicGateway.js"

// ---- names

const longest = `any/${"x".repeat(251)}`

const malformed: ReadonlyArray<readonly [what: string, name: string]> = [
  ["empty", ""],
  ["of 256 characters", `${longest}x`],
  ["of 900,000 characters", "x".repeat(900_000)],
  ["with a space", "rooms/a b"],
  ["of a space", " "],
  ["with a tab", "rooms/\t"],
  ["with a line break", "rooms/a\nb"],
  ["with NUL", "rooms/\u0000"],
  ["with DEL", "rooms/\u007f"],
  ["with #", "rooms/a#b"],
  ["of #", "#"],
  ["with # at its end", "rooms/a#"],
  ["of #presence alone", "#presence"],
  ["with #presence twice", "rooms/a#presence#presence"],
  ["with #presence in its midst", "rooms/a#presence/b"],
  ["with an empty segment first", "/rooms/a"],
  ["with an empty segment in its midst", "rooms//a"],
  ["with an empty segment last", "rooms/"],
  ["of two empty segments", "/"],
  ["beyond ASCII", "rooms/é"],
  ["with an emoji", "rooms/👋"],
  ["with a lone surrogate", "rooms/\ud800"],
  ["too long, with #presence", `${longest}x#presence`]
]

const unknown: ReadonlyArray<readonly [what: string, name: string]> = [
  ["nobody has heard of", "nowhere"],
  ["of another length", "rooms/a/b"],
  ["in capitals", "Rooms/a"],
  ["of __proto__", "__proto__"],
  ["with an encoded letter", "rooms/%41"],
  ["with encoding in small letters", "rooms/%2f"],
  ["with a character that must be encoded", "rooms/a+b"],
  ["with a percent sign alone", "rooms/%"],
  ["with a percent sign and no digits", "rooms/%zz"],
  ["with half a character encoded", "rooms/%C3"],
  ["with a lone surrogate encoded", "rooms/%ED%A0%80"],
  ["with presence of an encoded letter", "rooms/%41#presence"],
  ["with presence of nothing", "nowhere#presence"],
  ["with presence where it is not told", "any/a#presence"],
  ["with presence where it is not told, as long as can be", `${longest}#presence`]
]

const types: ReadonlyArray<Request> = [
  { type: "subscribe" },
  { type: "subscribe", since: "oldest" },
  { type: "unsubscribe" },
  { type: "unsubscribe", pause: true },
  { type: "publish", body: { text: "x" } }
]

describe("a topic's name", () => {
  for (const codec of codecs) {
    for (const [code, names] of [
      ["malformed-topic", malformed],
      ["unknown-topic", unknown]
    ] as const) {
      it.scopedLive(`that is ${code} is refused in every request (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const { peer } = yield* join(gateway.address, { codec })
          for (const [what, topic] of names) {
            for (const request of types) {
              const answer = yield* ask(peer, { ...request, topic })
              assert.include(answer, { type: "error", code }, `${request.type} of a name ${what}`)
              assert.isAtMost(String(answer["reason"]).length, 1000)
            }
          }
          yield* peer.echoes
          yield* bystander.goesOn
        })
      )
    }

    it.scopedLive(`of 255 characters, and each with a presence of its own, is none of that (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const { peer } = yield* join(gateway.address, { codec })
        const room = `rooms/${"x".repeat(249)}`
        for (const topic of [longest, "rooms/a%2Fb", "rooms/%F0%9F%91%8B", room, `${room}#presence`, "rooms/~!*'()"]) {
          assert.include(yield* ask(peer, { type: "subscribe", topic }), { type: "subscribed", topic })
        }
      })
    )
  }
})

// ---- one request after others

interface Case {
  readonly name: string
  /** The last one's answer is looked at, and those before are granted. */
  readonly requests: ReadonlyArray<Request>
  readonly answer: object
  readonly options?: Parameters<typeof makeGateway>[0]
}

const sub = (topic: string, more: object = {}): Request => ({ type: "subscribe", topic, ...more })
const unsub = (topic: string, more: object = {}): Request => ({ type: "unsubscribe", topic, ...more })
const pub = (topic: string, body: unknown, more: object = {}): Request => ({ type: "publish", topic, body, ...more })
const error = (code: string) => ({ type: "error", code })
const text = { text: "x" }
const two = { options: { maxSubscriptions: 2 } }

const cases: ReadonlyArray<Case> = [
  { name: "subscribing twice", requests: [sub("rooms/a"), sub("rooms/a")], answer: error("already-subscribed") },
  {
    name: "subscribing twice, elsewhere in the log",
    requests: [sub("any/a"), pub("any/a", 1), sub("any/a", { since: "oldest" })],
    answer: error("already-subscribed")
  },
  { name: "unsubscribing from nothing", requests: [unsub("any/a")], answer: error("not-subscribed") },
  { name: "unsubscribing where presence is told", requests: [unsub("rooms/a")], answer: error("not-subscribed") },
  {
    name: "unsubscribing twice",
    requests: [sub("any/a"), unsub("any/a"), unsub("any/a")],
    answer: error("not-subscribed")
  },
  { name: "a pause of nothing", requests: [unsub("any/a", { pause: true })], answer: error("not-subscribed") },
  {
    name: "a pause of what is paused",
    requests: [sub("any/a"), unsub("any/a", { pause: true }), unsub("any/a", { pause: true })],
    answer: { type: "unsubscribed", topic: "any/a" }
  },
  {
    name: "the end of what is paused",
    requests: [sub("any/a"), unsub("any/a", { pause: true }), unsub("any/a")],
    answer: { type: "unsubscribed", topic: "any/a" }
  },
  { name: "publishing presence", requests: [pub("rooms/a#presence", text)], answer: error("not-allowed") },
  {
    name: "subscribing where the rule refuses",
    requests: [sub("closed")],
    answer: { ...error("not-allowed"), reason: "not here" }
  },
  { name: "presence where the rule refuses", requests: [sub("closed#presence")], answer: error("not-allowed") },
  { name: "publishing where no client may", requests: [pub("closed", 1)], answer: error("not-allowed") },
  {
    name: "a key for another body",
    requests: [pub("any/a", 1, { key: "k" }), pub("any/a", 2, { key: "k" })],
    answer: error("key-reused")
  },
  {
    name: "a key of 128 characters",
    requests: [pub("any/a", 1, { key: "k".repeat(128) })],
    answer: { type: "published" }
  },
  { name: "a key of one character", requests: [pub("any/a", 1, { key: "\n" })], answer: { type: "published" } },
  {
    name: "the largest id there is",
    requests: [unsub("any/a", { id: Number.MAX_SAFE_INTEGER })],
    answer: error("not-subscribed")
  },
  {
    name: "an id again",
    requests: [sub("any/a", { id: 9 }), unsub("any/a", { id: 9 })],
    answer: { type: "unsubscribed", id: 9 }
  },
  {
    name: "an id smaller than before",
    requests: [sub("any/a", { id: 9 }), unsub("any/a", { id: 1 })],
    answer: { type: "unsubscribed", id: 1 }
  },
  { name: "as many topics as may be", ...two, requests: [sub("any/a"), sub("any/b")], answer: { type: "subscribed" } },
  {
    name: "one topic more than may be",
    ...two,
    requests: [sub("any/a"), sub("any/b"), sub("any/c")],
    answer: error("too-many-subscriptions")
  },
  {
    name: "one topic more than may be, one of them paused",
    ...two,
    requests: [sub("any/a"), unsub("any/a", { pause: true }), sub("any/b"), sub("any/c")],
    answer: error("too-many-subscriptions")
  },
  {
    name: "a paused topic again, among as many as may be",
    ...two,
    requests: [sub("any/a"), sub("any/b"), unsub("any/a", { pause: true }), sub("any/a")],
    answer: { type: "subscribed" }
  },
  {
    name: "another topic in place of one",
    ...two,
    requests: [sub("any/a"), sub("any/b"), unsub("any/a"), sub("any/c")],
    answer: { type: "subscribed" }
  }
]

describe("the answer to", () => {
  for (const { answer, name, options, requests } of cases) {
    for (const codec of codecs) {
      it.scopedLive(`${name} (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway(options)
          const bystander = yield* makeBystander(gateway)
          const { peer } = yield* join(gateway.address, { codec })
          let last: Said | undefined
          for (const [at, request] of requests.entries()) {
            last = yield* ask(peer, request)
            if (at < requests.length - 1) assert.notStrictEqual(last.type, "error", JSON.stringify(last))
          }
          assert.deepInclude(last, answer)
          yield* peer.echoes
          assert.strictEqual(peer.waiting("error"), 0, "one answer to each")
          yield* bystander.goesOn
        })
      )
    }
  }

  it.scopedLive("the same key and body: the position of the first, and nothing is published", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join(gateway.address)
      const first = yield* ask(peer, pub("any/a", { a: 1 }, { key: "k" }))
      yield* ask(peer, pub("any/a", 2))
      const again = yield* ask(peer, pub("any/a", { a: 1 }, { key: "k" }))
      assert.deepStrictEqual(again["position"], first["position"])
      // Another topic has keys of its own.
      assert.include(yield* ask(peer, pub("any/b", 3, { key: "k" })), { type: "published" })
      const { position } = yield* ask(peer, sub("any/a"))
      assert.deepInclude(position, { offset: 2 })
    })
  )
})

describe("a key", () => {
  it.scopedLive(
    "is the topic's, whoever publishes: the same body is the same publication, and any other is refused",
    () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const peers = yield* Effect.forEach(codecs, (codec) => join(gateway.address, { codec }))
        const [first, second] = peers.map(({ peer }) => peer)
        if (first === undefined || second === undefined) return assert.fail("two peers")
        const body = { a: 1, b: "é" }
        const { position } = yield* ask(first, pub("any/a", body, { key: "k" }))
        assert.deepInclude(yield* ask(second, pub("any/a", body, { key: "k" })), { type: "published", position })
        assert.deepStrictEqual<unknown>(yield* gateway.publish(Any.at({ name: "a" }), body, { key: "k" }), position)
        // Spaces and escapes make no difference.
        first.ws.send(
          '{"type":"publish","id":99,"topic":"any/a","key":"k","body": { "\\u0061" : 1.0e0 , "b":"\\u00e9" } }'
        )
        assert.deepInclude(yield* first.next("published", "error"), { type: "published", id: 99, position })
        // The order of fields does.
        const turned = { b: "é", a: 1 }
        for (const peer of [first, second]) {
          assert.include(yield* ask(peer, pub("any/a", turned, { key: "k" })), error("key-reused"))
        }
        const refused = yield* Effect.flip(gateway.publish(Any.at({ name: "a" }), turned, { key: "k" }))
        assert.strictEqual(refused._tag, "KeyReused")
        const { position: end } = yield* ask(first, sub("any/a"))
        assert.deepStrictEqual(end, position)
      })
  )
})

describe("the gateway's own wish for one topic more than may be", () => {
  it.scopedLive("fails there, and the client hears nothing of it", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSubscriptions: 2 })
      const { peer, welcome } = yield* join(gateway.address)
      const session = yield* gateway.session(String(welcome["session"]))
      yield* ask(peer, sub("any/a"))
      yield* session.subscribe(Any.at({ name: "b" }))
      // Those that it has may be wished again.
      yield* session.subscribe(Any.at({ name: "a" }))
      yield* session.subscribe(Any.at({ name: "b" }))
      const refused = yield* Effect.flip(session.subscribe(Any.at({ name: "c" })))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "too-many-subscriptions" })
      assert.include(yield* ask(peer, sub("any/c")), error("too-many-subscriptions"))
      assert.include(yield* ask(peer, sub("any/b")), { type: "subscribed" })
      assert.strictEqual(peer.waiting("invite"), 2)
    })
  )
})

describe("a gateway without topics", () => {
  for (const codec of codecs) {
    it.scopedLive(`refuses every request, whatever its name (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* plain.makeGateway()
        const { peer, welcome } = yield* join(gateway.address, { codec })
        assert.notProperty(welcome, "keyWindow")
        for (const topic of ["rooms/a", "rooms/a#presence", "", "a b"]) {
          for (const request of types) {
            assert.include(yield* ask(peer, { ...request, topic }), error("unknown-topic"))
          }
        }
        yield* peer.echoes
      })
    )
  }

  it.scopedLive("answers each of them, however slowly it is read", () =>
    Effect.gen(function* () {
      const gateway = yield* plain.makeGateway({ replayBytes: 2 ** 26, byteRate: 2 ** 30 })
      const { peer } = yield* join(gateway.address)
      peer.socket.pause()
      const large = "x".repeat(900_000)
      for (let n = 0; n < 40; n++) peer.data(large)
      // Until it has more to write than the network takes.
      yield* Effect.sleep("500 millis")
      for (const id of [1, 2, 3]) peer.say({ ...pub("any/a", 1), id })
      yield* Effect.sleep("100 millis")
      peer.socket.resume()
      for (const id of [1, 2, 3]) assert.include(yield* peer.next("error"), { id, code: "unknown-topic" })
    })
  )

  it.scopedLive("closes whoever goes on asking and reads no answers: 4400", () =>
    Effect.gen(function* () {
      const options = { replayMessages: 4, maxSubscriptions: 2, highWaterMark: 1000, maxRequests: 100 }
      const gateway = yield* plain.makeGateway({ ...options, byteRate: 2 ** 30 })
      const bystander = yield* plain.makeBystander(gateway)
      const { peer } = yield* join(gateway.address)
      peer.socket.pause()
      for (let id = 1; id <= 200_000; id++) peer.say({ ...pub("any/a", 1), id })
      yield* plain.unharmed(gateway, bystander)
      peer.socket.resume()
      assert.strictEqual((yield* peer.closed).code, 4400)
    })
  )
})

// ---- positions

/** What `since` is answered with, at offset 8 of a log that keeps five. */
const positions: ReadonlyArray<{
  readonly name: string
  readonly since: (epoch: string) => unknown
  readonly answer: object
  /** The first that comes then. */
  readonly next: number
}> = [
  {
    name: "another epoch",
    since: () => ({ epoch: "other", offset: 8 }),
    answer: { recovered: false, reason: "epoch", offset: 8 },
    next: 9
  },
  {
    name: "another epoch's beginning",
    since: () => ({ epoch: "other", offset: 0 }),
    answer: { recovered: false, reason: "epoch", offset: 8 },
    next: 9
  },
  {
    name: "beyond the end",
    since: (epoch) => ({ epoch, offset: 9 }),
    answer: { recovered: false, reason: "ahead", offset: 8 },
    next: 9
  },
  {
    name: "far beyond the end",
    since: (epoch) => ({ epoch, offset: Number.MAX_SAFE_INTEGER }),
    answer: { recovered: false, reason: "ahead", offset: 8 },
    next: 9
  },
  {
    name: "too old",
    since: (epoch) => ({ epoch, offset: 2 }),
    answer: { recovered: false, reason: "expired", offset: 8 },
    next: 9
  },
  {
    name: "offset 0, too old",
    since: (epoch) => ({ epoch, offset: 0 }),
    answer: { recovered: false, reason: "expired", offset: 8 },
    next: 9
  },
  {
    name: "before the oldest that is kept",
    since: (epoch) => ({ epoch, offset: 3 }),
    answer: { recovered: true, offset: 3 },
    next: 4
  },
  { name: "the end", since: (epoch) => ({ epoch, offset: 8 }), answer: { recovered: true, offset: 8 }, next: 9 },
  { name: "the oldest", since: () => "oldest", answer: { recovered: true, offset: 3 }, next: 4 }
]

const publishes = (peer: Peer, topic: string, count: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: count }), (_, at) => ask(peer, pub(topic, at + 1))),
    (answers) => answers.at(-1)?.["position"] as { readonly epoch: string; readonly offset: number }
  )

describe("a position", () => {
  for (const { answer, name, next, since } of positions) {
    for (const codec of codecs) {
      it.scopedLive(`that is ${name} (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const { peer } = yield* join(gateway.address, { codec })
          const { epoch } = yield* publishes(peer, "any/a", 8)
          const { offset, ...expected } = answer as { readonly offset: number }
          const subscribed = yield* ask(peer, sub("any/a", { since: since(epoch) }))
          assert.deepInclude(subscribed, { type: "subscribed", position: { epoch, offset }, ...expected })
          if (!("reason" in answer)) assert.notProperty(subscribed, "reason")
          yield* ask(peer, pub("any/a", 9))
          assert.deepInclude(yield* peer.next("publication"), { position: { epoch, offset: next }, body: next })
          yield* bystander.goesOn
        })
      )
    }
  }

  for (const kind of ["dropping", "newest"]) {
    it.scopedLive(`that is too old in a topic that may skip (${kind}): a gap in the offsets tells how many`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const { peer } = yield* join(gateway.address)
        const topic = `${kind}/a`
        const { epoch } = yield* publishes(peer, topic, 8)
        const since = { epoch, offset: 2 }
        const subscribed = yield* ask(peer, sub(topic, { since }))
        // Nothing is missing between where it was and where it is said to go on.
        assert.deepInclude(subscribed, { recovered: true, position: since })
        const first = kind === "dropping" ? 4 : 8
        assert.deepInclude(yield* peer.next("publication"), { position: { epoch, offset: first }, body: first })
      })
    )
  }

  for (const [kind, first] of [
    ["dropping", 9],
    ["newest", 8]
  ] as const) {
    it.scopedLive(
      `that is another epoch's in a topic that may skip (${kind}): it goes on from where it is told, in order`,
      () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const { peer } = yield* join(gateway.address)
          const topic = `${kind}/a`
          const { epoch } = yield* publishes(peer, topic, 8)
          const subscribed = yield* ask(peer, sub(topic, { since: { epoch: "other", offset: 2 } }))
          const position = { epoch, offset: first - 1 }
          assert.deepInclude(subscribed, { recovered: false, reason: "epoch", position })
          yield* ask(peer, pub(topic, 9))
          yield* ask(peer, pub(topic, 10))
          for (let offset = first; offset <= 10; offset++) {
            assert.deepInclude(yield* peer.next("publication"), { position: { epoch, offset }, body: offset })
          }
          yield* peer.echoes
          assert.strictEqual(peer.waiting("publication"), 0)
        })
    )
  }

  it.scopedLive("of offset 0 in a topic that nobody has published in", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join(gateway.address)
      const { position } = yield* ask(peer, sub("any/a"))
      yield* ask(peer, unsub("any/a"))
      const again = yield* ask(peer, sub("any/a", { since: position }))
      assert.deepInclude(again, { position, recovered: true })
      assert.deepInclude(position, { offset: 0 })
    })
  )

  it.scopedLive("of presence that is lost: who is there is told anew", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer, welcome } = yield* join(gateway.address, { hello: { token: "ann" } })
      yield* ask(peer, sub("rooms/a"))
      const answer = yield* ask(peer, sub("rooms/a#presence", { since: { epoch: "other", offset: 3 } }))
      assert.deepInclude(answer, {
        recovered: false,
        reason: "epoch",
        members: [{ session: welcome["session"], principal: "ann" }]
      })
    })
  )
})

// ---- what is no request

const badSince = [
  null,
  "newest",
  "",
  5,
  true,
  [],
  {},
  { epoch: "x" },
  { offset: 1 },
  { epoch: "x", offset: null },
  { epoch: "x", offset: "1" },
  { epoch: "x", offset: -1 },
  { epoch: "x", offset: 0.5 },
  { epoch: "x", offset: 2 ** 53 },
  { epoch: "x", offset: 1e300 },
  { epoch: "", offset: 1 },
  { epoch: "x".repeat(129), offset: 1 },
  { epoch: 1, offset: 1 }
]

const nothings: ReadonlyArray<readonly [what: string, message: object, reason: RegExp]> = [
  ...badSince.map((since) => {
    const what = `since ${JSON.stringify(since).slice(0, 40)}`
    return [what, { type: "subscribe", id: 1, topic: "any/a", since }, /^subscribe: since/] as const
  }),
  ...[undefined, null, 0, -1, 1.5, "1", 2 ** 53, 1e300, true].flatMap((id) =>
    types.map((request): readonly [string, object, RegExp] => {
      const { type } = request
      return [
        `${type} with id ${id}`,
        { topic: "any/a", ...request, ...(id === undefined ? {} : { id }) },
        new RegExp(`^${type}: id: `)
      ]
    })
  ),
  ...[undefined, null, 1, ["any/a"], {}].flatMap((topic) =>
    types.map((request): readonly [string, object, RegExp] => {
      const { type } = request
      const named = topic === undefined ? {} : { topic }
      return [`${type} of ${JSON.stringify(topic)}`, { id: 1, ...request, ...named }, new RegExp(`^${type}: topic: `)]
    })
  ),
  ...["", "k".repeat(129), 1, null, {}].map((key): readonly [string, object, RegExp] => [
    `a key ${JSON.stringify(key).slice(0, 5)}`,
    { ...pub("any/a", 1, { key }), id: 1 },
    /^publish: key: /
  ]),
  ...[1, null, "yes"].map((pause): readonly [string, object, RegExp] => [
    `a pause ${JSON.stringify(pause)}`,
    { ...unsub("any/a"), pause, id: 1 },
    /^unsubscribe: pause: /
  ]),
  ["publish without a body", { type: "publish", id: 1, topic: "any/a" }, /^publish: no body$/],
  [
    "subscribed",
    {
      type: "subscribed",
      id: 1,
      topic: "any/a",
      position: { epoch: "x", offset: 1 },
      recovered: true,
      policy: "latest"
    },
    /^subscribed is not expected here$/
  ],
  ["unsubscribed", { type: "unsubscribed", topic: "any/a" }, /^unsubscribed is not expected here$/],
  [
    "publication",
    { type: "publication", topic: "any/a", position: { epoch: "x", offset: 1 }, body: 1 },
    /^publication is not expected here$/
  ],
  ["published", { type: "published", id: 1, position: { epoch: "x", offset: 1 } }, /^published is not expected here$/],
  ["invite", { type: "invite", topic: "any/a" }, /^invite is not expected here$/]
]

describe("what is no request is a violation, 4400:", () => {
  for (const codec of codecs) {
    for (const { type } of types) {
      it.scopedLive(`${type} before hello (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const peer = yield* connect(gateway.address, { codec })
          peer.say({ type, id: 1, topic: "any/a", body: 1 })
          assert.deepStrictEqual(yield* peer.closed, { code: 4400, reason: `${type} before hello` })
          yield* unharmed(gateway, bystander)
        })
      )
    }

    it.scopedLive(`fields that are missing or of the wrong type (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway)
        for (const [what, message, reason] of nothings) {
          const { peer } = yield* join(gateway.address, { codec })
          peer.say(message)
          const closed = yield* peer.closed
          assert.strictEqual(closed.code, 4400, what)
          assert.match(closed.reason, reason, what)
        }
        yield* unharmed(gateway, bystander)
      })
    )
  }
})
