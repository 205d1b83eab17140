/** What the tests of kept sessions share: tabs, and the pages that are loaded in them one after the other. */
import { Deferred, Effect, Layer, Stream } from "effect"
import { type Client, type ClientStatus, SessionKeeper, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { open } from "../../src/browser/internal/storageKeeper.js"
import { FakeStorage } from "../browser/unit/fakePage.js"
import { makeClient, type TestClient } from "./virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

/** Where one page after the other keeps its session. */
export interface Tab {
  readonly keeper: SessionKeeper.Service
  /** The page is left, and what it does from now on reaches nobody. */
  readonly leave: () => void
  /** What the next page would find. */
  readonly ticket: () => SessionKeeper.KeptState["ticket"]
}

interface Kept {
  readonly state: SessionKeeper.KeptState
  readonly messages: ReadonlyArray<SessionKeeper.KeptMessage>
  readonly subprotocol: string
}

const nothing: SessionKeeper.KeptState = {
  ticket: undefined,
  attempts: 0,
  acknowledged: 0,
  processed: 0,
  topics: []
}

/** As plain as can be: what was kept is a value. */
export const plainTab = (): Tab => {
  let visit = 0
  let kept: Kept = { state: nothing, messages: [], subprotocol: "" }
  const keeper: SessionKeeper.Service = {
    open: ({ subprotocol }) =>
      Effect.sync(() => {
        if (kept.subprotocol !== subprotocol) kept = { state: nothing, messages: [], subprotocol }
        const mine = visit
        const change = (to: (kept: Kept) => Kept) => {
          if (mine === visit) kept = to(kept)
        }
        const { messages, state } = kept
        return {
          found: state === nothing && messages.length === 0 ? undefined : { ...state, messages },
          isMine: () => true,
          keep: (state) => change((kept) => ({ ...kept, state })),
          add: (message) => change((kept) => ({ ...kept, messages: [...kept.messages, message] })),
          withdraw: (gone) =>
            change((kept) => ({
              ...kept,
              messages: kept.messages
                .filter(({ seq }) => seq !== gone)
                .map((message) => (message.seq > gone ? { ...message, seq: message.seq - 1 } : message))
            })),
          remove: (upTo) => change((kept) => ({ ...kept, messages: kept.messages.filter(({ seq }) => seq > upTo) })),
          forget: () => change((kept) => ({ ...kept, state: nothing, messages: [] }))
        }
      })
  }
  return {
    keeper,
    leave: () => {
      visit++
    },
    ticket: () => kept.state.ticket
  }
}

/** The storage of a browser's tab. */
export const storageTab = (
  storage = new FakeStorage()
): Tab & { readonly hide: () => void; readonly show: () => void } => {
  let current = storage
  let page = new EventTarget()
  const keeper: SessionKeeper.Service = {
    open: ({ failed, subprotocol }) =>
      Effect.flatMap(Effect.clock, (clock) =>
        open({
          storage: () => current,
          key: "holdfast",
          subprotocol,
          failed,
          page,
          locks: undefined,
          now: () => clock.unsafeCurrentTimeMillis()
        })
      )
  }
  return {
    keeper,
    leave: () => {
      page.dispatchEvent(new Event("pagehide"))
      page = new EventTarget()
      current = current.copy()
    },
    ticket: () => {
      const head = current.json("holdfast/1") as { readonly ticket?: SessionKeeper.KeptState["ticket"] } | undefined
      return head?.ticket
    },
    hide: () => void page.dispatchEvent(new Event("pagehide")),
    show: () => void page.dispatchEvent(new Event("pageshow"))
  }
}

export const tabs: Readonly<Record<string, () => Tab>> = { "a plain keeper": plainTab, "a tab's storage": storageTab }

/** What a page has, and what outlives it for the test to see. */
export interface Page {
  readonly client: TestClient
  readonly events: ReadonlyArray<ClientStatus.ClientEvent>
  /** Dies where it stands: nothing that it does then reaches the network or its tab. */
  readonly die: Effect.Effect<void>
}

export interface PageOptions extends Partial<Client.ClientOptions<unknown, unknown>> {
  /** What the page does with its client, as soon as it has it; `isAlive` tells what it does after its death. */
  readonly script?: ((client: TestClient, isAlive: () => boolean) => Effect.Effect<void>) | undefined
  /** What the page does with a message; by default it is put into `seen`. */
  readonly onMessage?: ((message: unknown) => Effect.Effect<unknown>) | undefined
  readonly seen?: Array<unknown> | undefined
  /** Whether the server hears that the page is gone. Default true. */
  readonly isTold?: boolean | undefined
}

let loaded = 0

/** Loads a page in a tab. */
export const load = (tab: Tab, options: PageOptions = {}) =>
  Effect.gen(function* () {
    const { isTold = true, onMessage, script = () => Effect.void, seen = [], ...clientOptions } = options
    const network = yield* Network
    const name = `page-${++loaded}`
    const events: Array<ClientStatus.ClientEvent> = []
    const made = yield* Deferred.make<TestClient>()
    let isDead = false
    const isAlive = () => !isDead
    const see = onMessage ?? ((message: unknown) => Effect.sync(() => seen.push(message)))
    // Its fibers may run until they are interrupted: a page that is gone sees nothing.
    const take = (message: unknown) => Effect.suspend(() => (isAlive() ? see(message) : Effect.never))
    const program = Effect.gen(function* () {
      const client = yield* makeClient(clientOptions)
      yield* Effect.forkScoped(
        Stream.runForEach(client.events, (event) => Effect.sync(() => isAlive() && events.push(event)))
      )
      yield* Deferred.succeed(made, client)
      yield* Effect.forkScoped(script(client, isAlive))
      yield* Stream.runForEach(client.messages, take)
      yield* Effect.never
    }).pipe(Effect.scoped, Effect.provideService(SessionKeeper.SessionKeeper, tab.keeper), Effect.orDie)
    yield* network.run(name, program)
    const client = yield* Deferred.await(made)
    const die = Effect.zipRight(
      Effect.sync(() => {
        isDead = true
        tab.leave()
      }),
      network.crash(name, { isTold })
    )
    const page: Page = { client, events, die }
    return page
  })

/** The attempts to resume that stores were asked for, in order. */
export const countingStore = (attempts: Array<number>) =>
  Layer.effect(
    SessionStore.SessionStore,
    Effect.map(SessionStore.makeMemory(), (store) => ({
      ...store,
      attach: (request: Parameters<typeof store.attach>[0]) => {
        attempts.push(request.attempt ?? 0)
        return store.attach(request)
      }
    }))
  )

export const startOf = (client: TestClient) =>
  Effect.map(client.status, (status) => (status._tag === "Ready" ? status.start._tag : status._tag))

/** Lets microtasks pass. */
export const turns = (count: number) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < count; turn++) yield* Effect.promise(() => Promise.resolve())
  })
