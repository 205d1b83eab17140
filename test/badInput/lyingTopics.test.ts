/** The client facing servers that lie about topics: each lie has its answer, and costs nobody else anything. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Runtime, Scope, Stream, TestClock } from "effect"
import { type Client, Codec, Listener, Reconnect, type Transport } from "holdfast"
import { type Following, follow, lobby, oneSecond, Room, range, skips, values } from "../support/topics.js"
import { isRunning, makeClient, settle, type TestClient, World } from "../support/virtual.js"
import { welcome as shortest } from "../support/welcome.js"

interface Said {
  readonly type: string
  readonly id?: number
  readonly topic?: string
  readonly [field: string]: unknown
}

const welcome = { ...shortest, keyWindow: 300_000 }

/** A server that greets, and then does as it is told; it remembers what clients say. */
const liar = (
  answer: (message: Said, say: (...messages: ReadonlyArray<unknown>) => void) => void = () => {},
  /** Of the welcome of each connection, counted from 1. */
  limits: (greeted: number) => object = () => ({})
) =>
  Effect.gen(function* () {
    const listener = yield* Listener.Listener
    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const heard: Array<Said> = []
    const closed: Array<number> = []
    let last: Transport.Transport | undefined
    let greeted = 0
    const say = (...messages: ReadonlyArray<unknown>) => {
      for (const message of messages) last?.send(JSON.stringify(message))
    }
    yield* listener.listen((incoming) => {
      const accepted = Scope.extend(
        incoming.accept({ protocol: Codec.json.subprotocol, maxFrame: 1_000_000, closeTimeout: 1000 }),
        scope
      )
      const serve = Effect.map(Effect.orDie(accepted), (transport) => {
        last = transport
        transport.run({
          message: (frame) => {
            const message = JSON.parse(String(frame)) as Said
            if (message.type === "hello") {
              greeted++
              const allowed = { ...welcome.limits, ...limits(greeted) }
              return say({ ...welcome, limits: allowed, generation: greeted, resumed: greeted > 1 })
            }
            heard.push(message)
            answer(message, say)
          },
          ping: (payload) => transport.pong?.(payload),
          pong: () => {},
          congested: () => {},
          drained: () => {},
          closed: ({ code }) => void closed.push(code)
        })
      })
      Runtime.runFork(runtime)(serve)
    })
    return { heard, closed, say, cut: Effect.sync(() => last?.destroy()) }
  })

const at = (offset: number, epoch = "e") => ({ epoch, offset })
const subscribed = (id: number | undefined, fields: object = {}) => ({
  type: "subscribed",
  ...(id === undefined ? {} : { id }),
  topic: lobby.name,
  position: at(0),
  recovered: true,
  policy: "disconnect",
  ...fields
})
const publication = (offset: number, fields: object = {}) => ({
  type: "publication",
  topic: lobby.name,
  position: at(offset),
  body: offset,
  ...fields
})

/** Answers every subscription with this policy, and every unsubscription. */
const obliging =
  (policy = "disconnect") =>
  ({ id, topic, type }: Said, say: (...messages: ReadonlyArray<unknown>) => void) => {
    if (type === "subscribe") say(subscribed(id, { topic, policy }))
    if (type === "unsubscribe") say({ type: "unsubscribed", id, topic })
  }

const reading = (policy?: string) =>
  Effect.gen(function* () {
    const server = yield* liar(obliging(policy))
    const client = yield* makeClient({ reconnect: oneSecond })
    const following = yield* follow(client.subscribe(lobby))
    return { ...server, client, following }
  })

