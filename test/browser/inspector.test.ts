import { fileURLToPath } from "node:url"
import { HttpServer } from "@effect/platform"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Client, Gateway, Messages, SessionStore } from "holdfast"
import { Inspector, NodeDialer, NodeListener } from "holdfast/node"
import type { Page } from "playwright-core"
import { build } from "vite"
import { layer } from "../support/layer.js"
import { limit } from "../support/patience.js"
import { Chromium, profile, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"

/** Built where the inspector looks for it, as `npm start` does. */
class InspectorPage extends Context.Tag("test/InspectorPage")<InspectorPage, void>() {
  static readonly layer = Layer.effect(
    InspectorPage,
    Effect.asVoid(
      Effect.promise(() =>
        build({
          configFile: fileURLToPath(new URL("../../src/node/inspector/page/vite.config.ts", import.meta.url)),
          logLevel: "warn"
        })
      )
    )
  )
}

const nameOf = (index: number) => `person-${String(index).padStart(2, "0")}`

/** A gateway with so many sessions, and its inspector in a page. */
const world = (sessions: number) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.mergeAll(NodeListener.layerHttp({ port: 0, path: "/ws" }), NodeDialer.layer, SessionStore.layerMemory())
    )
    return yield* Effect.gen(function* () {
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: ({ token }) => Effect.succeed({ id: token ?? "somebody" }),
        onMessage: () => Effect.void
      })
      const router = yield* Inspector.make(gateway, { authenticate: () => Effect.void })
      yield* HttpServer.serveEffect(router)
      const clients = yield* Effect.forEach(
        Array.from({ length: sessions }, (_, index) => nameOf(index)),
        (token) =>
          Effect.tap(
            Client.make<unknown, unknown>({ url: gateway.address, messages: Messages.json, token }),
            (client) => client.ready
          ),
        { concurrency: 10 }
      )
      const { open } = yield* profile
      const page = yield* open(`${gateway.address.replace("ws:", "http:").replace("/ws", "")}/inspector/`)
      return { gateway, clients, page }
    }).pipe(Effect.provide(context))
  }).pipe(Effect.orDie)

const rows = (page: Page) => Effect.promise(() => page.getByTestId("session-row").locator("th").allTextContents())

const untilRows = (page: Page, what: string, expected: ReadonlyArray<string>) =>
  until(
    page,
    `the rows are ${what}`,
    (expected) => {
      const names = Array.from(document.querySelectorAll('[data-testid="session-row"] th'), (row) => row.textContent)
      return names.length === expected.length && names.every((name, index) => name?.includes(expected[index] ?? "?"))
    },
    expected
  )

const named = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => nameOf(from + index))

describeWithChromium("the inspector's page", () => {
  layer(Layer.merge(Chromium.layer, InspectorPage.layer), { excludeTestServices: true, timeout: limit })((it) => {
    it.scoped("sorts, pages and filters a gateway's sessions", () =>
      Effect.gen(function* () {
        const { page } = yield* world(60)
        const press = (id: string) => Effect.promise(() => page.getByTestId(id).click())
        yield* press("sort-principal")
        yield* untilRows(page, "the first by name", named(0, 25))
        yield* press("next-page")
        yield* untilRows(page, "the next by name", named(25, 50))
        yield* press("next-page")
        yield* untilRows(page, "the last by name", named(50, 60))
        yield* press("sort-principal")
        yield* untilRows(page, "the last by name, backwards", named(35, 60).reverse())
        yield* Effect.promise(() => page.getByTestId("filter").fill("person-4"))
        yield* untilRows(page, "those that the filter finds", named(40, 50).reverse())
        const info = yield* Effect.promise(() => page.getByTestId("page-info").first().textContent())
        assert.match(info ?? "", /10/)
      })
    )

    it.scoped("disconnects a session once it is confirmed, and the session has ended", () =>
      Effect.gen(function* () {
        const { clients, gateway, page } = yield* world(3)
        yield* Effect.promise(() => page.getByTestId("sort-principal").click())
        yield* untilRows(page, "all three", named(0, 3))
        const second = page.getByTestId("session-row").nth(1).getByTestId("disconnect")
        const confirm = page.getByTestId("confirm-disconnect")
        yield* Effect.promise(() => second.click())
        yield* Effect.promise(() => confirm.waitFor())
        yield* Effect.promise(() => page.keyboard.press("Escape"))
        yield* Effect.promise(() => confirm.waitFor({ state: "hidden" }))
        assert.strictEqual((yield* gateway.stats).sessions, 3)
        yield* Effect.promise(() => second.click())
        yield* Effect.promise(() => confirm.click())
        yield* untilRows(page, "the two that are left", [nameOf(0), nameOf(2)])
        assert.strictEqual((yield* rows(page)).length, 2)
        const ends = yield* Effect.forEach(clients, (client) => client.status)
        assert.deepStrictEqual(
          ends.map(({ _tag }) => _tag),
          ["Ready", "Ended", "Ready"]
        )
      })
    )
  })
})
