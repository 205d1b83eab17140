import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Dialer } from "holdfast"
import { annAndWatcher, crowd, garden, lobby, news, twoGateways, window } from "../support/crowd.js"
import { join, resumeOf } from "../support/peer.js"
import { isRunning, settle } from "../support/virtual.js"

describe("Presence", () => {
  for (const codec of ["json", "msgpack"] as const) {
    it.scoped(`tells who is there, and then who comes and goes, in order (${codec})`, () =>
      Effect.gen(function* () {
        const { members, person } = yield* crowd({ codec })
        const [ann, bob, watcher] = [yield* person("ann"), yield* person("bob"), yield* person("watcher")]
        const annReads = yield* ann.read()
        const { seen } = yield* watcher.watch()
        assert.deepStrictEqual(seen, ["Members ann"])
        yield* bob.read()
        yield* annReads.stop
        yield* ann.read()
        assert.deepStrictEqual(seen, ["Members ann", "Joined bob", "Left ann", "Joined ann"])
        assert.deepStrictEqual(yield* members(), ["ann", "bob"])
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(seen.length, 4)
      })
    )
  }

  it.scoped("is of sessions: two of one principal come and go each by itself", () =>
    Effect.gen(function* () {
      const { gateway, person } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      const [one, other] = [yield* person("ann"), yield* person("ann")]
      const reading = yield* one.read()
      yield* other.read()
      yield* reading.stop
      assert.deepStrictEqual(seen, ["Members", "Joined ann", "Joined ann", "Left ann"])
      const status = yield* other.client.status
      assert.strictEqual(status._tag, "Ready")
      const session = status._tag === "Ready" ? status.session : ""
      assert.deepStrictEqual(yield* gateway.members(lobby), [{ session, principal: "ann" }])
    })
  )

  it.scoped("is of each topic by itself, and of those who read it: watching makes nobody a member", () =>
    Effect.gen(function* () {
      const { members, person } = yield* crowd()
      const [ann, watcher] = [yield* person("ann"), yield* person("watcher")]
      const inLobby = yield* watcher.watch(lobby)
      const inGarden = yield* watcher.watch(garden)
      yield* ann.read(garden)
      assert.deepStrictEqual(inLobby.seen, ["Members"])
      assert.deepStrictEqual(inGarden.seen, ["Members", "Joined ann"])
      assert.deepStrictEqual(yield* members(lobby), [])
      assert.deepStrictEqual(yield* members(garden), ["ann"])
    })
  )

  it.scoped("of oneself is told like that of others", () =>
    Effect.gen(function* () {
      const { person } = yield* crowd()
      const ann = yield* person("ann")
      const { seen } = yield* ann.watch()
      const reading = yield* ann.read()
      yield* reading.stop
      assert.deepStrictEqual(seen, ["Members", "Joined ann", "Left ann"])
    })
  )
})

