/** The laws can fail: stores with one fault each, and the law that finds it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ConnectionError, SessionStore } from "holdfast"
import { SessionStoreLaws } from "holdfast/testing"
import { faultyStore, type Store } from "./support.js"
import { caught, type Wrong } from "./wrong.js"

type Request = Parameters<Store["attach"]>[0]

/** What a wrong store remembers of its sessions. */
const memory = () => {
  const sessions = new Map<string, { generation: number; principal: string; secretHash: string }>()
  const generation = (id: string, otherwise: number) => sessions.get(id)?.generation ?? otherwise
  return {
    generation,
    sessions,
    create:
      (store: Store): Store["create"] =>
      (session) => {
        sessions.set(session.id, { generation: 1, principal: session.principal, secretHash: session.secretHash })
        return store.create(session)
      },
    attach:
      (store: Store, change: (request: Request) => Partial<Request> = () => ({})): Store["attach"] =>
      (request) =>
        Effect.tap(store.attach({ ...request, ...change(request) }), (answer) => {
          const known = sessions.get(request.id)
          if (answer._tag !== "Attached" || known === undefined) return
          known.generation = answer.session.generation
          known.secretHash = request.nextSecretHash
        })
  }
}

/** A store that knows the generation of each session, and so can forget to look at the caller's. */
const unfenced = (fault: (store: Store, generation: (id: string, otherwise: number) => number) => Partial<Store>) =>
  faultyStore((store) => {
    const known = memory()
    return { create: known.create(store), attach: known.attach(store), ...fault(store, known.generation) }
  })

const trusting = (change: (known: { principal: string; secretHash: string }) => Partial<Request>) =>
  faultyStore((store) => {
    const known = memory()
    return {
      create: known.create(store),
      attach: known.attach(store, ({ id }) => {
        const session = known.sessions.get(id)
        return session === undefined ? {} : change(session)
      })
    }
  })

const takesOver = "attach: takes a session over from its owner, which can change nothing any more"

