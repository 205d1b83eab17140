/**
 * What a page of the inspector's table costs a gateway with ten thousand live sessions: how long the event loop is held,
 * and how long the answer takes.
 *
 *     node --import tsx test/bench/inspector.ts [sessions]
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { HttpServer } from "@effect/platform"
import { Console, Context, Effect, Layer, Schema } from "effect"
import { Broker, Dialer, Gateway, Listener, Messages, SessionStore, Topic } from "holdfast"
import { Inspector, NodeListener } from "holdfast/node"
import { MemoryNetwork } from "holdfast/testing"

const count = Number(process.argv[2] ?? 10_000)
const rounds = 20
const Room = Topic.make("rooms/:room", Schema.Unknown)

const timed = (url: string) =>
  Effect.promise(async () => {
    const times: Array<number> = []
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const cpu = process.cpuUsage()
    for (let round = 0; round < rounds; round++) {
      const before = performance.now()
      const response = await fetch(url)
      await response.text()
      if (response.status !== 200) throw new Error(`${url}: ${response.status}`)
      times.push(performance.now() - before)
    }
    delay.disable()
    const { system, user } = process.cpuUsage(cpu)
    times.sort((one, other) => one - other)
    const ms = (value: number | undefined) => `${(value ?? 0).toFixed(1)} ms`
    // The histogram counts what the timer of 1 ms was late by, and that millisecond.
    const busy = ms((user + system) / 1000 / rounds)
    return `${busy} of processor a request; answer ${ms(times[rounds >> 1])}, slowest ${ms(times.at(-1))}; the event loop held for ${ms(delay.max / 1e6)} at most`
  })

/** A client that says hello, and nothing more. */
const greet = (dialer: Context.Tag.Service<Dialer.Dialer>, token: string) =>
  Effect.gen(function* () {
    const transport = yield* dialer.dial({
      url: "memory:",
      protocols: ["holdfast.v1.json"],
      maxFrame: 2 ** 20,
      closeTimeout: 1000
    })
    const ignore = () => {}
    yield* Effect.async<void>((resume) => {
      transport.run({
        message: () => resume(Effect.void),
        ping: ignore,
        pong: ignore,
        congested: ignore,
        drained: ignore,
        closed: ({ code, reason }) => resume(Effect.dieMessage(`closed: ${code} ${reason}`))
      })
      transport.send(JSON.stringify({ type: "hello", token }))
    })
  })

const program = Effect.gen(function* () {
  const network = yield* Layer.build(MemoryNetwork.layer())
  const gateway = yield* Gateway.make({
    messages: Messages.json,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "" }),
    onMessage: () => Effect.void,
    topics: [Gateway.topic(Room, { subscribe: Gateway.allow })],
    maxSessions: count + 1,
    maxSessionsPerPrincipal: count + 1,
    maxConnections: count + 1,
    maxConnectionsPerAddress: count + 1
  }).pipe(Effect.provideService(Listener.Listener, Context.get(network, Listener.Listener)))
  yield* Effect.forEach(
    Array.from({ length: count }, (_, at) => at),
    (at) => greet(Context.get(network, Dialer.Dialer), `principal-${at % 997}`),
    { concurrency: 200, discard: true }
  )
  const sessions = yield* gateway.sessions
  for (const [at, session] of sessions.entries()) {
    if (at % 2 === 0) yield* session.subscribe(Room.at({ room: String(at % 100) }))
  }
  const http = yield* Layer.build(NodeListener.layerHttp({ port: 0, path: "/ws" }))
  const inspector = yield* Inspector.make(gateway, { authenticate: () => Effect.void })
  const server = Context.get(http, HttpServer.HttpServer)
  yield* HttpServer.serveEffect(inspector).pipe(Effect.provideService(HttpServer.HttpServer, server))
  const port = server.address._tag === "TcpAddress" ? server.address.port : 0
  yield* Console.log(`${sessions.length} sessions`)
  for (const path of [
    "sessions?sort=id",
    "sessions?sort=lastActivity&order=desc&page=100",
    "sessions?sort=principal&filter=principal-99",
    "sessions?sort=unacknowledged&filter=rooms/17",
    "overview"
  ]) {
    const url = `http://127.0.0.1:${port}/inspector/api/${path}`
    yield* timed(url)
    yield* Effect.flatMap(timed(url), (said) => Console.log(`${path}: ${said}`))
  }
})

const Shared = Layer.merge(SessionStore.layerMemory(), Broker.layerMemory())
Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Shared))).then(
  () => process.exit(0),
  (cause) => {
    console.error(cause)
    process.exit(1)
  }
)
