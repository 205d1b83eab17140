/** Large messages of a page over a link slower than a message per deadline, and a cut. */
import { assert } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { Codec } from "holdfast"
import type { Page } from "playwright-core"
import * as SlowProxy from "../node/slowProxy.js"
import { eventually, limit } from "../support/patience.js"
import { inPage, profile, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { echoGateway } from "./gateway.js"
import { numbers } from "./page/numbers.js"
import { BarePage, inBrowser, untilStatus } from "./support.js"

const bytesPerSecond = 50_000
const timing = { heartbeatInterval: 1000, readDeadline: 3000, writeDeadline: 3000 } as const
/** Seven seconds. */
const large = "é€😀x".repeat(35_000)

/** How late publications of the page are answered, in milliseconds. */
const publishing = (page: Page) =>
  Effect.gen(function* () {
    const late: Array<number> = []
    const one = inPage(
      page,
      async () => {
        const before = performance.now()
        await window.holdfast.publish(1)
        return performance.now() - before
      },
      undefined
    )
    const noted = Effect.map(one, (millis) => void late.push(millis))
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.fork(noted), Effect.sleep("1 second"))))
    return late
  })

const medianOf = (late: ReadonlyArray<number>): number => {
  const [median = Number.POSITIVE_INFINITY] = [...late].sort((a, b) => a - b).slice(Math.floor(late.length / 2))
  return median
}

const world = (codec: "json" | "msgpack") =>
  Effect.gen(function* () {
    const echo = yield* echoGateway({ ...timing, mute: true })
    const proxy = yield* SlowProxy.make(echo.port, bytesPerSecond)
    const { open } = yield* profile
    const page = yield* open(yield* BarePage)
    const options = { ...timing, codec, url: `ws://127.0.0.1:${proxy.port}/` }
    yield* inPage(page, (options) => window.holdfast.connect(options), options)
    yield* untilStatus(page, "Ready")
    yield* inPage(page, () => window.holdfast.subscribe(), undefined)
    return { ...echo, page, proxy }
  })

/** Sends the large message and a small one behind it, cuts when the half of the large one has come, and waits for both. */
const upload = ({ handled, page, proxy }: Effect.Effect.Success<ReturnType<typeof world>>) =>
  Effect.gen(function* () {
    yield* inPage(
      page,
      async (large) => {
        await window.holdfast.send(large)
        await window.holdfast.send("after it")
      },
      large
    )
    yield* untilHalf(page, "sending", proxy)
    yield* proxy.cut
    yield* eventually(
      "both have arrived",
      Effect.sync(() => handled.length >= 2),
      () => proxy.carried.up
    )
    return handled
  })

const download = ({ gateway, page, proxy }: Effect.Effect.Success<ReturnType<typeof world>>) =>
  Effect.gen(function* () {
    const [session] = yield* gateway.sessions
    assert.isDefined(session)
    yield* session.send(large)
    yield* session.send("after it")
    yield* untilHalf(page, "receiving", proxy)
    yield* proxy.cut
    yield* until(page, "both have arrived", () => window.holdfast.received.length >= 2, undefined)
    return yield* inPage(page, () => window.holdfast.received, undefined)
  })

const untilHalf = (page: Page, way: "sending" | "receiving", { carried }: SlowProxy.SlowProxy) =>
  eventually(
    "the half of it has come",
    Effect.map(
      inPage(page, () => window.holdfast.stats(), undefined),
      ({ [way]: progress }) => progress !== undefined && progress.received > progress.size / 2
    ),
    () => carried.up + carried.down
  )

describeWithChromium(
  "a page's message that takes longer than the read deadline, over a connection that is cut in the middle of it",
  () => {
    inBrowser((it) => {
      for (const codec of ["json", "msgpack"] as const) {
        for (const way of ["up", "down"] as const) {
          it.scoped(
            `arrives once, is not carried again, and small publications pass it: ${way}, ${codec}`,
            () =>
              Effect.gen(function* () {
                const made = yield* world(codec)
                const { gateway, page, proxy } = made
                const answered = yield* publishing(page)
                yield* Clock.currentTimeMillis.pipe(
                  Effect.flatMap((now) => gateway.publish(numbers, now)),
                  Effect.zipRight(Effect.sleep("1 second")),
                  Effect.forever,
                  Effect.forkScoped
                )
                const before = proxy.carried[way]
                const arrived = yield* way === "up" ? upload(made) : download(made)
                const carried = proxy.carried[way] - before
                assert.isTrue(arrived.length === 2 && arrived[0] === large && arrived[1] === "after it")
                assert.isBelow(carried, 1.3 * Codec.byteLength(large))
                // The page publishes ones, and the gateway the time.
                const told = yield* inPage(
                  page,
                  () => window.holdfast.published.flatMap(({ at, value }) => (value > 1 ? [at - value] : [])),
                  undefined
                )
                console.log(`${way} ${codec}: carried ${carried}, answered after ${answered} ms, told after ${told} ms`)
                // Behind all of the message it would be up to seven seconds.
                assert.isBelow(medianOf(answered), 3000)
                assert.isBelow(medianOf(told), 3000)
              }),
            { concurrent: true, timeout: limit }
          )
        }
      }
    })
  }
)
