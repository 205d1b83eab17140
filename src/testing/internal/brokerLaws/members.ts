/** Laws of `join`, `leave` and `members`: who is there, and what is told of it. */
import * as Effect from "effect/Effect"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import type { Member } from "../../../protocol/Protocol.js"
import { cutShort, interleaved, turn } from "../bench.js"
import { type Breach, breach, expectSame } from "../expect.js"
import { type BrokerBench, Ears, exactLaw, law, textsOf } from "./brokerBench.js"

/** A topic with members, and the log in which it is told who they are. */
class Room {
  readonly topic: string
  readonly presence: string

  constructor(
    private readonly t: BrokerBench,
    name = "room"
  ) {
    this.topic = t.name(name)
    this.presence = `${this.topic}#presence`
  }

  member(name: string, principal = name): Member {
    return { session: this.t.name(name), principal }
  }

  join(name: string, node = this.t.one, principal?: string): Effect.Effect<void, BrokerUnavailable> {
    return node.join(this.topic, this.presence, this.member(name, principal), 1)
  }

  leave(name: string, after: number, node = this.t.other): Effect.Effect<void, BrokerUnavailable> {
    return node.leave(this.t.name(name), { topic: this.topic, after })
  }

  /** The principals that are there, sorted, and those of whom it was told that they came and went. */
  expect(did: string, there: ReadonlyArray<string>, told?: ReadonlyArray<string>) {
    return Effect.gen(this, function* () {
      const { members, position } = yield* this.t.other.members(this.topic, this.presence)
      const principals = members.map(({ principal }) => principal).sort()
      yield* expectSame(`the members, ${did}`, principals, there)
      const log = yield* this.t.read(this.presence)
      yield* expectSame(`the position of the members, ${did}`, position, log.end)
      if (told === undefined) return
      const texts = textsOf(log)
      if (typeof texts === "string") return yield* breach(`the presence log, ${did}`, "Complete", log)
      yield* expectSame(`what is told, ${did}`, texts.map(brief), told)
    })
  }
}

/** A `Presence` value: `+ann` has come, `-ann` has gone, and any other by its name. */
const brief = (text: string): string => {
  const told: { readonly _tag: string; readonly member: Member } = JSON.parse(text)
  const sign = told._tag === "Joined" ? "+" : told._tag === "Left" ? "-" : `${told._tag} `
  return `${sign}${told.member.principal}`
}

/** The members after what was told, sorted by session. */
const replay = (texts: ReadonlyArray<string>): ReadonlyArray<Member> => {
  const there = new Map<string, Member>()
  for (const text of texts) {
    const { _tag, member }: { readonly _tag: string; readonly member: Member } = JSON.parse(text)
    if (_tag !== "Left") there.set(member.session, member)
    else there.delete(member.session)
  }
  return [...there.values()].sort(bySession)
}

const bySession = (a: Member, b: Member): number => (a.session < b.session ? -1 : 1)

/** That the members are those of the log in which it is told, at the position that they were given with. */
const expectTold = (t: BrokerBench, did: string, room: Room): Effect.Effect<void, BrokerUnavailable | Breach> =>
  Effect.gen(function* () {
    const { members, position } = yield* t.other.members(room.topic, room.presence)
    const texts = textsOf(yield* t.read(room.presence))
    if (typeof texts === "string") return yield* breach(`the presence log, ${did}`, "Complete", texts)
    const expected = replay(texts.slice(0, position.offset))
    yield* expectSame(`the members at ${position.offset}, ${did}`, [...members].sort(bySession), expected)
  })

