/** gateway.disconnect: the sessions of a principal, or one by its id, in whatever phase they are. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import { ConnectionError, Gateway, Listener, Messages, type Session, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { greet, join, resumeOf } from "../support/peer.js"
import { makeClient, settle, World } from "../support/virtual.js"

type Store = SessionStore.SessionStore["Type"]
type GatewayOptions = Gateway.GatewayOptions<unknown, unknown, Gateway.Principal>

const makeGateway = (options?: Partial<GatewayOptions>) =>
  Effect.gen(function* () {
    const ends: Array<Session.SessionEnd> = []
    const gateway = yield* Gateway.make({
      messages: Messages.json,
      authenticate: ({ token = "ann" }) => Effect.succeed({ id: token }),
      onMessage: () => Effect.void,
      onClose: (_, end) => Effect.sync(() => void ends.push(end)),
      ...options
    })
    return { gateway, ends }
  })

/** A gateway on the same store, in a network of its own. */
const elsewhere = Effect.flatMap(Layer.build(MemoryNetwork.layer()), (context) =>
  Effect.provideService(makeGateway(), Listener.Listener, Context.get(context, Listener.Listener))
)

/** A store that is slow, before or after it does what it is asked; its `create` and `attach` alone. */
const slow = (store: Store, when: "before" | "after"): Store => {
  const late = <A, E>(effect: Effect.Effect<A, E>) =>
    when === "before" ? Effect.delay(effect, 1000) : Effect.zipLeft(effect, Effect.sleep(1000))
  return {
    ...store,
    create: (session) => late(store.create(session)),
    attach: (request) => late(store.attach(request))
  }
}

const ann = { principal: "ann" }
const ended = { code: 4410, reason: "banned" }