const wrong: ReadonlyArray<Wrong> = [
  [
    "append forgets to fence",
    takesOver,
    unfenced((store, current) => ({ append: (id, given, all) => store.append(id, current(id, given), all) }))
  ],
  [
    "append forgets to fence while the session is taken over",
    "append: what an owner appends while it is taken over is in what the next one is given, or was Fenced",
    unfenced((store, current) => ({
      append: (id, given, all) => Effect.suspend(() => store.append(id, current(id, given), all))
    }))
  ],
  [
    "acknowledge forgets to fence",
    takesOver,
    unfenced((store, current) => ({ acknowledge: (id, given, all) => store.acknowledge(id, current(id, given), all) }))
  ],
  [
    "confirm forgets to fence",
    takesOver,
    unfenced((store, current) => ({ confirm: (id, given) => store.confirm(id, current(id, given)) }))
  ],
  [
    "detach forgets to fence",
    takesOver,
    unfenced((store, current) => ({ detach: (id, given, window) => store.detach(id, current(id, given), window) }))
  ],
  [
    "remove forgets to fence",
    takesOver,
    unfenced((store, current) => ({ remove: (id, given, why) => store.remove(id, current(id, given), why) }))
  ],
  [
    "detach says that it is fenced off, and detaches all the same",
    takesOver,
    unfenced((store, current) => ({
      detach: (id, given, window) =>
        Effect.zipRight(Effect.ignore(store.detach(id, current(id, given), window)), store.detach(id, given, window))
    }))
  ],
  [
    "Fenced does not say that the session is gone",
    "every operation on a session that never was is Fenced, as gone",
    faultyStore((store) => ({
      append: (id, generation, all) =>
        Effect.catchTag(store.append(id, generation, all), "Fenced", () =>
          Effect.fail(new ConnectionError.Fenced({ id, generation, gone: false }))
        )
    }))
  ],
  [
    "adds invitations to those that there were",
    "acknowledge: invitations are those that were noted last, and go with the session",
    faultyStore((store) => {
      const noted = new Map<string, ReadonlyArray<SessionStore.Invitation>>()
      return {
        acknowledge: (id, generation, progress) => {
          const { invitations } = progress
          if (invitations === undefined) return store.acknowledge(id, generation, progress)
          const all = [...(noted.get(id) ?? []), ...invitations]
          noted.set(id, all)
          return store.acknowledge(id, generation, { ...progress, invitations: all })
        }
      }
    })
  ],
  [
    "forgets invitations with the next progress",
    "acknowledge: invitations are those that were noted last, and go with the session",
    faultyStore((store) => ({
      acknowledge: (id, generation, progress) => store.acknowledge(id, generation, { invitations: [], ...progress })
    }))
  ],
  [
    "accepts the old secret after confirm",
    "attach: the secret before stays valid until the current one is confirmed",
    faultyStore(() => ({ confirm: () => Effect.void }))
  ],
  [
    "forgets the secret before at once",
    "attach: the secret before stays valid until the current one is confirmed",
    faultyStore((store) => ({
      attach: (request) =>
        Effect.tap(store.attach(request), (answer) =>
          answer._tag === "Attached" ? Effect.ignore(store.confirm(request.id, answer.session.generation)) : Effect.void
        )
    }))
  ],
  [
    "does not look at the principal",
    "attach: a wrong secret or another principal is a Mismatch, and changes nothing",
    trusting(({ principal }) => ({ principal }))
  ],
  [
    "does not look at the principal of what is gone",
    "attach: what is gone tells why to its owner alone: to others it is a Mismatch, as it was while it lived",
    trusting(({ principal }) => ({ principal }))
  ],
  [
    "does not look at the secret",
    "attach: a wrong secret or another principal is a Mismatch, and changes nothing",
    trusting(({ secretHash }) => ({ secretHash }))
  ],
  [
    "does not look at the attempt",
    "attach: an attempt that is not later than all before is Superseded, and changes nothing",
    faultyStore((store) => ({ attach: (request) => store.attach({ ...request, attempt: undefined }) }))
  ],
  [
    "says Superseded to who is no owner",
    "attach: who is no owner hears Mismatch and not Superseded",
    faultyStore((store) => {
      const attempts = new Map<string, number>()
      return {
        attach: (request) =>
          Effect.suspend(() => {
            const { attempt = 0, id } = request
            if (attempt <= (attempts.get(id) ?? -1)) return Effect.succeed({ _tag: "Superseded" } as const)
            attempts.set(id, attempt)
            return store.attach(request)
          })
      }
    })
  ],
  [
    "reads the generation, and writes it in another step",
    "attach: of many at once each that attaches has a generation of its own, and the last alone owns",
    unfenced((store, current) => ({
      attach: (request) =>
        Effect.gen(function* () {
          const generation = current(request.id, 1) + 1
          yield* Effect.yieldNow()
          const answer = yield* store.attach(request)
          return answer._tag === "Attached" ? { ...answer, session: { ...answer.session, generation } } : answer
        })
    }))
  ],
  [
    "appends one by one, and may be interrupted between two",
    "append: one that is interrupted is done whole or not at all, and is tried again",
    faultyStore((store) => ({
      append: (id, generation, all) =>
        Effect.forEach(all, (message) => Effect.zipLeft(store.append(id, generation, [message]), Effect.yieldNow()), {
          discard: true
        })
    }))
  ],
  [
    "ignores an append of which it has a part",
    "append: one that is tried again is appended once, wherever the two overlap",
    faultyStore((store) => {
      const sent = new Map<string, number>()
      return {
        append: (id, generation, all) =>
          Effect.suspend(() => {
            if ((all[0]?.seq ?? 0) <= (sent.get(id) ?? 0)) return Effect.void
            sent.set(id, all.at(-1)?.seq ?? 0)
            return store.append(id, generation, all)
          })
      }
    })
  ],
  [
    "appends again what it has already",
    "append: one that is tried again is appended once, wherever the two overlap",
    faultyStore((store) => {
      const sent = new Map<string, number>()
      return {
        append: (id, generation, all) =>
          Effect.suspend(() => {
            const last = sent.get(id) ?? 0
            sent.set(id, last + all.length)
            return store.append(
              id,
              generation,
              all.map((message, i) => ({ ...message, seq: last + 1 + i }))
            )
          })
      }
    })
  ],
  [
    "keeps bytes as text",
    "append: payloads and flags are kept as they are: text as text, bytes as bytes",
    faultyStore((store) => ({
      append: (id, generation, all) =>
        store.append(
          id,
          generation,
          all.map(({ payload, ...rest }) => ({
            ...rest,
            payload: typeof payload === "string" ? payload : new TextEncoder().encode(new TextDecoder().decode(payload))
          }))
        )
    }))
  ],
  [
    "forgets the last message that is kept when others are released",
    "acknowledge: releases what the client has processed, and nothing else",
    faultyStore((store) => ({
      attach: (request) =>
        Effect.map(store.attach(request), (answer) =>
          answer._tag === "Attached" && answer.session.acked > 0
            ? { ...answer, session: { ...answer.session, outbound: answer.session.outbound.slice(1) } }
            : answer
        )
    }))
  ],
  [
    "takes the last acknowledgement for the highest",
    "acknowledge: neither number goes back, whatever the other does",
    faultyStore((store) => {
      const told = new Map<string, number>()
      return {
        acknowledge: (id, generation, progress) => {
          told.set(id, progress.processed)
          return store.acknowledge(id, generation, progress)
        },
        attach: (request) =>
          Effect.map(store.attach(request), (answer) =>
            answer._tag === "Attached"
              ? { ...answer, session: { ...answer.session, processed: told.get(request.id) ?? 0 } }
              : answer
          )
      }
    })
  ],
  [
    "keeps numbers as Lua writes them, of 14 digits",
    "attach, acknowledge: numbers up to 2^53 - 1 are exact",
    faultyStore((store) => ({
      acknowledge: (id, generation, { acked, processed }) =>
        store.acknowledge(id, generation, { acked, processed: Number(processed.toPrecision(14)) })
    }))
  ],
  [
    "expires a millisecond early",
    "detach: the session is there at the last millisecond of its window, and expired at the next (exact)",
    faultyStore((store) => ({ detach: (id, generation, window) => store.detach(id, generation, window - 1) }))
  ],
  [
    "expires a millisecond late",
    "detach: the session is there at the last millisecond of its window, and expired at the next (exact)",
    faultyStore((store) => ({ detach: (id, generation, window) => store.detach(id, generation, window + 1) }))
  ],
  [
    "never expires",
    "detach: a session that is not attached again within its window is Gone, as Expired",
    faultyStore((store) => ({ detach: (id, generation) => store.detach(id, generation, Number.MAX_SAFE_INTEGER) }))
  ],
  [
    "never expires, by the live clock",
    "detach: a session that is not attached again within its window is Gone, as Expired",
    faultyStore((store) => ({ detach: (id, generation) => store.detach(id, generation, Number.MAX_SAFE_INTEGER) })),
    { clock: "live", unit: "20 millis" }
  ],
  [
    "lets a late detach of an expired session pass",
    "detach: what has expired is gone: its owner does not bring it back",
    faultyStore((store) => ({
      detach: (id, generation, window) =>
        Effect.catchTag(store.detach(id, generation, window), "Fenced", (fenced) =>
          fenced.gone ? Effect.void : Effect.fail(fenced)
        )
    }))
  ],
  [
    "keeps no tombstone",
    "remove: without a tombstone the session is Unknown, with one it is Gone and says why",
    faultyStore((store) => ({ remove: (id, generation) => store.remove(id, generation) }))
  ],
  [
    "takes what it does not know for expired",
    "attach: a session that never was is Unknown",
    faultyStore((store) => ({
      attach: (request) =>
        Effect.map(store.attach(request), (answer) =>
          answer._tag === "Unknown" ? { _tag: "Gone", tombstone: { _tag: "Expired" } } : answer
        )
    }))
  ],
  [
    "counts tombstones",
    "size: counts the sessions that are kept, and no tombstones",
    faultyStore((store) => {
      let removed = 0
      return {
        remove: (id, generation, why) => Effect.tap(store.remove(id, generation, why), () => void removed++),
        size: Effect.map(store.size, (size) => size + removed)
      }
    })
  ],
  [
    "takes the target of revoke for a pattern",
    "revoke: a session is no principal, a principal no session, and neither is a pattern",
    faultyStore((store) => {
      const known = new Set<string>()
      return {
        create: (session) => {
          known.add(session.principal)
          return store.create(session)
        },
        revoke: (target, why) =>
          "session" in target
            ? store.revoke(target, why)
            : Effect.map(
                Effect.forEach(
                  [...known].filter((name) => name.startsWith(target.principal)),
                  (principal) => store.revoke({ principal }, why)
                ),
                (counts) => counts.reduce((sum, count) => sum + count, 0)
              )
      }
    })
  ],
  [
    "counts what is revoked before it is removed",
    "revoke: of many at once each session is counted by one, and no attach brings it back",
    faultyStore((store) => {
      const living = new Map<string, number>()
      return {
        create: (session) => {
          living.set(session.principal, (living.get(session.principal) ?? 0) + 1)
          return store.create(session)
        },
        revoke: (target, why) =>
          Effect.gen(function* () {
            const count = "principal" in target ? (living.get(target.principal) ?? 0) : 0
            yield* Effect.yieldNow()
            const removed = yield* store.revoke(target, why)
            if ("principal" in target) living.set(target.principal, 0)
            return Math.max(count, removed)
          })
      }
    })
  ],
  [
    "fails",
    "append: no messages change nothing",
    faultyStore(() => ({
      append: () => Effect.fail(new ConnectionError.StoreUnavailable({ cause: new Error("no connection") }))
    }))
  ],
  ["dies", "append: no messages change nothing", faultyStore(() => ({ append: () => Effect.dieMessage("a bug") }))],
  [
    "does not answer",
    "append: no messages change nothing",
    faultyStore(() => ({ append: () => Effect.uninterruptible(Effect.never) })),
    { patience: "10 millis" }
  ],
  [
    "is another one on each node",
    "create: a new session is of generation 1, attached, and holds nothing",
    Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory()),
    { nodes: 2 }
  ]
]

describe("a wrong store is caught", () => caught(wrong))

it.effect("a law that is broken says what was done, what the contract says, and what was found", () =>
  Effect.gen(function* () {
    const laws = SessionStoreLaws.make(faultyStore(() => ({ confirm: () => Effect.void })))
    const law = laws.find(({ name }) => name.includes("until the current one is confirmed"))
    const broken = yield* Effect.flip(law?.holds ?? Effect.void)
    assert.strictEqual(
      broken.message,
      [
        "the law “attach: the secret before stays valid until the current one is confirmed” is broken",
        "  looked at: attach with h1, after the confirm of h3, at ._tag",
        '  expected:  "Mismatch"',
        '  found:     "Attached"'
      ].join("\n")
    )
  })
)

it("the laws have names of their own, and those about the exact millisecond are for the TestClock", () => {
  const layer = SessionStore.layerMemory()
  const names = SessionStoreLaws.make(layer).map(({ name }) => name)
  const live = SessionStoreLaws.make(layer, { clock: "live" }).map(({ name }) => name)
  assert.strictEqual(new Set(names).size, names.length)
  assert.deepStrictEqual(
    names.filter((name) => !name.endsWith("(exact)")),
    live
  )
})
