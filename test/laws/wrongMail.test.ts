/** The laws of what gateways share can fail, too: mail, watching, and which gateways there are. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { Codec, ConnectionError, SessionStore } from "holdfast"
import { SessionStoreLaws } from "holdfast/testing"
import { faultyStore, type Store } from "./support.js"
import { caught, type Wrong } from "./wrong.js"

type Append = Store["append"]
type Messages = Parameters<Append>[2]

const withoutMail = (messages: Messages): Messages => messages.map((message) => ({ ...message, mail: undefined }))

const highest = (messages: Messages): number => Math.max(0, ...messages.map(({ mail = 0 }) => mail))

/** A store that takes mail out of the mailbox by itself: `take` says up to which. */
const taking = (fault: (store: Store, take: (id: string, upTo: number) => void) => Append) =>
  faultyStore((store) => {
    const taken = new Map<string, number>()
    const left = (id: string, mail: ReadonlyArray<SessionStore.Mail>) =>
      mail.filter(({ number }) => number > (taken.get(id) ?? 0))
    return {
      append: fault(store, (id, upTo) => void taken.set(id, Math.max(taken.get(id) ?? 0, upTo))),
      collect: (id, ...rest) => Effect.map(store.collect(id, ...rest), (mail) => left(id, mail)),
      attach: (request) =>
        Effect.map(store.attach(request), (answer) =>
          answer._tag === "Attached"
            ? { ...answer, session: { ...answer.session, mail: left(request.id, answer.session.mail) } }
            : answer
        )
    }
  })

const perSession = <A>(initial: () => A) => {
  const known = new Map<string, A>()
  return (id: string): A => {
    const value = known.get(id) ?? initial()
    known.set(id, value)
    return value
  }
}

const soon = { patience: "50 millis" } as const