describe("gateway.disconnect", () => {
  it.scoped("ends the sessions of a principal at once, connected or away, and no others", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.SessionStore
      const { ends, gateway } = yield* makeGateway()
      const first = yield* join()
      const away = yield* join()
      const bob = yield* join({ token: "bob" })
      yield* away.peer.leave
      assert.strictEqual(yield* gateway.disconnect(ann, "banned"), 2)
      yield* settle
      assert.deepStrictEqual(first.peer.closed(), ended)
      assert.deepStrictEqual(ends, [
        { _tag: "Ended", reason: "banned", final: true },
        { _tag: "Ended", reason: "banned", final: true }
      ])
      assert.isUndefined(bob.peer.closed())
      assert.strictEqual((yield* gateway.stats).sessions, 1)
      assert.strictEqual(yield* store.size, 1)
      for (const { welcome } of [first, away]) {
        assert.deepStrictEqual((yield* greet(resumeOf(welcome))).closed(), ended)
      }
      assert.strictEqual(yield* gateway.disconnect(ann, "again"), 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends one session by its id", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway()
      const first = yield* join()
      const second = yield* join()
      assert.strictEqual(yield* gateway.disconnect({ session: String(second.welcome["session"]) }, "banned"), 1)
      yield* settle
      assert.deepStrictEqual(second.peer.closed(), ended)
      assert.isUndefined(first.peer.closed())
      assert.strictEqual(yield* gateway.disconnect({ session: "no such" }), 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("has a reason to tell when it is given none, and the client stops", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway()
      const client = yield* makeClient()
      yield* client.ready
      assert.strictEqual(yield* gateway.disconnect(ann), 1)
      const end = yield* client.ended
      assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { code: 4410, reason: "disconnected" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("tells the reason to nobody but the session's own client", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway()
      const { welcome } = yield* join()
      yield* gateway.disconnect(ann, "banned for what she did")
      const guess = { resume: { ...resumeOf(welcome).resume, secret: "a guess" } }
      for (const hello of [guess, { token: "bob", ...resumeOf(welcome) }]) {
        const { welcome } = yield* join(hello)
        assert.deepInclude(welcome, { resumed: false, reason: "secret" })
      }
      assert.deepInclude((yield* greet(resumeOf(welcome))).closed() ?? {}, { reason: "banned for what she did" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends sessions that only the store knows", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* makeGateway({ drainTimeout: 0 }).pipe(Scope.extend(scope))
      const first = yield* join()
      const bob = yield* join({ token: "bob" })
      yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      const { ends, gateway } = yield* makeGateway()
      const second = yield* join()
      assert.strictEqual(yield* gateway.disconnect(ann, "banned"), 2)
      yield* settle
      assert.deepStrictEqual(second.peer.closed(), ended)
      assert.deepStrictEqual((yield* greet(resumeOf(first.welcome))).closed(), ended)
      assert.lengthOf(ends, 1)
      const back = yield* join({ token: "bob", ...resumeOf(bob.welcome) })
      assert.deepInclude(back.welcome, { resumed: true })
    }).pipe(Effect.provide(World))
  )

  it.scoped("has a session on another gateway end at once, with the reason", () =>
    Effect.gen(function* () {
      const { ends } = yield* makeGateway()
      const other = yield* elsewhere
      const { peer, welcome } = yield* join()
      assert.strictEqual(yield* other.gateway.disconnect(ann, "banned"), 1)
      assert.deepStrictEqual(peer.closed(), ended)
      assert.deepStrictEqual(ends, [{ _tag: "Ended", reason: "banned", final: true }])
      assert.deepStrictEqual((yield* greet(resumeOf(welcome))).closed(), ended)
    }).pipe(Effect.provide(World))
  )

  it.scoped("where the store tells nothing, has it end when its gateway has the store note something", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.SessionStore
      const { ends, gateway } = yield* makeGateway().pipe(
        Effect.provideService(SessionStore.SessionStore, { ...store, watch: () => Effect.void })
      )
      const other = yield* elsewhere
      const { peer, welcome } = yield* join()
      assert.strictEqual(yield* other.gateway.disconnect(ann, "banned"), 1)
      assert.isUndefined(peer.closed())
      const [session] = yield* gateway.sessions
      yield* Effect.ignore(session?.send("anything") ?? Effect.void)
      yield* settle
      // Only the store knows why: it tells the client when that comes back.
      assert.deepInclude(peer.closed() ?? {}, { code: 1011 })
      assert.deepStrictEqual(ends, [{ _tag: "Lost" }])
      assert.deepStrictEqual((yield* greet(resumeOf(welcome))).closed(), ended)
    }).pipe(Effect.provide(World))
  )

  it.scoped("called by a handler of such a session ends the others all the same", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const store: Store = {
        ...memory,
        revoke: (target, tombstone) => Effect.delay(memory.revoke(target, tombstone), 1000)
      }
      yield* memory.create({ id: "elsewhere", principal: "ann", subprotocol: "holdfast.v1.json", secretHash: "h" })
      const { gateway } = yield* makeGateway({
        onMessage: (_, session) => Effect.orDie(Effect.asVoid(session.gateway.disconnect(ann, "banned")))
      }).pipe(Effect.provideService(SessionStore.SessionStore, store))
      const { peer } = yield* join()
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "forget me" })
      assert.deepStrictEqual(peer.closed(), ended)
      assert.strictEqual(yield* memory.size, 1)
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* memory.size, 0)
      assert.strictEqual((yield* gateway.stats).sessions, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("fails with the store, and has ended what lives here", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      let away = true
      const unavailable = new ConnectionError.StoreUnavailable({ cause: "away" })
      const store: Store = {
        ...memory,
        revoke: (target, tombstone) => Effect.suspend(() => (away ? unavailable : memory.revoke(target, tombstone))),
        remove: (id, generation, tombstone) =>
          Effect.suspend(() => (away ? unavailable : memory.remove(id, generation, tombstone)))
      }
      const { gateway } = yield* makeGateway().pipe(Effect.provideService(SessionStore.SessionStore, store))
      const { peer, welcome } = yield* join()
      const disconnecting = yield* Effect.fork(Effect.flip(gateway.disconnect(ann, "banned")))
      yield* settle
      assert.deepStrictEqual(peer.closed(), ended)
      yield* TestClock.adjust("20 seconds")
      assert.deepInclude(yield* Fiber.join(disconnecting), { _tag: "StoreUnavailable" })
      away = false
      assert.strictEqual(yield* gateway.disconnect(ann, "banned"), 1)
      assert.deepStrictEqual((yield* greet(resumeOf(welcome))).closed(), ended)
    }).pipe(Effect.provide(World))
  )
})

