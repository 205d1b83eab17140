/** One Chromium for the tests of a file, and a profile of its own for each of them. */
import { Context, Effect, Exit, Layer, type Scope } from "effect"
import { type Browser, type BrowserContext, type ConsoleMessage, chromium as driver, type Page } from "playwright-core"
import { chromium, find } from "../gate/needed.js"
import { longest } from "../support/patience.js"

export class Chromium extends Context.Tag("test/Chromium")<Chromium, Browser>() {
  static readonly layer = Layer.scoped(
    Chromium,
    Effect.acquireRelease(
      Effect.promise(() =>
        driver.launch({ executablePath: find(chromium) ?? "chromium", args: ["--no-sandbox"], timeout: longest })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

/** What the browser itself logs of a request or a connection that failed: it is no message of the page's, so it has no arguments. */
const isOfTheNetwork = (message: ConsoleMessage): boolean =>
  message.args().length === 0 && /^(Failed to load resource|WebSocket connection to '.*' failed)/.test(message.text())

export interface Profile {
  readonly context: BrowserContext
  /** Uncaught exceptions, unhandled rejections and what was logged as an error, of all pages of the profile. */
  readonly errors: ReadonlyArray<string>
  /** What the pages' consoles show. */
  readonly console: ReadonlyArray<string>
  /** Opens a page in a tab of its own. */
  readonly open: (url: string) => Effect.Effect<Page>
}

/**
 * A profile without cookies or storage. The test fails when the scope closes and a page had an error; one that fails for
 * whatever reason shows the pages' consoles.
 */
export const profile: Effect.Effect<Profile, never, Chromium | Scope.Scope> = Effect.gen(function* () {
  const browser = yield* Chromium
  const errors: Array<string> = []
  const shown: Array<string> = []
  const begun = performance.now()
  const show = (kind: string, text: string) =>
    void shown.push(`${((performance.now() - begun) / 1000).toFixed(3)} ${kind}: ${text}`)
  const context = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newContext()),
    (context, exit) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => context.close())
        const consoles = `The pages' consoles:\n${shown.join("\n")}\n`
        if (errors.length > 0) yield* Effect.dieMessage(`the page had errors:\n${errors.join("\n")}\n\n${consoles}`)
        if (Exit.isFailure(exit)) process.stderr.write(consoles)
      })
  )
  context.setDefaultTimeout(longest)
  context.on("weberror", (webError) => {
    const error = webError.error()
    errors.push(error.stack ?? error.message)
    show("uncaught", error.stack ?? error.message)
  })
  context.on("console", (message) => {
    show(message.type(), message.text())
    if (message.type() === "error" && !isOfTheNetwork(message)) errors.push(message.text())
  })
  return {
    context,
    errors,
    console: shown,
    open: (url) =>
      Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(url)
        return page
      })
  }
})

/** Runs a function in the page. It takes nothing along but its argument. */
export const inPage = <A, B>(page: Page, run: (argument: A) => B | Promise<B>, argument: A): Effect.Effect<B> =>
  // Playwright's own types unpack handles of what is in the page, which no test gives here.
  Effect.promise(() => (page.evaluate as (run: unknown, argument: A) => Promise<B>)(run, argument))

/** Waits until it is so in the page. */
export const until = <A>(
  page: Page,
  what: string,
  condition: (argument: A) => boolean,
  argument: A
): Effect.Effect<void> =>
  Effect.tryPromise({
    try: () =>
      (
        page.waitForFunction as (
          condition: unknown,
          argument: A,
          options: { readonly polling: number }
        ) => Promise<unknown>
      )(condition, argument, { polling: 10 }),
    catch: (cause) => new Error(`the page did not come to it: ${what}`, { cause })
  }).pipe(Effect.orDie, Effect.asVoid)