export const members = [
  law("members: join once however often they do, and leave once", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      yield* room.expect("before anybody joined", [], [])
      yield* room.join("ann")
      yield* room.join("ann", t.other)
      yield* room.join("bob")
      yield* room.expect("after ann joined twice and bob once", ["ann", "bob"], ["+ann", "+bob"])
      yield* room.leave("ann", 0)
      yield* room.leave("ann", 0, t.one)
      yield* room.leave("nobody", 0)
      yield* t.one.leave(t.name("nobody"), { after: 0 })
      yield* t.one.leave(t.name("bob"), { topic: t.name("elsewhere"), after: 0 })
      yield* room.expect("after ann left twice, and bob what he was not in", ["bob"], ["+ann", "+bob", "-ann"])
      yield* room.join("ann")
      yield* room.expect("after ann joined again", ["ann", "bob"], ["+ann", "+bob", "-ann", "+ann"])
    })
  ),

  law("members: are those that they were last said to be, and each change is told once", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      const away = { ...room.member("ann"), away: 12, data: { name: "Ann 漢", tags: ["a"] } }
      const say = (member: Member, node = t.one) => node.join(room.topic, room.presence, member, 1)
      const { epoch } = yield* say(room.member("ann"))
      yield* expectSame("the position of a change", yield* say(away, t.other), { epoch, offset: 2 })
      yield* expectSame("the position of none", yield* say(away), { epoch, offset: 2 })
      const { members } = yield* t.other.members(room.topic, room.presence)
      yield* expectSame("the members", members, [away])
      yield* say(room.member("ann"))
      yield* room.leave("ann", 0)
      const log = textsOf(yield* t.read(room.presence))
      if (typeof log === "string") return yield* breach("the presence log", "Complete", log)
      yield* expectSame(
        "what was told",
        log.map((text): unknown => JSON.parse(text)),
        [
          { _tag: "Joined", member: room.member("ann") },
          { _tag: "Changed", member: away },
          { _tag: "Changed", member: room.member("ann") },
          { _tag: "Left", member: room.member("ann") }
        ]
      )
    })
  ),

  law("members: are what the highest generation of their session has said, whenever a lower one says it", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      const say = (away: number, generation: number, node: typeof t.one) =>
        node.join(room.topic, room.presence, { ...room.member("ann"), away }, generation)
      yield* say(1, 9, t.one)
      yield* say(2, 10, t.other)
      yield* say(3, 9, t.one)
      const there = (did: string, away: number) =>
        Effect.flatMap(t.one.members(room.topic, room.presence), ({ members }) =>
          expectSame(`the member, ${did}`, members, [{ ...room.member("ann"), away }])
        )
      yield* there("of which the older generation spoke last", 2)
      yield* say(4, 10, t.other)
      yield* there("changed by the newer one", 4)
      yield* say(5, 11, t.one)
      yield* there("that came back to the first", 5)
      yield* room.expect("in the end", ["ann"], ["+ann", "Changed ann", "Changed ann", "Changed ann"])
      yield* room.leave("ann", 0, t.one)
      yield* say(6, 1, t.other)
      yield* there("that joined anew after it had left", 6)
    })
  ),

  law("members: are told as Presence values in the presence topic, and not in their own", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      const odd = { session: t.name("{s}:1"), principal: 'Ann "漢" 😀 {}' }
      const ears = new Ears()
      const start = yield* t.other.subscribe(room.presence, ears)
      yield* t.one.join(room.topic, room.presence, odd, 1)
      yield* t.one.leave(odd.session, { topic: room.topic, after: 0 })
      yield* t.expectHeard("of a join and a leave", ears, room.presence, start)
      yield* expectSame(
        "what was told",
        ears.texts.map((text): unknown => JSON.parse(text)),
        [
          { _tag: "Joined", member: odd },
          { _tag: "Left", member: odd }
        ]
      )
      yield* t.expectLog("the topic's own log", room.topic, undefined, [])
      const { position } = yield* t.one.members(room.topic, room.presence)
      yield* expectSame("the position of the members", position, { epoch: start.epoch, offset: 2 })
    })
  ),

  law("members: are sessions, so two of one principal are two", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      yield* room.join("first", t.one, "ann")
      yield* room.join("second", t.other, "ann")
      yield* room.expect("after both joined", ["ann", "ann"])
      yield* room.leave("first", 0)
      const { members } = yield* t.one.members(room.topic, room.presence)
      yield* expectSame("the members after one left", members, [room.member("second", "ann")])
    })
  ),

  law("members: leave all their topics at once when none is named, and nobody else does", (t) =>
    Effect.gen(function* () {
      const [red, blue] = [new Room(t, "red"), new Room(t, "blue")]
      yield* red.join("ann")
      yield* blue.join("ann", t.other)
      yield* blue.join("bob")
      yield* t.other.leave(t.name("ann"), { after: 0 })
      yield* red.expect("red, after ann left all", [], ["+ann", "-ann"])
      yield* blue.expect("blue, after ann left all", ["bob"], ["+ann", "+bob", "-ann"])
      yield* red.join("ann")
      yield* red.expect("red, after ann came back", ["ann"])
      yield* blue.expect("blue, after ann came back to red", ["bob"])
      // Of the topics that she is in, and not of all that she ever was in.
      yield* t.other.leave(t.name("ann"), { after: 0 })
      yield* red.expect("red, after ann left all again", [], ["+ann", "-ann", "+ann", "-ann"])
      yield* blue.expect("blue, after ann left all again", ["bob"], ["+ann", "+bob", "-ann"])
    })
  ),

  exactLaw("members: that leave after a while are there at its last millisecond, and gone at the next", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      yield* room.join("ann")
      yield* room.join("bob")
      yield* room.leave("ann", t.millis(1))
      yield* t.pass(1)
      yield* t.one.expire
      yield* room.expect("at the last millisecond", ["ann", "bob"])
      yield* t.pass(0, 1)
      yield* t.one.expire
      yield* t.other.expire
      yield* room.expect("a millisecond later", ["bob"], ["+ann", "+bob", "-ann"])
    })
  ),

  law("members: that leave after a while stay for it, then are gone, and it is told once", (t) =>
    Effect.gen(function* () {
      const room = new Room(t)
      yield* room.join("ann")
      yield* room.join("bob")
      yield* room.leave("ann", t.millis(5))
      yield* t.pass(1)
      yield* t.one.expire
      yield* room.expect("1 unit after a leave of 5", ["ann", "bob"], ["+ann", "+bob"])
      yield* t.pass(5)
      yield* t.one.expire
      yield* t.other.expire
      yield* room.expect("6 units after it", ["bob"], ["+ann", "+bob", "-ann"])
    })
  ),

  law("members: that leave all topics after a while go from all", (t) =>
    Effect.gen(function* () {
      const [red, blue] = [new Room(t, "red"), new Room(t, "blue")]
      yield* red.join("ann")
      yield* blue.join("ann")
      yield* t.other.leave(t.name("ann"), { after: t.millis(1) })
      yield* t.pass(2)
      yield* t.one.expire
      yield* red.expect("2 units after a leave of 1", [], ["+ann", "-ann"])
      yield* blue.expect("2 units after a leave of 1", [], ["+ann", "-ann"])
    })
  ),

  law("members: that join again in time never left, of the topic that they join", (t) =>
    Effect.gen(function* () {
      const [red, blue] = [new Room(t, "red"), new Room(t, "blue")]
      yield* red.join("ann")
      yield* blue.join("ann")
      yield* t.one.leave(t.name("ann"), { after: t.millis(4) })
      yield* red.join("ann", t.other)
      yield* t.pass(5)
      yield* t.one.expire
      yield* red.expect("after a leave and a join", ["ann"], ["+ann"])
      yield* blue.expect("after a leave alone", [], ["+ann", "-ann"])
    })
  ),

  law("members: whose last leave counts, leave when that says", (t) =>
    Effect.gen(function* () {
      const [red, blue] = [new Room(t, "red"), new Room(t, "blue")]
      yield* red.join("ann")
      yield* red.leave("ann", t.millis(30))
      yield* red.leave("ann", 0)
      yield* red.expect("after a leave of 30 units and one of 0", [], ["+ann", "-ann"])
      yield* blue.join("bob")
      yield* blue.leave("bob", t.millis(1))
      yield* blue.leave("bob", t.millis(30))
      yield* t.pass(2)
      yield* t.one.expire
      yield* blue.expect("2 units after a leave of 1 and one of 30", ["bob"], ["+bob"])
    })
  ),

  law("members: joining at once from everywhere is told once", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const room = new Room(t, `room ${round}`)
        yield* Effect.all(
          Array.from({ length: 30 }, (_, i) =>
            Effect.zipRight(turn(i), room.join("ann", i % 2 === 0 ? t.one : t.other))
          ),
          { concurrency: "unbounded", discard: true }
        )
        yield* room.expect("after 30 joins at once", ["ann"], ["+ann"])
        yield* room.leave("ann", 0)
        yield* room.expect("after a leave", [], ["+ann", "-ann"])
      })
    )
  ),

  law("members: are at every moment those that were told, at the position that they are given with", (t) =>
    interleaved((round) =>
      Effect.gen(function* () {
        const room = new Room(t, `room ${round}`)
        const coming = (i: number) =>
          Effect.gen(function* () {
            const node = i % 2 === 0 ? t.one : t.other
            for (let visit = 0; visit < 3; visit++) {
              yield* room.join(`member ${i}`, node)
              yield* turn(3 * i)
              if (visit < 2 || i % 3 === 0) yield* room.leave(`member ${i}`, 0, node)
            }
          })
        const looking = Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) => Effect.zipRight(turn(i), expectTold(t, `look ${i} while 9 come and go`, room)),
          { discard: true }
        )
        yield* Effect.all([looking, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map(coming)], { concurrency: "unbounded" })
        yield* expectTold(t, "in the end", room)
        const stayed = [1, 2, 4, 5, 7, 8].map((i) => `member ${i}`)
        yield* room.expect("in the end", stayed)
      })
    )
  ),

  law("join, leave: one that is interrupted is done and told, or neither", (t) =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const room = new Room(t, `room ${turns}`)
        const did = `was interrupted after ${turns} turns`
        yield* cutShort(room.join("ann"), turns)
        yield* expectTold(t, `when a join ${did}`, room)
        yield* room.join("ann")
        yield* room.expect(`when a join ${did} and tried again`, ["ann"], ["+ann"])
        // Of another, so that a join which is still on its way cannot come after it.
        yield* room.join("bob")
        yield* cutShort(room.leave("bob", 0, t.one), turns)
        yield* expectTold(t, `when a leave ${did}`, room)
        yield* room.leave("bob", 0, t.one)
        yield* room.expect(`when a leave ${did} and tried again`, ["ann"], ["+ann", "+bob", "-bob"])
      }
    })
  )
]