describe("gateway.disconnect while a hello is looked at", () => {
  for (const when of ["before", "after"] as const) {
    const world = Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const made = yield* makeGateway().pipe(Effect.provideService(SessionStore.SessionStore, slow(memory, when)))
      return { memory, ...made }
    })

    /** Nothing is left of it, and its client was told. */
    const over = (
      { ends, gateway, memory }: Effect.Effect.Success<typeof world>,
      closed: unknown,
      heard: ReadonlyArray<Session.SessionEnd> = []
    ) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(closed, ended)
        assert.deepStrictEqual(ends, heard)
        assert.deepInclude(yield* gateway.stats, { sessions: 0, connections: 0 })
        assert.strictEqual(yield* memory.size, 0)
      })

    it.scoped(`a session that the store creates (it is slow ${when} that)`, () =>
      Effect.gen(function* () {
        const made = yield* world
        const peer = yield* greet()
        yield* TestClock.adjust(500)
        const disconnecting = yield* Effect.fork(made.gateway.disconnect(ann, "banned"))
        yield* TestClock.adjust(500)
        yield* settle
        assert.strictEqual(yield* Fiber.join(disconnecting), 1)
        assert.lengthOf(peer.said("welcome"), 0)
        yield* over(made, peer.closed())
        // Later hellos have nothing to do with it.
        const next = yield* greet()
        yield* TestClock.adjust(1000)
        assert.lengthOf(next.said("welcome"), 1)
      }).pipe(Effect.provide(World))
    )

    it.scoped(`a session that lives here and is being resumed (${when})`, () =>
      Effect.gen(function* () {
        const made = yield* world
        const first = yield* greet()
        yield* TestClock.adjust(1000)
        const [welcome] = first.said("welcome")
        if (welcome === undefined) return assert.fail("no welcome")
        yield* first.leave
        const peer = yield* greet(resumeOf(welcome))
        yield* TestClock.adjust(500)
        const disconnecting = yield* Effect.fork(made.gateway.disconnect(ann, "banned"))
        yield* TestClock.adjust(500)
        yield* settle
        assert.strictEqual(yield* Fiber.join(disconnecting), 1)
        yield* over(made, peer.closed(), [{ _tag: "Ended", reason: "banned", final: true }])
      }).pipe(Effect.provide(World))
    )

    for (const target of ["principal", "session"] as const) {
      it.scoped(`a ${target}'s session that only the store knows and is being resumed (${when})`, () =>
        Effect.gen(function* () {
          const made = yield* world
          const session = {
            id: "s",
            principal: "ann",
            subprotocol: "holdfast.v1.json",
            secretHash: "hash of x"
          } as const
          yield* made.memory.create(session)
          const peer = yield* greet({ resume: { session: "s", secret: "x", processed: 0, oldest: 1 } })
          yield* TestClock.adjust(500)
          const disconnecting = yield* Effect.fork(
            made.gateway.disconnect(target === "principal" ? ann : { session: "s" }, "banned")
          )
          yield* TestClock.adjust(500)
          yield* settle
          assert.strictEqual(yield* Fiber.join(disconnecting), 1)
          yield* over(made, peer.closed())
        }).pipe(Effect.provide(World))
      )
    }
  }

  it.scoped("a hello that is being authenticated gets no session, whatever the application finds", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const memory = yield* SessionStore.makeMemory()
      const created: Array<string> = []
      const store: Store = {
        ...memory,
        create: (session) =>
          Effect.zipRight(
            Effect.sync(() => void created.push(session.principal)),
            memory.create(session)
          )
      }
      const { gateway } = yield* makeGateway({
        authenticate: ({ token = "ann" }) => Effect.as(Deferred.await(gate), { id: token })
      }).pipe(Effect.provideService(SessionStore.SessionStore, store))
      const peer = yield* greet()
      const bob = yield* greet({ token: "bob" })
      assert.strictEqual(yield* gateway.disconnect(ann, "banned"), 0)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(peer.closed(), ended)
      assert.lengthOf(bob.said("welcome"), 1)
      assert.deepStrictEqual(created, ["bob"])
      // It holds for the hellos of that time alone.
      yield* join()
    }).pipe(Effect.provide(World))
  )

  it.scoped("each hello sees what came since it began, and nothing from before", () =>
    Effect.gen(function* () {
      const gates = new Map<string, Deferred.Deferred<void>>()
      const { gateway } = yield* makeGateway({
        authenticate: ({ token = "" }) =>
          Effect.flatMap(Deferred.make<void>(), (gate) => {
            gates.set(token, gate)
            return Effect.as(Deferred.await(gate), { id: token.slice(0, 3) })
          })
      })
      const open = (token: string) =>
        Effect.suspend(() => {
          const gate = gates.get(token)
          return gate === undefined ? Effect.dieMessage(`nobody is ${token}`) : Deferred.succeed(gate, undefined)
        }).pipe(Effect.zipRight(settle))
      const eve = yield* greet({ token: "eve" })
      const ann1 = yield* greet({ token: "ann1" })
      yield* gateway.disconnect(ann, "banned")
      const ann2 = yield* greet({ token: "ann2" })
      yield* gateway.disconnect({ principal: "eve" }, "banned")
      const eve2 = yield* greet({ token: "eve2" })
      for (const token of ["ann2", "ann1", "eve2", "eve"]) yield* open(token)
      assert.deepStrictEqual(ann1.closed(), ended)
      assert.deepStrictEqual(eve.closed(), ended)
      assert.lengthOf(ann2.said("welcome"), 1)
      assert.lengthOf(eve2.said("welcome"), 1)
    }).pipe(Effect.provide(World))
  )
})