const wrong: ReadonlyArray<Wrong> = [
  [
    "never takes mail out of the mailbox",
    "post: mail is numbered from 1, in order, and stays until messages made of it are appended",
    faultyStore((store) => ({ append: (id, generation, all) => store.append(id, generation, withoutMail(all)) }))
  ],
  [
    "takes the mail of a message that is there already",
    "append: a message takes its mail and all before, and one that is there already takes none",
    taking(
      (store, take) => (id, generation, all) =>
        Effect.tap(store.append(id, generation, all), () => take(id, highest(all)))
    )
  ],
  [
    "takes no mail when it has a part of the messages",
    "append: one with mail that is tried again appends each message once, and leaves no mail behind",
    faultyStore((store) => {
      const sent = new Map<string, number>()
      return {
        append: (id, generation, all) =>
          Effect.suspend(() => {
            const isKnown = (all[0]?.seq ?? 0) <= (sent.get(id) ?? 0)
            sent.set(id, all.at(-1)?.seq ?? 0)
            return store.append(id, generation, isKnown ? withoutMail(all) : all)
          })
      }
    })
  ],
  [
    "appends, and takes the mail in another step",
    "append: mail is either appended or left, wherever an append of it is interrupted",
    taking(
      (store, take) => (id, generation, all) =>
        store.append(id, generation, withoutMail(all)).pipe(
          Effect.zipLeft(Effect.yieldNow()),
          Effect.tap(() => take(id, highest(all)))
        )
    )
  ],
  [
    "lets an owner that was taken over take mail",
    "append: an owner that was taken over takes no mail",
    taking((store, take) => (id, generation, all) => {
      take(id, highest(all))
      return store.append(id, generation, all)
    })
  ],
  [
    "does not give the mail with the session",
    "attach: gives the mail that is left, which stays, attached or not",
    faultyStore((store) => ({
      attach: (request) =>
        Effect.map(store.attach(request), (answer) =>
          answer._tag === "Attached" ? { ...answer, session: { ...answer.session, mail: [] } } : answer
        )
    }))
  ],
  [
    "does not look at keys",
    "post: the same key again leaves nothing, also when its mail was taken; another key does",
    faultyStore((store) => {
      let posts = 0
      return { post: (id, { payload }, bounds) => store.post(id, { key: `${posts++}`, payload }, bounds) }
    })
  ],
  [
    "lets one message too many in",
    "post: more than so many messages are Full, until some are taken",
    faultyStore((store) => ({
      post: (id, mail, { bytes, messages }) => store.post(id, mail, { bytes, messages: messages + 1 })
    }))
  ],
  [
    "counts characters and not bytes",
    "post: more than so many bytes are Full, however they are written; one always fits",
    faultyStore((store) => {
      const excess = perSession(() => ({ bytes: 0 }))
      return {
        post: (id, mail, { bytes, messages }) => {
          const more = Codec.byteLength(mail.payload) - mail.payload.length
          const known = excess(id)
          return Effect.tap(store.post(id, mail, { messages, bytes: bytes + known.bytes + more }), (answer) => {
            if (answer === "Posted") known.bytes += more
          })
        }
      }
    })
  ],
  [
    "takes mail for sessions that are gone",
    "post: to a session that never was, was removed, revoked or has expired, is Unknown",
    faultyStore((store) => ({
      post: (...args) => Effect.map(store.post(...args), (answer) => (answer === "Unknown" ? "Posted" : answer))
    }))
  ],
  [
    "keeps bytes of mail as text",
    "post: payloads are kept as they are: text as text, bytes as bytes",
    faultyStore((store) => ({
      post: (id, { key, payload }, bounds) =>
        store.post(
          id,
          {
            key,
            payload: typeof payload === "string" ? payload : new TextEncoder().encode(new TextDecoder().decode(payload))
          },
          bounds
        )
    }))
  ],
  [
    "gives mail to an owner that was taken over",
    "collect: is for the owner alone",
    faultyStore((store) => {
      const newest = perSession(() => ({ generation: 1 }))
      return {
        attach: (request) =>
          Effect.tap(store.attach(request), (answer) => {
            if (answer._tag === "Attached") newest(request.id).generation = answer.session.generation
          }),
        collect: (id, _, after) => store.collect(id, newest(id).generation, after)
      }
    })
  ],
  [
    "reads the last number, and writes the next in another step",
    "post: of many at once from two nodes each is numbered, without a gap, in the order of each sender",
    faultyStore((store) => {
      const given = perSession((): Array<number> => [])
      return {
        post: (id, mail, bounds) =>
          Effect.gen(function* () {
            const next = given(id).length + 1
            yield* Effect.yieldNow()
            given(id).push(next)
            return yield* store.post(id, mail, bounds)
          }),
        collect: (id, generation, after) =>
          Effect.map(store.collect(id, generation, after), (mail) =>
            mail.map((one) => ({ ...one, number: given(id)[one.number - 1] ?? 0 }))
          )
      }
    })
  ],
  [
    "looks at a key, and writes it in another step",
    "post: of the same key many times at once is left once, and of a mailbox for some as many as fit",
    faultyStore((store) => {
      const keys = perSession(() => new Set<string>())
      let posts = 0
      return {
        post: (id, { key, payload }, bounds) =>
          Effect.gen(function* () {
            if (keys(id).has(key)) return "Posted" as const
            yield* Effect.yieldNow()
            keys(id).add(key)
            return yield* store.post(id, { key: `${posts++}`, payload }, bounds)
          })
      }
    })
  ],
  [
    "gives mail with the session alone",
    "post: what is posted while a session is taken over is for the next owner, once",
    faultyStore((store) => ({
      collect: (id, generation, after) =>
        Effect.map(store.collect(id, generation, after), (mail) => (generation > 1 ? [] : mail))
    }))
  ],
  [
    "tells nobody of a takeover",
    "watch: tells an owner that another node has taken over, and not that the newest owner is lost",
    faultyStore((store) => ({
      watch: ({ lost, mail }) =>
        store.watch({ mail, lost: (id, generation, loss) => loss._tag === "Removed" && lost(id, generation, loss) })
    })),
    soon
  ],
  [
    "tells the new owner that it is lost",
    "watch: tells an owner that another node has taken over, and not that the newest owner is lost",
    faultyStore((store) => ({
      watch: ({ lost, mail }) => store.watch({ mail, lost: (id, generation, loss) => lost(id, generation + 1, loss) })
    }))
  ],
  [
    "does not tell why a session was removed",
    "watch: tells an owner that its session was revoked, with the tombstone",
    faultyStore((store) => ({
      watch: ({ lost, mail }) =>
        store.watch({
          mail,
          lost: (id, generation, loss) =>
            lost(id, generation, loss._tag === "Removed" ? { ...loss, tombstone: undefined } : loss)
        })
    }))
  ],
  [
    "tells nobody of mail",
    "watch: tells the owner of mail, whichever node that is",
    faultyStore((store) => ({ watch: ({ lost }) => store.watch({ lost, mail: () => {} }) })),
    soon
  ],
  [
    "goes on telling who has stopped watching",
    "watch: tells each watcher until its scope closes, and nobody after that",
    faultyStore((store) => ({
      watch: (watcher) => Effect.flatMap(Scope.make(), (scope) => Scope.extend(store.watch(watcher), scope))
    }))
  ],
  [
    "finds what has expired",
    "find: knows the sessions that are kept, wherever they live, and no tombstones",
    faultyStore((store) => ({ detach: (id, generation) => store.detach(id, generation, Number.MAX_SAFE_INTEGER) }))
  ],
  [
    "does not withdraw",
    "announce: lists what each gateway said last, by id, until it is withdrawn",
    faultyStore(() => ({ withdraw: () => Effect.void }))
  ],
  [
    "lists gateways in any order",
    "announce: lists what each gateway said last, by id, until it is withdrawn",
    faultyStore((store) => ({ nodes: Effect.map(store.nodes, (nodes) => [...nodes].reverse()) }))
  ],
  [
    "keeps gateways for longer than it says",
    "announce: is forgotten when it was not said again within the lease (live: at most 10 units)",
    faultyStore(() => ({ lease: 1000 }))
  ],
  [
    "keeps gateways for longer than it says, by the live clock",
    "announce: is forgotten when it was not said again within the lease (live: at most 10 units)",
    faultyStore(() => ({ lease: 100 })),
    { clock: "live", unit: "20 millis" }
  ],
  [
    "keeps gateways for a millisecond longer",
    "announce: holds for the lease, and not a millisecond longer (exact)",
    faultyStore((store) => ({ lease: store.lease - 1 }))
  ],
  [
    "takes an order for a message",
    "post: an order is told from a message, in its place among them",
    faultyStore((store) => ({ post: (id, { key, payload }, bounds) => store.post(id, { key, payload }, bounds) }))
  ],
  [
    "keeps orders apart from the messages",
    "post: an order is told from a message, in its place among them",
    faultyStore((store) => ({
      collect: (id, generation, after) =>
        Effect.map(store.collect(id, generation, after), (mail) =>
          [...mail].sort((one, other) => Number(other.isOrder) - Number(one.isOrder))
        )
    }))
  ],
  [
    "knows the sessions of those alone that are attached",
    "sessionsOf: all of a principal that are kept, attached or not, and nobody else's",
    faultyStore((store) => {
      const away = new Set<string>()
      return {
        detach: (id, ...rest) => Effect.tap(store.detach(id, ...rest), () => away.add(id)),
        sessionsOf: (principal) => Effect.map(store.sessionsOf(principal), (ids) => ids.filter((id) => !away.has(id)))
      }
    })
  ],
  [
    "is never ready",
    "ready: succeeds on every node of a store that can be used",
    faultyStore(() => ({ ready: new ConnectionError.StoreUnavailable({ cause: new Error("no connection") }) }))
  ]
]

describe("a wrong store is caught", () => caught(wrong))

it("each of these laws has a store that breaks it", () => {
  const broken = new Set(wrong.map(([, law]) => law))
  const laws = SessionStoreLaws.make(SessionStore.layerMemory()).map(({ name }) => name)
  const about = laws.filter((name) => /^(post|sessionsOf|collect|watch|find|announce|ready|append:.* mail)/.test(name))
  assert.isAbove(about.length, 20)
  assert.deepStrictEqual(
    about.filter((name) => !broken.has(name)),
    []
  )
})