/** The lie is answered with 4400, and the client stops; what had come before it is there. */
const assertStopped = (
  client: TestClient,
  closed: ReadonlyArray<number>,
  following: Following<Client.Publication<number> | Client.TooLarge, unknown>,
  reason: RegExp
) =>
  Effect.gen(function* () {
    const status = yield* client.status
    if (status._tag !== "Ended" || status.reason._tag !== "Stopped") return assert.fail(status._tag)
    assert.deepInclude(status.reason.end, { _tag: "PeerViolation", code: 4400 })
    assert.match(status.reason.end.message, reason)
    assert.deepStrictEqual(closed, [4400], "on the wire")
    assert.strictEqual(following.end(), "completed")
    assert.deepStrictEqual(values(following), [1])
  })

const violations: Record<string, { readonly say: ReadonlyArray<unknown>; readonly reason: RegExp }> = {
  "a publication of another epoch": {
    say: [publication(2, { position: at(2, "f") })],
    reason: /of the epoch f, and e was subscribed to/
  },
  "a gap where nothing may be skipped": { say: [publication(3)], reason: /3 came, 2 was expected/ },
  "a publication of offset 0": { say: [publication(0)], reason: /position is not one/ },
  "a publication without a position": { say: [publication(2, { position: null })], reason: /position is not one/ },
  "a publication without a body": { say: [publication(2, { body: undefined })], reason: /no body/ },
  "an answer without a position": {
    say: [{ type: "subscribed", id: 1, topic: lobby.name, recovered: true, policy: "disconnect" }],
    reason: /subscribed: position/
  },
  "an answer with a policy that there is not": {
    say: [subscribed(1, { policy: "maybe" })],
    reason: /subscribed: policy/
  },
  "a position of an empty epoch": { say: [subscribed(1, { position: at(1, "") })], reason: /subscribed: position/ },
  "members that are none": { say: [subscribed(1, { members: ["ann"] })], reason: /subscribed: members/ },
  "a published without a position": { say: [{ type: "published", id: 1 }], reason: /published: position/ },
  "an invitation from nowhere": {
    say: [{ type: "invite", topic: "t", since: { epoch: "e", offset: -1 } }],
    reason: /invite: since/
  },
  "a request, which is a client's": { say: [{ type: "subscribe", id: 1, topic: "t" }], reason: /not for a client/ }
}

