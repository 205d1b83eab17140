/** The laws can fail: brokers with one fault each, and the law that finds it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Scope } from "effect"
import { Broker, type Protocol } from "holdfast"
import { BrokerLaws, type Law } from "holdfast/testing"
import { type Brokerage, faultyBroker } from "./support.js"

type Published = Broker.Publication
type Listener = Broker.Listener

/** Keeps other bounds than it is told. */
const keeping = (change: (bounds: Broker.Retention) => Partial<Broker.Retention>) =>
  faultyBroker((broker) => ({
    publish: (topic, payload, options) => {
      const retention = options?.retention ?? Broker.defaultRetention
      return broker.publish(topic, payload, { ...options, retention: { ...retention, ...change(retention) } })
    }
  }))

/** Tells listeners other than it should. */
const telling = (published: (publication: Published, listener: Listener) => void) =>
  faultyBroker((broker) => ({
    subscribe: (topic, listener) =>
      broker.subscribe(topic, { ...listener, published: (publication) => published(publication, listener) })
  }))

/** Answers other histories than the log's. */
const reading = (
  change: (broker: Brokerage, topic: string, log: Broker.History) => Effect.Effect<Broker.History, unknown>
) =>
  faultyBroker((broker) => ({
    history: (topic, options) =>
      Effect.flatMap(broker.history(topic, options), (log) => Effect.orDie(change(broker, topic, log)))
  }))

/** Takes some topics for the same. */
const naming = (name: (topic: string) => string) =>
  faultyBroker((broker) => ({
    publish: (topic, payload, options) => broker.publish(name(topic), payload, options),
    subscribe: (topic, listener) => broker.subscribe(name(topic), listener),
    history: (topic, options) => broker.history(name(topic), options),
    join: (topic, ...rest) => broker.join(name(topic), ...rest),
    members: (topic, presence) => broker.members(name(topic), presence)
  }))

type Wrong = readonly [fault: string, law: string, broker: Layer.Layer<Broker.Broker>, options?: Law.Options]

const opaque = "a log: topics are opaque text, and no two of them mix"
const atTheBound = "recovery: when exactly what is kept was missed, complete; when one more was, refused as expired"
const begins =
  "a listener: that begins while many publish misses nothing after its position and hears nothing from before"
const everything =
  "a listener: hears everything after the position it was given, once, in order, and nothing from before"

