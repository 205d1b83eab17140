/**
 * Connects, talks and drops, and prints as JSON what is left of it. Run by
 * leaks.test.ts in a process of its own, with --expose-gc.
 */
import * as Net from "node:net"
import { Effect, Fiber, Stream, Supervisor } from "effect"
import { eventually, makeClient, makeGateway, upTo } from "../node/support.js"
import * as TcpProxy from "../node/tcpProxy.js"

/** What a process must have open to listen, to be connected, and to wait. */
const watched = ["Timeout", "Immediate", "TCPSocketWrap", "TCPServerWrap", "TCPConnectWrap"]
const resources = () => process.getActiveResourcesInfo().filter((name) => watched.includes(name)).length

type Handles = { readonly _getActiveHandles: () => ReadonlyArray<object> }
const servers = () =>
  (process as unknown as Handles)._getActiveHandles().filter((handle) => handle instanceof Net.Server)

const listenersOf = (emitter: NodeJS.EventEmitter) =>
  emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0)

const listeners = () => servers().reduce((count, server) => count + listenersOf(server), listenersOf(process))

/** One client, from its first connection to one of the four ends that there are. */
const cycle = (proxy: TcpProxy.TcpProxy, end: (id: string) => Effect.Effect<void>, turn: number) =>
  Effect.gen(function* () {
    const client = yield* makeClient(proxy.port)
    const { session } = yield* client.ready
    yield* client.send(turn)
    yield* Stream.runHead(client.messages)
    switch (turn % 4) {
      case 0: // a clean close
        return yield* client.close
      case 1: // the server ends it
        yield* end(session)
        return yield* Effect.asVoid(client.ended)
      case 2: // the connection is cut under it, and nobody comes back
        return yield* proxy.cut
      case 3: // interrupted, with a message on its way
        yield* client.send(turn)
        return yield* Effect.interrupt
    }
  }).pipe(Effect.scoped, Effect.fork, Effect.flatMap(Fiber.await))

/** Runs cycles in a scope, and tells what there was when they were over, while it was still open. */
const run = (cycles: number, supervisor: Supervisor.Supervisor<Array<Fiber.RuntimeFiber<unknown, unknown>>>) =>
  Effect.gen(function* () {
    const { gateway, port, store } = yield* makeGateway({
      resumeWindow: "100 millis",
      onMessage: (number, session) => session.send(number)
    })
    const proxy = yield* TcpProxy.make(port)
    const end = (id: string) => Effect.orDie(Effect.flatMap(gateway.session(id), (session) => session.end("enough")))
    const measure = Effect.map(supervisor.value, (fibers) => ({
      fibers: fibers.length,
      listeners: listeners(),
      resources: resources()
    }))
    yield* cycle(proxy, end, 0)
    const rest = Effect.map(gateway.stats, ({ connections, sessions }) => connections + sessions === 0)
    yield* eventually("the first session is gone", rest)
    const before = yield* measure
    yield* Effect.forEach(upTo(cycles), (turn) => cycle(proxy, end, turn), { discard: true })
    yield* eventually("all sessions are gone", rest)
    const { accepted } = yield* proxy.stats
    // What is closed is gone some turns later, on a busy machine some more; a leak is there for as long as one looks.
    const isLess = (now: typeof before) =>
      now.fibers <= before.fibers && now.listeners <= before.listeners && now.resources <= before.resources
    let after = yield* measure
    for (let looks = 0; looks < 200 && !isLess(after); looks++) after = yield* Effect.delay(measure, "50 millis")
    return { accepted, before, after, stats: yield* gateway.stats, stored: yield* store.size }
  }).pipe(Effect.scoped, Effect.supervised(supervisor))

/** Node forgets a closed handle a turn or two later. */
const someTurns = Effect.repeatN(
  Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
  4
)

const settledHeap = Effect.gen(function* () {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    yield* someTurns
  }
  return process.memoryUsage().heapUsed
})

const program = Effect.gen(function* () {
  const cycles = Number(process.argv[2] ?? 1000)
  const supervisor = yield* Supervisor.track
  const before = { listeners: listeners(), resources: resources() }
  yield* run(cycles, supervisor) // what the engine keeps of the code itself is there by then
  const heapBefore = yield* settledHeap
  const open = yield* run(cycles, supervisor)
  yield* someTurns
  const fibers = yield* supervisor.value
  const after = { listeners: listeners(), resources: resources() }
  const heapAfter = yield* settledHeap
  console.log(JSON.stringify({ open, before, after, fibers: fibers.length, heapBefore, heapAfter }))
})

// What is left of it must not keep it from telling so.
Effect.runPromise(program).finally(() => process.exit())