describe("A client whose server says", () => {
  for (const [name, { reason, say }] of Object.entries(violations)) {
    it.scoped(`${name} closes with 4400 and stops; its streams complete with what they had`, () =>
      Effect.gen(function* () {
        const server = yield* reading()
        server.say(publication(1))
        server.say(...say)
        server.say(publication(2))
        yield* settle
        yield* assertStopped(server.client, server.closed, server.following, reason)
      }).pipe(Effect.provide(World))
    )
  }

  const ignored: Record<string, ReadonlyArray<unknown>> = {
    "the same publications again": [publication(1), publication(1)],
    "a publication of a topic that nobody subscribed to": [publication(7, { topic: "rooms/other" })],
    "an answer to no request": [subscribed(99, { position: at(50) })],
    "an answer to no request, of a topic that nobody subscribed to": [subscribed(99, { topic: "rooms/other" })],
    "the same answer twice": [subscribed(1, { position: at(50) })],
    "that it starts over what nobody subscribed to": [
      subscribed(undefined, { topic: "rooms/other", recovered: false })
    ],
    "that a topic ended that nobody subscribed to": [{ type: "unsubscribed", topic: "rooms/other" }],
    "an answer to no unsubscription": [{ type: "unsubscribed", id: 99, topic: lobby.name }],
    "published to nobody": [{ type: "published", id: 99, position: at(1) }],
    "an error about no request": [{ type: "error", code: "x", reason: "y", id: 99 }],
    "an error about a subscription that it has granted": [{ type: "error", code: "x", reason: "y", id: 1 }]
  }
  for (const [name, messages] of Object.entries(ignored)) {
    it.scoped(`${name} takes no notice, and its subscription goes on`, () =>
      Effect.gen(function* () {
        const { client, following, heard, say } = yield* reading()
        say(publication(1))
        say(...messages, ...messages)
        say(publication(2))
        yield* settle
        assert.deepStrictEqual(values(following), [1, 2])
        assert.isUndefined(following.end())
        assert.strictEqual((yield* client.status)._tag, "Ready")
        assert.deepStrictEqual(
          heard.filter(({ type }) => type !== "ack").map(({ type }) => type),
          ["subscribe"],
          "and asks for nothing"
        )
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("publications before it has answered takes no notice of them", () =>
    Effect.gen(function* () {
      const { heard, say } = yield* liar()
      const client = yield* makeClient()
      const following = yield* follow(client.subscribe(lobby))
      say(publication(1), publication(9, { position: at(9, "f") }))
      yield* settle
      const [{ id }] = heard.filter(({ type }) => type === "subscribe") as [Said]
      say(subscribed(id, { position: at(4) }), publication(5))
      yield* settle
      assert.deepStrictEqual(values(following), [5])
    }).pipe(Effect.provide(World))
  )

  it.scoped("a gap where publications may be skipped counts them", () =>
    Effect.gen(function* () {
      const { following, say } = yield* reading("dropOldest")
      say(publication(3), publication(4), publication(2), publication(9))
      yield* settle
      assert.deepStrictEqual(
        [values(following), skips(following)],
        [
          [3, 4, 9],
          [2, 0, 4]
        ]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("that who came or went is too large asks anew who is there, without a position", () =>
    Effect.gen(function* () {
      const topic = `${lobby.name}#presence`
      const ann = { session: "1", principal: "ann" }
      const { heard, say } = yield* liar(({ id, type }, say) => {
        if (type === "subscribe") say(subscribed(id, { topic, position: at(heard.length), members: [ann] }))
        if (type === "unsubscribe") say({ type: "unsubscribed", id, topic })
      })
      const client = yield* makeClient()
      const following = yield* follow(client.presence(lobby))
      const [asked] = heard.filter(({ type }) => type === "subscribe")
      const before = heard.length
      say({ type: "publication", topic, position: at(before + 1), skipped: "too-large" })
      yield* settle
      assert.deepStrictEqual(
        heard.slice(before).map(({ since, topic, type }) => ({ type, topic, since })),
        [
          { type: "unsubscribe", topic, since: undefined },
          { type: "subscribe", topic, since: undefined }
        ]
      )
      assert.notStrictEqual(heard.at(-1)?.id, asked?.id)
      assert.deepStrictEqual(following.seen, [
        { _tag: "Members", members: [ann] },
        { _tag: "Members", members: [ann] }
      ])
    }).pipe(Effect.provide(World))
  )

  it.scoped("that it ended a subscription fails the stream, and asks for it no more", () =>
    Effect.gen(function* () {
      const { client, following, heard, say } = yield* reading()
      say(publication(1), { type: "unsubscribed", topic: lobby.name }, publication(2))
      yield* settle
      assert.deepStrictEqual(values(following), [1])
      assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "unsubscribed" })
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.deepStrictEqual(
        heard.map(({ type }) => type).filter((type) => type !== "ack"),
        ["subscribe"]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("what it grants after it has ended it is unsubscribed from", () =>
    Effect.gen(function* () {
      const { heard, say } = yield* liar()
      const client = yield* makeClient()
      const following = yield* follow(client.subscribe(lobby))
      const [{ id }] = heard.filter(({ type }) => type === "subscribe") as [Said]
      say({ type: "unsubscribed", topic: lobby.name, reason: "no" }, subscribed(id), publication(1))
      yield* settle
      assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "unsubscribed", reason: "no" })
      assert.deepInclude(heard.at(-1), { type: "unsubscribe", topic: lobby.name })
      assert.notProperty(heard.at(-1), "pause")
    }).pipe(Effect.provide(World))
  )

  it.scoped("as many invitations as it may takes them, and one more closes it with 4400", () =>
    Effect.gen(function* () {
      const { closed, heard, say } = yield* liar(obliging())
      const client = yield* makeClient({ maxSubscriptions: 5, reconnect: oneSecond })
      yield* settle
      const invite = (n: number) => ({ type: "invite", topic: `rooms/${n}` })
      say(...range(1, 5).map(invite), ...range(1, 5).map(invite))
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.lengthOf(
        heard.filter(({ type }) => type === "subscribe"),
        5
      )
      const own = yield* follow(client.subscribe(Room.at({ room: "1" })))
      assert.isUndefined(own.end(), "one that is read makes room")
      say(invite(6))
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ready")
      say(invite(7))
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ended")
      assert.deepStrictEqual(closed, [4400])
    }).pipe(Effect.provide(World))
  )

  it.scoped("nothing at all waits, and is closed all the same", () =>
    Effect.gen(function* () {
      yield* liar()
      const client = yield* makeClient({ closeTimeout: "1 second" })
      const following = yield* follow(client.subscribe(lobby))
      const publishing = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* isRunning(publishing))
      const closing = yield* Effect.fork(client.close)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Fiber.join(publishing))._tag, "OutcomeUnknown")
      assert.strictEqual(following.end(), "completed")
    }).pipe(Effect.provide(World))
  )

  it.scoped("few messages may be unanswered never has more requests unanswered, of whatever kind", () =>
    Effect.gen(function* () {
      const waiting: Array<Said> = []
      let most = 0
      const { say } = yield* liar(
        (message) => {
          if (message.id === undefined) return
          waiting.push(message)
          most = Math.max(most, waiting.length)
        },
        () => ({ messages: 4 })
      )
      const client = yield* makeClient()
      yield* settle
      const all = yield* Effect.forEach(range(1, 30), (n) => follow(client.subscribe(Room.at({ room: String(n) }))))
      const publishing = yield* Effect.forEach(range(1, 30), (n) => Effect.fork(client.publish(lobby, n)))
      for (let turn = 0; turn < 200 && waiting.length > 0; turn++) {
        const next = waiting.shift()
        if (next?.type === "subscribe") say(subscribed(next.id, { topic: next.topic }))
        if (next?.type === "publish") say({ type: "published", id: next.id, position: at(turn + 1) })
        yield* settle
      }
      for (const fiber of publishing) assert.isFalse(yield* isRunning(fiber))
      assert.isTrue(all.every(({ end }) => end() === undefined))
      assert.isAtMost(most, 5, "the welcome's limit of messages, and one")
    }).pipe(Effect.provide(World))
  )

  it.scoped(
    "nothing of a publication for so long that its key may be forgotten does not get it again when its turn comes",
    () =>
      Effect.gen(function* () {
        // On the second connection, one at a time.
        const { cut, heard, say } = yield* liar(undefined, (greeted) => (greeted === 1 ? {} : { messages: 1 }))
        const client = yield* makeClient({ reconnect: oneSecond })
        yield* settle
        const publish = (n: number) => Effect.zipLeft(Effect.fork(Effect.either(client.publish(lobby, n))), settle)
        const published = () => heard.flatMap(({ body, type }) => (type === "publish" ? [body] : []))
        const [first, second] = [yield* publish(1), yield* publish(2)]
        yield* cut
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(published(), [1, 2, 1])
        // The key window of five minutes, less ten seconds.
        yield* TestClock.adjust(290_000 - 1000)
        const third = yield* publish(3)
        say({ type: "published", id: heard.at(-1)?.id, position: at(1) })
        const [{ id }] = heard.filter(({ body }) => body === 1) as [Said]
        say({ type: "published", id, position: at(1) })
        yield* settle
        assert.deepStrictEqual(published(), [1, 2, 1, 3], "the third was never written before")
        assert.strictEqual((yield* Fiber.join(first))._tag, "Right")
        const fate = yield* Fiber.join(second)
        assert.strictEqual(fate._tag === "Left" ? fate.left._tag : fate.right, "OutcomeUnknown")
        assert.isTrue(yield* isRunning(third))
      }).pipe(Effect.provide(World))
  )

  it.scoped("nothing of a publication on connection after connection gets it until its key may be forgotten", () =>
    Effect.gen(function* () {
      const { cut, heard } = yield* liar()
      const client = yield* makeClient({ reconnect: Reconnect.exponential({ max: "1 second", jitter: false }) })
      yield* settle
      const publishing = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
      yield* settle
      for (const after of [100_000, 100_000, 89_000]) {
        yield* TestClock.adjust(after - 1000)
        yield* cut
        yield* TestClock.adjust(1000)
        assert.isTrue(yield* isRunning(publishing))
      }
      // The key window of five minutes, less ten seconds.
      yield* cut
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* Fiber.join(publishing))._tag, "OutcomeUnknown")
      assert.lengthOf(
        heard.filter(({ type }) => type === "publish"),
        4
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("more than its reader takes asks it to pause, and on the next connection only to remain a member", () =>
    Effect.gen(function* () {
      const { cut, heard, say } = yield* liar(obliging())
      const client = yield* makeClient({ reconnect: oneSecond, queueMessages: 1 })
      const gate = yield* Effect.makeLatch(false)
      const following = yield* follow(Stream.tap(client.subscribe(lobby), () => gate.await))
      say(publication(1))
      yield* settle
      say(publication(2), publication(3), publication(4))
      yield* settle
      const asked = () => heard.flatMap(({ pause, since, type }) => (type === "ack" ? [] : [{ type, pause, since }]))
      const before = [
        { type: "subscribe", pause: undefined, since: undefined },
        { type: "unsubscribe", pause: true, since: undefined }
      ]
      assert.deepStrictEqual(asked(), before)
      yield* cut
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.deepStrictEqual(asked(), [...before, ...before], "a member, and paused at once")
      yield* gate.open
      yield* settle
      assert.deepStrictEqual(values(following), [1, 2, 3])
      assert.deepStrictEqual(asked().slice(4), [{ type: "subscribe", pause: undefined, since: at(3) }])
    }).pipe(Effect.provide(World))
  )
})

describe("a server that does not name `request-limits`", () => {
  const topic = (n: number) => Room.at({ room: String(n) })
  const said = (heard: ReadonlyArray<Said>, type: string) => heard.filter((message) => message.type === type).length

  it.scoped("is asked at once, whatever it says of requests: a limit counts only with its feature", () =>
    Effect.gen(function* () {
      const { heard } = yield* liar(obliging(), () => ({ requestRate: 1, requests: 1 }))
      const client = yield* makeClient({ reconnect: oneSecond })
      const following = yield* Effect.forEach(range(1, 60), (n) => follow(client.subscribe(topic(n))))
      assert.strictEqual(said(heard, "subscribe"), 60)
      for (const { end } of following) assert.isUndefined(end())
      assert.strictEqual((yield* client.status)._tag, "Ready")
    }).pipe(Effect.provide(World))
  )

  it.scoped("is asked by its message rate, which requests share with data there", () =>
    Effect.gen(function* () {
      const { heard } = yield* liar(obliging(), () => ({ messageRate: 100, byteRate: 2 ** 30 }))
      const client = yield* makeClient({ reconnect: oneSecond })
      for (const n of range(1, 300)) yield* Effect.forkScoped(Stream.runDrain(client.subscribe(topic(n))))
      yield* settle
      // What is left in the bucket is for heartbeats, and for a clock that runs differently.
      const first = said(heard, "subscribe")
      assert.isAbove(first, 50)
      assert.isAtMost(first, 95)
      for (let second = 1; second <= 3; second++) {
        yield* TestClock.adjust(1000)
        assert.isAtMost(said(heard, "subscribe"), first + 95 * second)
      }
      yield* TestClock.adjust(1000)
      assert.strictEqual(said(heard, "subscribe"), 300)
    }).pipe(Effect.provide(World))
  )
})
