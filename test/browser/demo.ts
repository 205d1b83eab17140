/** The demo page as tests use it, whatever the browser. */
import { fileURLToPath } from "node:url"
import { Context, Effect, Layer } from "effect"
import { build } from "vite"
import { upTo } from "../node/support.js"
import { type GatewayProcess, gatewayProcess } from "./gateway.js"
import type { Opens, Tab, UsedTab } from "./tab.js"

/** The page, built where the example gateway serves it from, as `npm start` does. */
const built = Effect.runSync(
  Effect.cached(
    Effect.promise(() =>
      build({
        configFile: fileURLToPath(new URL("../../examples/web/vite.config.ts", import.meta.url)),
        logLevel: "warn"
      })
    )
  )
)

/** Of heartbeats, in milliseconds. */
export const heartbeat = 500
/** Of the others: they are not to lose their connection by what the machine does. */
const patient = 60_000

/** One for all tests but that which kills it: each has a room of its own. */
export class DemoGateway extends Context.Tag("test/DemoGateway")<DemoGateway, GatewayProcess>() {
  static readonly layer = Layer.scoped(DemoGateway, Effect.zipRight(built, gatewayProcess()))
}

/** Lets somebody into a room: a page each, in one profile of the browser. */
export const room = <R>(
  windows: Effect.Effect<Opens<UsedTab>, never, R>,
  name: string,
  gateway?: Pick<GatewayProcess, "port">
) =>
  Effect.gen(function* () {
    const { port } = gateway ?? (yield* DemoGateway)
    const { open } = yield* windows
    return (who: string, timing = `heartbeat=${heartbeat}&deadline=${patient}`) =>
      Effect.tap(open(`http://127.0.0.1:${port}/?room=${name}&name=${who}&${timing}`), (page) =>
        untilStatus(page, "Ready")
      )
  })

const selectorOf = (id: string) => `[data-testid="${id}"]`

export const text = (page: Tab, id: string) =>
  page.evaluate((selector) => document.querySelector(selector)?.textContent ?? "", selectorOf(id))

/** Of all elements that the selector finds. */
export const texts = (page: Tab, selector: string) =>
  page.evaluate((selector) => Array.from(document.querySelectorAll(selector), (found) => found.textContent), selector)

export const untilText = (page: Tab, id: string, expected: string) =>
  page.until(
    `${id} is ${expected}`,
    ([selector, expected]) => document.querySelector(selector)?.textContent === expected,
    [selectorOf(id), expected] as const
  )

export const untilStatus = (page: Tab, status: string) => untilText(page, "status", status)

export const press = (page: UsedTab, id: string) => page.click(selectorOf(id))

export const say = (page: UsedTab, line: string) =>
  press(page, "say").pipe(Effect.zipRight(page.type(line)), Effect.zipRight(page.press("Enter")))

export const sayAll = (page: UsedTab, all: ReadonlyArray<string>) =>
  Effect.forEach(all, (line) => say(page, line), { discard: true })

/** The lines that a page shows, without who said them. */
export const lines = (page: Tab) => texts(page, '[data-testid="line"] .text')

export const untilLines = (page: Tab, count: number) =>
  page.until(
    `${count} lines are there, and none waits`,
    (count) =>
      document.querySelectorAll('[data-testid="line"]').length >= count &&
      document.querySelector('[data-testid="line-state"][data-state="Waiting"]') === null,
    count
  )

export const numbered = (from: number, to: number) =>
  upTo(to)
    .slice(from - 1)
    .map((n) => `line ${n}`)