const wrong: ReadonlyArray<Wrong> = [
  ["keeps one message too few", atTheBound, keeping(({ messages }) => ({ messages: messages - 1 }))],
  ["keeps one message too many", atTheBound, keeping(({ messages }) => ({ messages: messages + 1 }))],
  [
    "keeps as many as it wants",
    "a log: keeps what `defaultRetention` says when nothing else is said",
    keeping(() => ({ messages: 100 }))
  ],
  [
    "counts one unit too few",
    "recovery: by bytes, complete at the bound, refused one byte above; the newest is always kept",
    keeping(({ bytes }) => ({ bytes: bytes + 1 }))
  ],
  [
    "keeps publications a millisecond too short",
    "recovery: by age, complete at its last millisecond, refused at the next (exact)",
    keeping(({ age }) => ({ age: age - 1 }))
  ],
  [
    "keeps publications for ever, by the live clock",
    "recovery: by age, what is too old is refused, and what is not is complete",
    keeping(() => ({ age: 1_000_000_000 })),
    { clock: "live", unit: "20 millis" }
  ],
  [
    "gives what is left in place of refusing",
    atTheBound,
    reading((broker, topic, log) =>
      log._tag === "Refused" && log.reason === "expired" ? broker.history(topic, { limit: 1000 }) : Effect.succeed(log)
    )
  ],
  [
    "takes a position beyond the end for the end",
    "recovery: from beyond the end refused, from the end complete",
    reading((_, __, log) =>
      Effect.succeed(
        log._tag === "Refused" && log.reason === "ahead" ? { _tag: "Complete", publications: [], end: log.end } : log
      )
    )
  ],
  [
    "does not look at the epoch",
    "recovery: from another epoch, whatever its offset, refused",
    faultyBroker((broker) => ({
      history: (topic, { limit, since }) =>
        Effect.flatMap(broker.history(topic, { limit: 0 }), ({ end: { epoch } }) =>
          broker.history(topic, { limit, since: since === undefined ? undefined : { ...since, epoch } })
        )
    }))
  ],
  [
    "has one epoch for all topics",
    "a log: is another one for each topic, of another epoch",
    faultyBroker((broker) => {
      const flat = ({ offset }: Protocol.Position) => ({ epoch: "e", offset })
      return {
        publish: (topic, payload, options) => Effect.map(broker.publish(topic, payload, options), flat)
      }
    })
  ],
  [
    "forgets what it does not use, and begins again",
    "expire: after an hour without a publication a position is as good as before (exact)",
    faultyBroker((broker) => {
      let life = ""
      return {
        publish: (topic, payload, options) => broker.publish(topic + life, payload, options),
        history: (topic, options) => broker.history(topic + life, options),
        expire: Effect.sync(() => {
          life += "'"
        })
      }
    })
  ],
  [
    "starts again at offset 1 in the same epoch",
    "recovery: by age, what is too old is refused, and what is not is complete",
    faultyBroker((broker) => {
      const bases = new Map<string, number>()
      return {
        publish: (topic, payload, options) =>
          Effect.gen(function* () {
            const { end, ...log } = yield* broker.history(topic, { limit: 1 })
            if (log._tag === "Complete" && log.publications.length === 0) bases.set(topic, end.offset)
            const { epoch, offset } = yield* broker.publish(topic, payload, options)
            return { epoch, offset: offset - (bases.get(topic) ?? 0) }
          })
      }
    })
  ],
  [
    "gives the page's end for the log's",
    "a log: is read in pages, each of which goes on where the one before ended",
    reading((_, __, log) =>
      Effect.succeed(log._tag === "Complete" ? { ...log, end: log.publications.at(-1)?.position ?? log.end } : log)
    )
  ],
  [
    "does not look at the limit",
    "a log: is read in pages, each of which goes on where the one before ended",
    faultyBroker((broker) => ({ history: (topic, { since }) => broker.history(topic, { since, limit: 1000 }) }))
  ],
  [
    "reads the end of the log in another step than the log",
    "recovery: what history gave is complete while others publish, and stays as it was",
    reading((broker, topic, log) =>
      Effect.zipRight(
        Effect.yieldNow(),
        Effect.map(broker.history(topic, { limit: 0 }), ({ end }) => ({ ...log, end }))
      )
    )
  ],
  [
    "has times in seconds",
    "a log: has the times of its publications in milliseconds, none before the one before",
    reading((_, __, log) =>
      Effect.succeed(
        log._tag === "Complete"
          ? { ...log, publications: log.publications.map((one) => ({ ...one, at: Math.floor(one.at / 1000) })) }
          : log
      )
    )
  ],
  [
    "writes payloads in its own way",
    "a log: keeps payloads as they are, large ones too",
    faultyBroker((broker) => ({
      publish: (topic, payload, options) => broker.publish(topic, JSON.stringify(JSON.parse(payload)), options)
    }))
  ],
  [
    "takes what is in braces for the topic, as Redis Cluster does",
    opaque,
    naming((t) => /\{(.+?)\}/.exec(t)?.[1] ?? t)
  ],
  ["does not tell small letters from capitals", opaque, naming((topic) => topic.toLowerCase())],
  ["cuts long names", opaque, naming((topic) => topic.slice(0, 255))],
  ["takes composed letters for decomposed ones", opaque, naming((topic) => topic.normalize("NFC"))],
  [
    "does not look at keys",
    "a key: makes a repetition publish nothing, and give the position of the first",
    faultyBroker((broker) => ({
      publish: (topic, payload, options) => broker.publish(topic, payload, { retention: options?.retention })
    }))
  ],
  [
    "takes another payload under a key for a repetition",
    "a key: with another payload fails, and publishes nothing; long payloads that differ in one place too",
    faultyBroker((broker) => ({
      publish: (topic, payload, options) =>
        Effect.catchTag(broker.publish(topic, payload, options), "KeyReused", () =>
          Effect.map(broker.history(topic, { limit: 0 }), ({ end }) => end)
        )
    }))
  ],
  [
    "compares the beginning of payloads alone",
    "a key: with another payload fails, and publishes nothing; long payloads that differ in one place too",
    faultyBroker((broker) => {
      const first = new Map<string, string>()
      return {
        publish: (topic, payload, options) => {
          const known = first.get(`${topic} ${options?.key}`) ?? payload
          first.set(`${topic} ${options?.key}`, known)
          return broker.publish(topic, known.slice(0, 1000) === payload.slice(0, 1000) ? known : payload, options)
        }
      }
    })
  ],
  [
    "joins topic and key to one name",
    "a key: is opaque text, and of one topic means nothing in another",
    faultyBroker((broker) => {
      const known = new Map<string, Protocol.Position>()
      return {
        publish: (topic, payload, options) =>
          Effect.gen(function* () {
            const name = `${topic.replace(":b", "")}:${options?.key?.replace("b:", "")}`
            const before = known.get(name)
            if (options?.key !== undefined && before !== undefined) return before
            const position = yield* broker.publish(topic, payload, options)
            known.set(name, position)
            return position
          })
      }
    })
  ],
  [
    "remembers keys for too long",
    "a key: is remembered for the key window, to the millisecond (exact)",
    faultyBroker((broker) => ({ keyWindow: broker.keyWindow - 1 }))
  ],
  [
    "looks a key up, and remembers it in another step",
    "a key: used by many at once publishes once, and all get that position",
    faultyBroker((broker) => {
      const known = new Map<string, Protocol.Position>()
      return {
        publish: (topic, payload, options) =>
          Effect.gen(function* () {
            const before = known.get(topic + options?.key)
            if (before !== undefined) return before
            yield* Effect.yieldNow()
            const position = yield* broker.publish(topic, payload)
            known.set(topic + options?.key, position)
            return position
          })
      }
    })
  ],
  [
    "tells every publication twice",
    everything,
    telling((publication, listener) => {
      listener.published(publication)
      listener.published(publication)
    })
  ],
  [
    "tells all but every fifth publication",
    everything,
    telling((publication, listener) => {
      if (publication.position.offset % 5 !== 0) listener.published(publication)
    }),
    { patience: "50 millis" }
  ],
  [
    "tells publications without their times",
    everything,
    telling((publication, listener) => listener.published({ ...publication, at: -1 }))
  ],
  [
    "tells a new listener of what was before",
    everything,
    faultyBroker((broker) => ({
      subscribe: (topic, listener) =>
        Effect.gen(function* () {
          const log = yield* broker.history(topic, { limit: 1000 })
          if (log._tag === "Complete") log.publications.forEach(listener.published)
          return yield* broker.subscribe(topic, listener)
        })
    }))
  ],
  [
    "tells of a reset for nothing",
    everything,
    telling((publication, listener) => {
      listener.published(publication)
      if (publication.position.offset === 5) listener.reset(publication.position, "expired")
    })
  ],
  [
    "reads the end of the log in another step than it begins to listen",
    begins,
    faultyBroker((broker) => ({
      subscribe: (topic, listener) =>
        Effect.flatMap(broker.subscribe(topic, listener), () =>
          Effect.map(broker.history(topic, { limit: 0 }), ({ end }) => end)
        )
    }))
  ],
  [
    "begins to listen in another step than it reads the end of the log",
    begins,
    faultyBroker((broker) => ({
      subscribe: (topic, listener) =>
        Effect.flatMap(broker.history(topic, { limit: 0 }), ({ end }) =>
          Effect.as(broker.subscribe(topic, listener), end)
        )
    })),
    { patience: "50 millis" }
  ],
  [
    "goes on telling a listener whose scope is closed",
    "a listener: is one of many, whose end is not its own",
    faultyBroker((broker) => {
      const scope = Effect.runSync(Scope.make())
      return { subscribe: (topic, listener) => Scope.extend(broker.subscribe(topic, listener), scope) }
    })
  ],
  [
    "leaves a listener behind that was interrupted",
    "subscribe: one that is interrupted leaves no listener behind once its scope is closed",
    faultyBroker((broker) => {
      const scope = Effect.runSync(Scope.make())
      return {
        subscribe: (topic, listener) =>
          Effect.zipLeft(
            broker.subscribe(topic, listener),
            Effect.onInterrupt(Effect.yieldNow(), () =>
              Effect.orDie(Scope.extend(broker.subscribe(topic, { ...listener }), scope))
            )
          )
      }
    })
  ],
  [
    "tells a join each time",
    "members: join once however often they do, and leave once",
    faultyBroker((broker) => ({
      join: (topic, presence, member, generation) =>
        Effect.zipRight(
          broker.leave(member.session, { topic, after: 0 }),
          broker.join(topic, presence, member, generation)
        )
    }))
  ],
  [
    "leaks the members that leave all their topics",
    "members: leave all their topics at once when none is named, and nobody else does",
    faultyBroker((broker) => ({
      leave: (session, options) => (options.topic === undefined ? Effect.void : broker.leave(session, options))
    }))
  ],
  [
    "leaks the members whose time is over",
    "members: that leave after a while stay for it, then are gone, and it is told once",
    faultyBroker(() => ({ expire: Effect.void }))
  ],
  [
    "lets members go at once",
    "members: that leave after a while stay for it, then are gone, and it is told once",
    faultyBroker((broker) => ({ leave: (session, options) => broker.leave(session, { ...options, after: 0 }) }))
  ],
  [
    "lets members go a millisecond early",
    "members: that leave after a while are there at its last millisecond, and gone at the next (exact)",
    faultyBroker((broker) => ({
      leave: (session, { after, ...rest }) => broker.leave(session, { ...rest, after: Math.max(0, after - 1) })
    }))
  ],
  [
    "lets members go that have joined again",
    "members: that join again in time never left, of the topic that they join",
    faultyBroker((broker) => {
      const gone = new Set<string>()
      return {
        leave: (session, options) => Effect.tap(broker.leave(session, options), () => gone.add(session)),
        join: (topic, presence, member, generation) =>
          gone.has(member.session)
            ? Effect.succeed({ epoch: "none", offset: 0 })
            : broker.join(topic, presence, member, generation)
      }
    })
  ],
  [
    "keeps members as they were when they joined",
    "members: are those that they were last said to be, and each change is told once",
    faultyBroker((broker) => {
      const first = new Map<string, Protocol.Member>()
      return {
        join: (topic, presence, member, generation) => {
          const known = first.get(`${topic} ${member.session}`) ?? member
          first.set(`${topic} ${member.session}`, known)
          return broker.join(topic, presence, known, generation)
        }
      }
    })
  ],
  [
    "knows no generations",
    "members: are what the highest generation of their session has said, whenever a lower one says it",
    faultyBroker((broker) => ({ join: (topic, presence, member) => broker.join(topic, presence, member, 1) }))
  ],
  [
    "takes sessions of one principal for one",
    "members: are sessions, so two of one principal are two",
    faultyBroker((broker) => ({
      join: (topic, presence, member, generation) =>
        broker.join(topic, presence, { ...member, session: member.principal }, generation)
    }))
  ],
  [
    "tells joins in the topic itself",
    "members: are told as Presence values in the presence topic, and not in their own",
    faultyBroker((broker) => ({ join: (topic, _, ...rest) => broker.join(topic, topic, ...rest) })),
    { patience: "50 millis" }
  ],
  [
    "reads the members, and their position in another step",
    "members: are at every moment those that were told, at the position that they are given with",
    faultyBroker((broker) => ({
      members: (topic, presence) =>
        Effect.gen(function* () {
          const { members } = yield* broker.members(topic, presence)
          yield* Effect.yieldNow()
          return { ...(yield* broker.members(topic, presence)), members }
        })
    }))
  ],
  [
    "is another one on each node",
    "a log: numbers its publications from 1, in one epoch, and gives their positions",
    Layer.effect(Broker.Broker, Broker.makeMemory()),
    { nodes: 2 }
  ]
]

describe("a wrong broker is caught", () => {
  for (const [fault, law, broker, options] of wrong) {
    it.effect(`that ${fault}`, () =>
      Effect.gen(function* () {
        const found = BrokerLaws.make(broker, options).filter(({ name }) => name === law)
        assert.lengthOf(found, 1, `the law “${law}”`)
        for (const { holds } of found) {
          const broken = yield* Effect.flip(holds)
          assert.strictEqual(broken._tag, "LawBroken")
          assert.strictEqual(broken.law, law)
          assert.notInclude(broken.did, "which died")
          assert.isBelow(broken.message.length, 2000)
        }
      })
    )
  }
})

it("the laws have names of their own, and those about the exact millisecond are for the TestClock", () => {
  const layer = Broker.layerMemory()
  const names = BrokerLaws.make(layer).map(({ name }) => name)
  const live = BrokerLaws.make(layer, { clock: "live" }).map(({ name }) => name)
  assert.strictEqual(new Set(names).size, names.length)
  assert.deepStrictEqual(
    names.filter((name) => !name.endsWith("(exact)")),
    live
  )
})
