/** Which way a gateway asks its store and its credentials: the plain functions that they offer, decorated or not. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, TestClock } from "effect"
import { Credentials, Gateway, Messages, SessionStore } from "holdfast"
import { MemoryNetwork, SessionStoreLaws } from "holdfast/testing"
import { makeClient, settle } from "../support/virtual.js"

const { SessionStore: Store } = SessionStore

type Service = Context.Tag.Service<SessionStore.SessionStore>
type Operation = SessionStore.Operation<never, unknown, unknown>

const operations = ["create", "attach", "confirm", "append", "acknowledge"] as const

/** A memory store that tells in which way each operation is asked. */
const told = (asked: Array<string>) =>
  Effect.map(SessionStore.makeMemory(), (store): Service => {
    const telling = (name: (typeof operations)[number]) => {
      const operation: Operation = store[name]
      const { immediate } = operation
      return Object.assign(
        (...args: never) => {
          asked.push(name)
          return operation(...args)
        },
        {
          immediate:
            immediate &&
            ((...args: never) => {
              asked.push(`${name} at once`)
              return immediate(...args)
            })
        }
      )
    }
    // Each has the type of what it tells of.
    return { ...store, ...Object.fromEntries(operations.map((name) => [name, telling(name)])) } as Service
  })

/** Three messages there and back, with the store changed in this way. */
const echo = (decorate: (store: Service) => Service) =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const echoed: Array<unknown> = []
    // The decorator is a Layer over another.
    const inner = Layer.effect(Store, told(asked))
    const layer = Layer.map(inner, (context) => Context.make(Store, decorate(Context.get(context, Store))))
    yield* Effect.gen(function* () {
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: (message, session) =>
          Effect.gen(function* () {
            yield* session.send(message)
          })
      })
      yield* settle
      const client = yield* makeClient()
      yield* Effect.forkScoped(client.runForEach((message) => Effect.sync(() => void echoed.push(message))))
      for (const n of [1, 2, 3]) yield* client.deliver(n)
      yield* TestClock.adjust("1 second")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryNetwork.layer(), layer)))
    assert.deepStrictEqual(echoed, [1, 2, 3])
    return asked
  })

const isAtOnce = (name: string) => name.endsWith(" at once")

describe("A store that offers its operations as plain functions", () => {
  it.effect("is asked by those alone, bare or behind a decorator that passes them on", () =>
    Effect.gen(function* () {
      const bare = yield* echo((store) => store)
      assert.deepStrictEqual(
        bare.filter((name) => !isAtOnce(name)),
        []
      )
      assert.includeMembers(bare, ["create at once", "confirm at once", "append at once", "acknowledge at once"])
      assert.deepStrictEqual(yield* echo((store) => ({ ...store })), bare)
    })
  )

  it.effect("is not asked past a decorator that puts a function of its own in the place of one", () =>
    Effect.gen(function* () {
      let appends = 0
      const asked = yield* echo((store) => ({
        ...store,
        append: (...args) => {
          appends++
          return store.append(...args)
        }
      }))
      assert.strictEqual(appends, 3)
      assert.notInclude(asked, "append at once")
      assert.include(asked, "acknowledge at once")
    })
  )

  it.effect("is asked for the effect where the plain function does not succeed", () =>
    Effect.gen(function* () {
      const asked = yield* echo((store) => ({
        ...store,
        append: Object.assign((...args: Parameters<Service["append"]>) => store.append(...args), {
          immediate: () => Exit.interrupt(Effect.runSync(Effect.fiberId))
        })
      }))
      assert.lengthOf(
        asked.filter((name) => name === "append"),
        3
      )
    })
  )

  it.effect("breaks the laws when they do something else", () =>
    Effect.gen(function* () {
      const wrong = Layer.effect(
        Store,
        Effect.map(SessionStore.makeMemory(), (store) => ({
          ...store,
          append: Object.assign((...args: Parameters<Service["append"]>) => store.append(...args), {
            immediate: () => Exit.void
          })
        }))
      )
      const laws = SessionStoreLaws.make(wrong).filter(({ name }) => name.startsWith("append: what it has already"))
      assert.lengthOf(laws, 1)
      for (const { holds } of laws) {
        const broken = yield* Effect.flip(holds)
        assert.include(broken.did, "by `immediate`")
      }
    })
  )
})

describe("Credentials", () => {
  it.effect("are asked for whatever is put in the place of one that answers at once", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      })
      yield* settle
      const client = yield* makeClient()
      yield* client.ready
      const ids = (yield* gateway.sessions).map(({ id }) => id)
      assert.deepStrictEqual(ids, ["mine"])
    }).pipe(
      Effect.scoped,
      Effect.provideService(Credentials.Credentials, { ...Credentials.webCrypto, id: Effect.succeed("mine") }),
      Effect.provide(Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory()))
    )
  )
})