describe("A membership lasts", () => {
  it.scoped("while the connection breaks and comes back, however often", () =>
    Effect.gen(function* () {
      const { ann, changes, members } = yield* annAndWatcher()
      for (let i = 0; i < 5; i++) {
        yield* ann.cut
        assert.deepStrictEqual(yield* members(), ["ann"])
        yield* TestClock.adjust("31 seconds")
      }
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready", generation: 6 })
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("to the last millisecond of the resume window", () =>
    Effect.gen(function* () {
      const { ann, changes, members } = yield* annAndWatcher()
      yield* ann.goAway
      yield* TestClock.adjust(window)
      assert.deepStrictEqual(yield* members(), ["ann"])
      yield* ann.comeBack()
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      yield* TestClock.adjust(window + 1)
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann"])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("when a newer connection takes the session over from one that lives", () =>
    Effect.gen(function* () {
      const { dialer, members, person } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      yield* Effect.gen(function* () {
        const first = yield* join({ token: "ann" })
        yield* first.peer.say({ type: "subscribe", id: 1, topic: lobby.name })
        const second = yield* join({ token: "ann", ...resumeOf(first.welcome) })
        assert.deepInclude(first.peer.closed(), { code: 4409 })
        assert.deepInclude(second.welcome, { resumed: true })
        assert.deepStrictEqual(yield* members(), ["ann"])
        yield* second.peer.say({ type: "subscribe", id: 2, topic: lobby.name })
        assert.strictEqual(second.peer.said("subscribed").length, 1)
      }).pipe(Effect.provideService(Dialer.Dialer, dialer))
      assert.deepStrictEqual(seen, ["Members", "Joined ann"])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("while a slow reader has its publications paused, through its reconnects", () =>
    Effect.gen(function* () {
      const { gateway, members, person, sessionOf } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      const ann = yield* person("ann", { queueMessages: 2 })
      const reading = yield* ann.readSlowly()
      for (let i = 1; i <= 20; i++) yield* Effect.zipRight(gateway.publish(lobby, i), settle)
      assert.deepStrictEqual((yield* (yield* sessionOf("ann")).info).subscriptions, [lobby.name])
      assert.deepStrictEqual(reading.seen, [])
      yield* ann.cut
      yield* TestClock.adjust(window * 2)
      assert.deepStrictEqual(yield* members(), ["ann"])
      yield* reading.goOn
      assert.deepStrictEqual(
        reading.seen,
        Array.from({ length: 20 }, (_, i) => i + 1)
      )
      assert.deepStrictEqual(seen, ["Members", "Joined ann"])
    })
  )

  it.scoped("when a subscription lost its position and another one goes on from there", () =>
    Effect.gen(function* () {
      const { ann, changes, gateway, members, reading } = yield* annAndWatcher({ history: { messages: 1 } })
      yield* gateway.publish(lobby, 0)
      yield* settle
      yield* ann.goAway
      for (const i of [1, 2, 3]) yield* gateway.publish(lobby, i)
      yield* ann.comeBack()
      assert.strictEqual(yield* reading.failure, "PositionLost")
      const again = yield* ann.read()
      yield* gateway.publish(lobby, 4)
      yield* settle
      assert.deepStrictEqual(again.seen, [4])
      assert.deepStrictEqual(changes(), [])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(changes(), [])
      yield* again.stop
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  it.scoped("when it was given up and taken up again while the client was away", () =>
    Effect.gen(function* () {
      const { ann, changes, gateway, members, reading } = yield* annAndWatcher()
      yield* ann.goAway
      yield* reading.stop
      const again = yield* ann.read()
      yield* ann.comeBack()
      yield* gateway.publish(lobby, "hello")
      yield* settle
      assert.deepStrictEqual(again.seen, ["hello"])
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("when a session that the server subscribed is read from a position of its own", () =>
    Effect.gen(function* () {
      const { banned, gateway, person, sessionOf } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      banned.add("ann")
      const ann = yield* person("ann")
      yield* gateway.publish(lobby, "before")
      yield* (yield* sessionOf("ann")).subscribe(lobby)
      yield* settle
      const reading = yield* ann.read(lobby, { since: "oldest" })
      assert.deepStrictEqual(reading.seen, ["before"])
      assert.deepStrictEqual(seen, ["Members", "Joined ann"])
    })
  )
})

describe("A membership ends, and everybody is told once,", () => {
  /** What ends ann's membership; the principals that are there afterwards. */
  const ends: Record<
    string,
    (made: Effect.Effect.Success<ReturnType<typeof annAndWatcher>>) => Effect.Effect<unknown, unknown>
  > = {
    "when the stream is interrupted": ({ reading }) => reading.stop,
    "when the client says bye": ({ ann }) => ann.client.close,
    "when the server ends the session": ({ sessionOf }) =>
      Effect.flatMap(sessionOf("ann"), (session) => session.end("enough")),
    "when the server ends the subscription": ({ sessionOf }) =>
      Effect.flatMap(sessionOf("ann"), (session) => session.unsubscribe(lobby)),
    "when the server ends the subscription while the client is away": ({ ann, sessionOf }) =>
      Effect.zipRight(
        ann.goAway,
        Effect.flatMap(sessionOf("ann"), (session) => session.unsubscribe(lobby))
      ),
    "when the handler fails": ({ ann }) => ann.client.send("fail"),
    "when the principal is disconnected": ({ gateway }) => gateway.disconnect({ principal: "ann" }),
    "when the principal is disconnected while the client is away": ({ ann, gateway }) =>
      Effect.zipRight(ann.goAway, gateway.disconnect({ principal: "ann" })),
    "when the client comes back and may not subscribe any more": ({ ann, banned }) =>
      Effect.zipRight(
        Effect.sync(() => void banned.add("ann")),
        Effect.zipRight(ann.goAway, ann.comeBack())
      )
  }
  for (const [name, end] of Object.entries(ends)) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const made = yield* annAndWatcher()
        yield* end(made)
        yield* settle
        assert.deepStrictEqual(made.changes(), ["Left ann"])
        assert.deepStrictEqual(yield* made.members(), [])
        yield* TestClock.adjust(2 * window)
        assert.deepStrictEqual(made.changes(), ["Left ann"])
      })
    )
  }

  it.scoped("at the first millisecond after the resume window, not before", () =>
    Effect.gen(function* () {
      const { ann, changes, members } = yield* annAndWatcher()
      yield* TestClock.adjust(1234)
      yield* ann.goAway
      yield* TestClock.adjust(window)
      assert.deepStrictEqual(changes(), ["Away ann"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(changes(), ["Away ann", "Left ann"])
      assert.deepStrictEqual(yield* members(), [])
      yield* ann.comeBack()
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready" })
      assert.deepStrictEqual(changes(), ["Away ann", "Left ann", "Joined ann"], "in a new session")
    })
  )

  it.scoped("of all topics at once when the session ends", () =>
    Effect.gen(function* () {
      const { ann, members, watcher } = yield* annAndWatcher()
      yield* ann.read(garden)
      const inGarden = yield* watcher.watch(garden)
      yield* ann.client.close
      yield* settle
      assert.deepStrictEqual(inGarden.seen, ["Members ann", "Left ann"])
      assert.deepStrictEqual([yield* members(lobby), yield* members(garden)], [[], []])
    })
  )

  it.scoped("when the client comes back and has unsubscribed while it was away", () =>
    Effect.gen(function* () {
      const { ann, changes, members, reading } = yield* annAndWatcher()
      yield* ann.goAway
      yield* reading.stop
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* members(), ["ann"], "nobody can know yet")
      yield* ann.comeBack()
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann", "Left ann"])
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  it.scoped("when its stream is interrupted before it has told that its position was lost", () =>
    Effect.gen(function* () {
      const { gateway, members, person } = yield* crowd({ history: { messages: 1 } })
      const ann = yield* person("ann")
      const reading = yield* ann.readSlowly()
      yield* gateway.publish(lobby, 0)
      yield* settle
      yield* ann.goAway
      for (const i of [1, 2, 3]) yield* gateway.publish(lobby, i)
      yield* ann.comeBack()
      assert.deepStrictEqual(yield* members(), ["ann"])
      yield* reading.stop
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  it.scoped("when the rule fails to answer for a client that comes back", () =>
    Effect.gen(function* () {
      const { ann, broken, changes, reading } = yield* annAndWatcher()
      broken.add("ann")
      yield* ann.goAway
      yield* ann.comeBack()
      assert.include(yield* reading.failure, "TopicRefused failed")
      assert.deepStrictEqual(changes(), ["Left ann"])
    })
  )
})

describe("A watcher", () => {
  it.scoped("that was away is told what changed meanwhile, in order and once", () =>
    Effect.gen(function* () {
      const { person, reading, seen, watcher } = yield* annAndWatcher()
      const bob = yield* person("bob")
      yield* watcher.goAway
      const bobReads = yield* bob.read()
      yield* reading.stop
      yield* bobReads.stop
      yield* bob.read()
      yield* watcher.comeBack()
      const all = ["Members ann", "Joined bob", "Left ann", "Left bob", "Joined bob"]
      assert.deepStrictEqual(seen, all)
      yield* watcher.goAway
      yield* watcher.comeBack()
      assert.deepStrictEqual(seen, all)
    })
  )

  it.scoped("whose session was lost meanwhile is told the same", () =>
    Effect.gen(function* () {
      const { person, seen, watcher } = yield* annAndWatcher()
      const bob = yield* person("bob")
      yield* watcher.goAway
      yield* TestClock.adjust(window + 1)
      yield* bob.read()
      yield* watcher.comeBack()
      assert.deepInclude(yield* watcher.client.status, { _tag: "Ready" })
      assert.deepStrictEqual(seen, ["Members ann", "Joined bob"])
    })
  )

  it.scoped("for which the changes are too old to be kept is told who is there", () =>
    Effect.gen(function* () {
      const { person, reading, seen, watcher } = yield* annAndWatcher()
      const bob = yield* person("bob")
      yield* watcher.goAway
      yield* bob.read()
      yield* reading.stop
      yield* TestClock.adjust(300_000)
      yield* watcher.comeBack()
      assert.deepStrictEqual(seen, ["Members ann", "Joined bob", "Left ann"], "five minutes old, and kept")
      yield* watcher.goAway
      yield* reading.stop
      const carol = yield* person("carol")
      yield* carol.read()
      yield* TestClock.adjust(300_001)
      yield* watcher.comeBack()
      assert.deepStrictEqual(seen.slice(3), ["Members bob carol"])
      const dan = yield* person("dan")
      yield* dan.read()
      assert.deepStrictEqual(seen.slice(4), ["Joined dan"], "and goes on from there")
    })
  )

  for (const [changes, expected] of [
    [1000, "Left ghost"],
    [1001, "Members ann ghost"]
  ] as const) {
    it.scoped(`that missed ${changes} changes is told ${changes === 1000 ? "all of them" : "who is there"}`, () =>
      Effect.gen(function* () {
        const { memory, seen, watcher } = yield* annAndWatcher()
        yield* watcher.goAway
        const ghost = { session: "s", principal: "ghost" }
        for (let i = 0; i < changes; i++) {
          if (i % 2 === 0) yield* memory.join(lobby.name, `${lobby.name}#presence`, ghost, 1)
          else yield* memory.leave("s", { after: 0 })
        }
        yield* watcher.comeBack()
        assert.strictEqual(seen.length, changes === 1000 ? 1 + changes : 2)
        assert.strictEqual(seen.at(-1), expected)
      })
    )
  }

  it.scoped("whose position is not kept is answered with who is there, at once", () =>
    Effect.gen(function* () {
      const { dialer, gateway } = yield* annAndWatcher()
      const { peer } = yield* Effect.provideService(join({ token: "bob" }), Dialer.Dialer, dialer)
      const since = { epoch: "another", offset: 1 }
      yield* peer.say({ type: "subscribe", id: 1, topic: `${lobby.name}#presence`, since })
      const members = yield* gateway.members(lobby)
      assert.lengthOf(members, 1)
      assert.deepInclude(peer.said("subscribed")[0], { id: 1, recovered: false, reason: "epoch", members })
    })
  )

  it.scoped("of a log that was given up for others is told who is there", () =>
    Effect.gen(function* () {
      const { memory, seen, watcher, person } = yield* annAndWatcher({ broker: { maxTopics: 4 } })
      yield* watcher.goAway
      for (let i = 0; i < 10; i++) yield* memory.publish(`other/${i}`, "1")
      const bob = yield* person("bob")
      yield* bob.read()
      yield* watcher.comeBack()
      assert.deepStrictEqual(seen, ["Members ann", "Members ann bob"])
      const carol = yield* person("carol")
      yield* carol.read()
      assert.deepStrictEqual(seen.slice(2), ["Joined carol"])
    })
  )

  it.scoped("of a log that the broker could not follow is told who is there", () =>
    Effect.gen(function* () {
      const { person, seen, wire } = yield* annAndWatcher()
      yield* wire.gap(`${lobby.name}#presence`)
      assert.deepStrictEqual(seen, ["Members ann", "Members ann"])
      const bob = yield* person("bob")
      yield* bob.read()
      assert.deepStrictEqual(seen.slice(2), ["Joined bob"])
    })
  )

  it.scoped("that reads slowly is told everything all the same", () =>
    Effect.gen(function* () {
      const { person } = yield* crowd()
      const ann = yield* person("ann")
      const watcher = yield* person("watcher", { queueMessages: 2 })
      const { goOn, seen } = yield* watcher.watchSlowly()
      for (let i = 0; i < 10; i++) yield* Effect.flatMap(ann.read(), (reading) => reading.stop)
      assert.deepStrictEqual(seen, [])
      yield* goOn
      assert.deepStrictEqual(seen, ["Members", ...Array.from({ length: 10 }, () => ["Joined ann", "Left ann"]).flat()])
    })
  )

  it.scoped("that has stopped may watch again, and is told who is there then", () =>
    Effect.gen(function* () {
      const { person } = yield* crowd()
      const [ann, watcher] = [yield* person("ann"), yield* person("watcher")]
      const first = yield* watcher.watch()
      yield* first.stop
      yield* ann.read()
      const second = yield* watcher.watch()
      assert.deepStrictEqual(first.seen, ["Members"])
      assert.deepStrictEqual(second.seen, ["Members ann"])
    })
  )
})

describe("Presence is refused", () => {
  it.scoped("of a topic whose rule does not say `presence`, to clients and to the application", () =>
    Effect.gen(function* () {
      const { gateway, person } = yield* crowd()
      const ann = yield* person("ann")
      yield* ann.read(news)
      const watching = yield* ann.watch(news)
      assert.include(yield* watching.failure, "TopicRefused unknown-topic")
      const refused = yield* Effect.flip(gateway.members(news))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "unknown-topic" })
    })
  )

  it.scoped("to whom may not subscribe to the topic, who is no member either", () =>
    Effect.gen(function* () {
      const { banned, members, person } = yield* crowd()
      banned.add("ann")
      const ann = yield* person("ann")
      assert.strictEqual(yield* (yield* ann.watch()).failure, "TopicRefused not-allowed banned")
      assert.strictEqual(yield* (yield* ann.read()).failure, "TopicRefused not-allowed banned")
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  it.scoped("to whom may not subscribe any more, when they come back", () =>
    Effect.gen(function* () {
      const { ann, banned } = yield* annAndWatcher()
      const watching = yield* ann.watch()
      banned.add("ann")
      yield* ann.goAway
      yield* ann.comeBack()
      assert.strictEqual(yield* watching.failure, "TopicRefused not-allowed banned")
    })
  )

  for (const codec of ["json", "msgpack"] as const) {
    it.scoped(`where more are there than a message holds, and the client goes on without it (${codec})`, () =>
      Effect.gen(function* () {
        const { memory, person } = yield* crowd({ codec, maxMessage: 4096 })
        const watcher = yield* person("watcher")
        const come = (i: number) =>
          memory.join(lobby.name, `${lobby.name}#presence`, { session: `session-${i}`, principal: `person-${i}` }, 1)
        for (let i = 10; i < 40; i++) yield* come(i)
        const { seen, stop } = yield* watcher.watch()
        assert.lengthOf(seen[0]?.split(" ") ?? [], 31)
        yield* stop
        for (let i = 40; i < 200; i++) yield* come(i)
        assert.include(yield* (yield* watcher.watch()).failure, "TopicRefused too-large")
        assert.deepInclude(yield* watcher.client.status, { _tag: "Ready", generation: 1 })
      })
    )
  }

  it.scoped("to clients that would publish it themselves", () =>
    Effect.gen(function* () {
      const { dialer, seen } = yield* annAndWatcher()
      const { peer } = yield* Effect.provideService(join({ token: "bob" }), Dialer.Dialer, dialer)
      const body = { _tag: "Joined", member: { session: "s", principal: "nobody" } }
      yield* peer.say({ type: "publish", id: 1, topic: `${lobby.name}#presence`, body })
      assert.deepInclude(peer.said("error")[0], { id: 1, code: "not-allowed" })
      assert.deepStrictEqual(seen, ["Members ann"])
    })
  )
})

describe("Two gateways on one broker and one store", () => {
  it.scoped("tell of each other's sessions", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes, person, reading } = yield* twoGateways()
      const bob = yield* person("bob")
      yield* bob.goAway
      yield* bob.comeBack(b)
      yield* bob.read()
      const { seen } = yield* ann.watch()
      yield* reading.stop
      assert.deepStrictEqual(changes(), ["Joined bob", "Left ann"])
      assert.deepStrictEqual(seen, ["Members ann bob", "Left ann"])
      assert.deepStrictEqual([yield* a.members(), yield* b.members()], [["bob"], ["bob"]])
    })
  )

  it.scoped("hand a session over without a flap when one shuts down", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes, expire } = yield* twoGateways()
      const closing = yield* Effect.fork(a.close)
      yield* settle
      yield* ann.comeBack(b)
      yield* TestClock.adjust(window)
      yield* closing.await
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      yield* TestClock.adjust(2 * window)
      yield* expire
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* b.members(), ["ann"])
      yield* ann.client.close
      yield* settle
      assert.deepStrictEqual(changes(), ["Left ann"])
    })
  )

  it.scoped("hand over a session whose reader has paused, and that is a member for as long as it lives", () =>
    Effect.gen(function* () {
      const { a, b, expire, gateway, person } = yield* twoGateways()
      const bob = yield* person("bob", { queueMessages: 2 })
      const reading = yield* bob.readSlowly()
      for (let i = 1; i <= 20; i++) yield* Effect.zipRight(gateway.publish(lobby, i), settle)
      yield* bob.goAway
      const closing = yield* Effect.fork(a.close)
      yield* settle
      yield* bob.comeBack(b)
      yield* TestClock.adjust(2 * window)
      yield* closing.await
      yield* expire
      assert.include(yield* b.members(), "bob")
      yield* reading.goOn
      assert.deepStrictEqual(
        reading.seen,
        Array.from({ length: 20 }, (_, i) => i + 1)
      )
    })
  )

  for (const when of ["before", "by"] as const) {
    it.scoped(`have a session whose client is lost ${when} a shutdown leave after its window, not before`, () =>
      Effect.gen(function* () {
        const { a, ann, changes, expire } = yield* twoGateways()
        if (when === "before") yield* Effect.zipRight(ann.goAway, TestClock.adjust(1000))
        const closing = yield* Effect.fork(a.close)
        yield* settle
        yield* ann.goAway
        assert.isFalse(yield* isRunning(closing))
        yield* TestClock.adjust(window)
        yield* expire
        assert.deepStrictEqual(changes(), [])
        yield* TestClock.adjust(1)
        yield* expire
        assert.deepStrictEqual(changes(), ["Left ann"])
      })
    )
  }

  it.scoped("have a session stay that moved to the other, when its time on the first is over", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes, expire } = yield* twoGateways({ isStoreMute: true })
      yield* ann.goAway
      yield* ann.comeBack(b)
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      yield* TestClock.adjust(window + 1)
      assert.include(a.closed, "ann Expired", "it has not heard of the move")
      yield* expire
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* b.members(), ["ann"])
    })
  )

  it.scoped("have a session stay that moved to the other, when the first shuts down after that", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes, expire } = yield* twoGateways()
      yield* ann.goAway
      yield* ann.comeBack(b)
      yield* a.close
      yield* TestClock.adjust(2 * window)
      yield* expire
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* b.members(), ["ann"])
    })
  )

  it.scoped("have a session leave that has unsubscribed on the way from one to the other", () =>
    Effect.gen(function* () {
      const { ann, b, changes, reading } = yield* twoGateways()
      yield* ann.goAway
      yield* reading.stop
      yield* ann.comeBack(b)
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* b.members(), [])
    })
  )

  it.scoped("have a session leave that may not subscribe any more where it has come to", () =>
    Effect.gen(function* () {
      const { ann, b, banned, changes, reading } = yield* twoGateways()
      banned.add("ann")
      yield* ann.goAway
      yield* ann.comeBack(b)
      assert.strictEqual(yield* reading.failure, "TopicRefused not-allowed banned")
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* b.members(), [])
    })
  )

  it.scoped("have a session leave all its topics when it ends on the one that it has come to", () =>
    Effect.gen(function* () {
      const { ann, b, changes } = yield* twoGateways()
      yield* ann.goAway
      yield* ann.comeBack(b)
      yield* b.gateway.disconnect({ principal: "ann" })
      yield* settle
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* b.members(), [])
    })
  )

  it.scoped("have a session leave that was disconnected through the other, at once", () =>
    Effect.gen(function* () {
      const { a, b, changes } = yield* twoGateways()
      assert.strictEqual(yield* b.gateway.disconnect({ principal: "ann" }), 1)
      yield* settle
      assert.deepStrictEqual(a.closed, ["watcher MovedAway", "ann Ended"])
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* b.members(), [])
    })
  )

  it.scoped("have such a session leave when its own has the store note something, where the store tells nothing", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes } = yield* twoGateways({ isStoreMute: true })
      assert.strictEqual(yield* b.gateway.disconnect({ principal: "ann" }), 1)
      yield* ann.client.send("anything")
      yield* settle
      assert.deepStrictEqual(a.closed, ["ann Lost"])
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* b.members(), [])
    })
  )

  it.scoped("go to and fro without a flap", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes, expire } = yield* twoGateways()
      for (const node of [b, a, b, a]) {
        yield* ann.goAway
        yield* ann.comeBack(node)
        yield* TestClock.adjust("40 seconds")
        yield* expire
      }
      yield* TestClock.adjust(2 * window)
      yield* expire
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* a.members(), ["ann"])
    })
  )
})
