import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref, Stream } from "effect"
import type { Client, ClientStatus, Options, Session } from "holdfast"
import { Codec } from "holdfast"
import { eventually, makeClient, makeGateway, seeded, upTo } from "./support.js"
import * as TcpProxy from "./tcpProxy.js"

type CodecName = "json" | "msgpack"

/** Bytes of one message on the wire, about. */
const messageBytes = { json: 55, msgpack: 20 }

/** Cuts the connection when more has come than is handled now, and waits for the next. */
const comesBack = (proxy: TcpProxy.TcpProxy, session: Session.Session<number>) =>
  Effect.gen(function* () {
    const { generation } = yield* session.info
    yield* Effect.sleep("10 millis")
    yield* proxy.cut
    yield* eventually(
      "the client to come back",
      Effect.map(session.info, (info) => info.generation > generation)
    )
  })

/** Sends 1 to `count` both ways at once while `weather` has its way with the connection; tells what arrived. */
const exchange = (options: {
  readonly count: number
  readonly codec?: CodecName
  readonly timing?: Options.All
  readonly weather: (proxy: TcpProxy.TcpProxy, client: Client.Client<number, number>) => Effect.Effect<void>
}) =>
  Effect.gen(function* () {
    const { codec = "json", count, timing } = options
    const opened = yield* Ref.make(0)
    const opening = yield* Deferred.make<Session.Session<number>>()
    const proxied = yield* Deferred.make<TcpProxy.TcpProxy>()
    const onServer: Array<number> = []
    const onClient: Array<number> = []
    const events: Array<ClientStatus.ClientEvent> = []
    const { port } = yield* makeGateway({
      ...timing,
      onOpen: (session) =>
        Effect.zipRight(
          Deferred.succeed(opening, session),
          Ref.update(opened, (n) => n + 1)
        ),
      // Now and then the handler takes as long as the client to come back, which retransmits what has arrived meanwhile.
      onMessage: (number, session) =>
        Effect.zipRight(
          number % 500 === 0
            ? Effect.flatMap(Deferred.await(proxied), (proxy) => comesBack(proxy, session))
            : Effect.void,
          Effect.sync(() => void onServer.push(number))
        )
    })
    const proxy = yield* TcpProxy.make(port)
    yield* Deferred.succeed(proxied, proxy)
    const client = yield* makeClient(proxy.port, { ...timing, codec: Codec[codec] })
    yield* Effect.fork(Stream.runForEach(client.events, (event) => Effect.sync(() => void events.push(event))))
    const receiving = yield* Effect.fork(
      Stream.runForEach(client.messages, (number) => Effect.sync(() => void onClient.push(number)))
    )
    const session = yield* Deferred.await(opening)
    yield* client.ready
    const weather = yield* Effect.fork(options.weather(proxy, client))

    yield* Effect.all(
      [Effect.forEach(upTo(count), client.send), Effect.forEach(upTo(count), (number) => session.send(number))],
      {
        concurrency: 2,
        discard: true
      }
    )
    yield* eventually(
      "everything has arrived",
      Effect.sync(() => onServer.length >= count && onClient.length >= count),
      () => onServer.length + onClient.length
    )
    yield* Fiber.interrupt(weather)
    yield* proxy.cutAfter(() => Number.POSITIVE_INFINITY)
    yield* proxy.restore
    // Only now would a message that is sent again arrive again.
    yield* eventually(
      "everything is acknowledged",
      Effect.map(session.info, ({ unacknowledged }) => unacknowledged.messages === 0)
    )
    const { generation, replayed, suppressed } = yield* session.info
    yield* client.close
    yield* Fiber.join(receiving)
    const { cut } = yield* proxy.stats
    assert.deepStrictEqual(onServer, upTo(count))
    assert.deepStrictEqual(onClient, upTo(count))
    assert.deepStrictEqual(events, [])
    assert.strictEqual(yield* Ref.get(opened), 1)
    return { cut, generation, replayed, suppressed }
  })

describe("over real sockets, 10,000 messages each way at once arrive once and in order", () => {
  for (const codec of ["json", "msgpack"] as const) {
    it.scopedLive(`while the connection is cut about every 100 (${codec})`, () =>
      seeded((random) =>
        Effect.gen(function* () {
          // The sooner of the two directions cuts: with 300 for each, that is 100 on average.
          const budget = 300 * messageBytes[codec]
          const seen = yield* exchange({
            count: 10_000,
            codec,
            weather: (proxy) => {
              const wind = Effect.suspend(() => proxy.delay(Math.floor(4 * random())))
              return Effect.zipRight(
                proxy.cutAfter(() => Math.ceil(budget * random())),
                Effect.forever(Effect.delay(wind, "20 millis"))
              )
            }
          })
          assert.isAbove(seen.cut, 50)
          assert.isAbove(seen.generation, 50)
          assert.isAbove(seen.replayed, 0)
          assert.strictEqual(seen.suppressed, 0, "what was received is not sent again")
        })
      )
    )
  }

  it.scopedLive("while it goes silent now and then, one way or both", () =>
    seeded((random) =>
      Effect.gen(function* () {
        let silences = 0
        const seen = yield* exchange({
          count: 10_000,
          timing: { heartbeatInterval: "100 millis", readDeadline: "300 millis" },
          weather: (proxy, client) =>
            Effect.gen(function* () {
              const directions = [["down"], ["up", "down"], ["up"]] as const
              // A delay keeps messages on their way at any moment.
              yield* proxy.delay(5)
              yield* Effect.sleep(5 + 20 * random())
              yield* proxy.silence(...(directions[silences % 3] ?? []))
              yield* eventually(
                "the silence is found",
                Effect.map(client.status, ({ _tag }) => _tag === "Waiting" || _tag === "Connecting")
              )
              silences++
              yield* proxy.restore
              yield* Effect.orDie(client.ready)
            }).pipe(Effect.forever)
        })
        assert.isAbove(silences, 4)
        assert.isAbove(seen.generation, silences - 1)
        assert.isAbove(seen.replayed, 0)
      })
    )
  )
})
