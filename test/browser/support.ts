/** What the tests of `holdfast/browser` share: the bare page, a gateway, and the network between the two. */
import { fileURLToPath } from "node:url"
import { Context, Effect, Layer, type Scope } from "effect"
import type { Page } from "playwright-core"
import * as TcpProxy from "../node/tcpProxy.js"
import { layer } from "../support/layer.js"
import { limit } from "../support/patience.js"
import { Chromium, inPage, profile, until } from "./chromium.js"
import { type EchoGateway, type EchoOptions, echoGateway } from "./gateway.js"
import type { ConnectOptions } from "./page/main.js"
import { built } from "./pages.js"
import { serve } from "./site.js"

/** The URL of the bare page. */
export class BarePage extends Context.Tag("test/BarePage")<BarePage, string>() {
  static readonly layer = Layer.scoped(
    BarePage,
    Effect.flatMap(built(fileURLToPath(new URL("./page", import.meta.url))), serve)
  )
}

/** Tests that share a Chromium and the bare page, which the first file of a run builds. Their clock is the real one. */
export const inBrowser = layer(Layer.merge(Chromium.layer, BarePage.layer), {
  excludeTestServices: true,
  timeout: limit
})

export interface World extends EchoGateway {
  readonly page: Page
  readonly proxy: TcpProxy.TcpProxy
  /** Of the gateway, through the proxy. */
  readonly url: string
  /** Connects the page's client through the proxy, and waits until it is Ready. */
  readonly connect: (options?: Partial<ConnectOptions>) => Effect.Effect<void>
}

/** The bare page in a profile of its own, an echoing gateway, and a proxy between the two. */
export const world = (options?: EchoOptions): Effect.Effect<World, never, BarePage | Chromium | Scope.Scope> =>
  Effect.gen(function* () {
    const echo = yield* echoGateway(options)
    const proxy = yield* TcpProxy.make(echo.port)
    const { open } = yield* profile
    const page = yield* open(yield* BarePage)
    const url = `ws://127.0.0.1:${proxy.port}/`
    return {
      ...echo,
      page,
      proxy,
      url,
      connect: (more) =>
        Effect.zipRight(
          inPage(page, (all) => window.holdfast.connect(all), { url, ...more }),
          untilStatus(page, "Ready")
        )
    }
  })

/** Waits until the client's latest status is this. */
export const untilStatus = (page: Page, tag: string): Effect.Effect<void> =>
  until(page, `the client is ${tag}`, (wanted) => window.holdfast.history.at(-1)?._tag === wanted, tag)

/** Waits until so many connections have been Ready. */
export const untilReadyTimes = (page: Page, times: number): Effect.Effect<void> =>
  until(
    page,
    `the client is Ready for the ${times}. time`,
    (wanted) =>
      window.holdfast.history.filter(({ _tag }, at, all) => _tag === "Ready" && all[at - 1]?._tag !== "Ready").length >=
      wanted,
    times
  )

/** How each connection's session began. */
export const starts = (page: Page): Effect.Effect<ReadonlyArray<string>> =>
  inPage(
    page,
    () =>
      window.holdfast.history.flatMap((status, at, all) =>
        status._tag === "Ready" && all[at - 1]?._tag !== "Ready" ? [status.start._tag] : []
      ),
    undefined
  )
