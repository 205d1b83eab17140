import net from "node:net"
import { Effect, Layer, Schema, Stream } from "effect"
import { Broker, Client, Codec, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"

const [dir = "up", codecName = "json", sizeArg = "5000000", rateArg = "50000", cutEvery = "8", delayArg = "0"] =
  process.argv.slice(2)
const codec = codecName === "json" ? Codec.json : Codec.msgpack
const size = Number(sizeArg),
  rate = Number(rateArg),
  delay = Number(delayArg)
const proxy = async (address: string) => {
  const target = Number(new URL(address).port)
  const open = new Set<any>()
  const carried = { up: 0, down: 0 }
  const server = net.createServer((near) => {
    const far = net.connect(target, "127.0.0.1")
    open.add([near, far])
    const pump = (from: net.Socket, to: net.Socket, way: "up" | "down") => {
      from.pause()
      let at = performance.now()
      let credit = 0
      return setInterval(() => {
        const now = performance.now()
        credit = Math.min(rate / 10, credit + ((now - at) * rate) / 1000)
        at = now
        const n = Math.min(from.readableLength, Math.floor(credit))
        if (n < 1) {
          from.read(0)
          return
        }
        const d = from.read(n)
        if (d) {
          credit -= d.length
          carried[way] += d.length
          delay ? setTimeout(() => to.write(d), delay) : to.write(d)
        }
      }, 10)
    }
    const timers = [pump(near, far, "up"), pump(far, near, "down")]
    for (const s of [near, far]) {
      s.on("error", () => {})
      s.on("close", () => {
        timers.forEach(clearInterval)
        near.destroy()
        far.destroy()
      })
    }
  })
  await new Promise<void>((r) => server.listen(0, "127.0.0.1", () => r()))
  return {
    url: `ws://127.0.0.1:${(server.address() as any).port}/`,
    carried,
    cut: () => {
      for (const [a, b] of open) {
        a.destroy()
        b.destroy()
      }
      open.clear()
    }
  }
}
const timing = {
  heartbeatInterval: "2 seconds",
  readDeadline: "6 seconds",
  writeDeadline: "6 seconds",
  maxMessage: 6_000_000
} as const
const News = Topic.make("news", Schema.Number)
const news = News.at({})
const body = "x".repeat(size)
const started = performance.now()
await Effect.gen(function* () {
  let got = 0
  const gateway = yield* Gateway.make({
    ...timing,
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    topics: [Gateway.topic(News, { subscribe: Gateway.allow, publish: Gateway.allow })],
    onMessage: (m: any, session) =>
      m === "please"
        ? session.send(body)
        : Effect.sync(() => {
            if (m.length === size) got++
          })
  })
  const way = yield* Effect.promise(() => proxy(gateway.address))
  const client = yield* Client.make({ url: way.url, messages: Messages.json, codec, ...timing })
  const late: number[] = [],
    lateDown: number[] = []
  yield* Effect.forkScoped(
    Stream.runForEach(client.messages, (m: any) =>
      Effect.sync(() => {
        if (m.length === size) got++
      })
    )
  )
  yield* Effect.forkScoped(
    Stream.runForEach(client.subscribe(news), (p: any) =>
      Effect.sync(() => {
        if (p.value > 0) lateDown.push(performance.now() - p.value)
      })
    )
  )
  yield* client.ready
  yield* Effect.sleep(500)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.zipRight(
        Effect.suspend(() => gateway.publish(news, performance.now())),
        Effect.sleep(1000)
      )
    )
  )
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.zipRight(
        Effect.suspend(() => {
          const t = performance.now()
          return Effect.fork(
            Effect.tapErrorCause(
              Effect.tap(client.publish(news, -1), () => Effect.sync(() => late.push(performance.now() - t))),
              (c) => Effect.sync(() => console.log(String(c).slice(0, 300)))
            )
          )
        }),
        Effect.sleep(1000)
      )
    )
  )
  if (Number(cutEvery) > 0)
    yield* Effect.forkScoped(
      Effect.forever(Effect.zipRight(Effect.sleep(Number(cutEvery) * 1000), Effect.sync(way.cut)))
    )
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.zipRight(
        Effect.sleep(10000),
        Effect.gen(function* () {
          const s = yield* client.stats
          const st = yield* client.status
          console.log(
            Math.round((performance.now() - started) / 1000),
            st._tag,
            st._tag === "Waiting" ? st.reason.message : "",
            s.sending,
            s.receiving,
            s.connection?.roundTrip,
            way.carried
          )
        })
      )
    )
  )
  const t0 = performance.now()
  if (dir === "up") yield* client.deliver(body)
  else {
    yield* client.send("please")
    while (got === 0) yield* Effect.sleep(50)
  }
  const t = (performance.now() - t0) / 1000
  yield* Effect.sleep(3000)
  const p = (a: number[], q: number) =>
    Math.round(a.sort((x, y) => x - y)[Math.min(a.length - 1, Math.floor(a.length * q))] ?? -1)
  const c = dir === "up" ? way.carried.up : way.carried.down
  console.log(
    dir,
    codecName,
    "once",
    got === 1,
    "seconds",
    t.toFixed(1),
    "carried/size",
    (c / size).toFixed(3),
    "of bandwidth",
    (size / t / rate).toFixed(2),
    "publish p50/p99/max",
    p(late, 0.5),
    p(late, 0.99),
    p(late, 1),
    "n",
    late.length,
    "told",
    p(lateDown, 0.5),
    p(lateDown, 0.99),
    p(lateDown, 1),
    "n",
    lateDown.length
  )
})
  .pipe(
    Effect.scoped,
    Effect.provide(
      Layer.mergeAll(
        NodeDialer.layer,
        NodeListener.layer({ port: 0 }),
        SessionStore.layerMemory(),
        Broker.layerMemory()
      )
    ),
    Effect.runPromise
  )
  .catch((e) => console.log(e))
process.exit(0)
