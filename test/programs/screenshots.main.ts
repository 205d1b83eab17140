/**
 * Takes pictures of the demo page and of the inspector, to be looked at: `npm run screenshots -- [folder]`.
 *
 * Of the demo: connected, waiting, resumed; each in light and dark, and on a phone. Of the inspector with 1,000 sessions: the
 * same. With `--readme` the two that README shows are made anew, too.
 */
import { mkdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Random, Stream } from "effect"
import { Client } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type Browser, chromium as driver, type Page } from "playwright-core"
import { type Asked, type Echoed, messages, Room } from "../../examples/chat.js"
import { gateway } from "../../examples/cluster/processes.js"
import { chromium, find } from "../gate/needed.js"

const { positionals, values } = parseArgs({ allowPositionals: true, options: { readme: { type: "boolean" } } })
const folder = resolve(positionals[0] ?? "screenshots")

const looks = [
  { name: "light", colorScheme: "light", width: 1280, height: 1180 },
  { name: "dark", colorScheme: "dark", width: 1280, height: 1180 },
  { name: "phone", colorScheme: "light", width: 390, height: 844 }
] as const

type Look = (typeof looks)[number]

const opened = (browser: Browser, { colorScheme, height, width }: Look, url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const context = await browser.newContext({ colorScheme, viewport: { width, height } })
        const page = await context.newPage()
        await page.goto(url)
        return { context, page }
      }),
      ({ context }) => Effect.promise(() => context.close())
    ),
    ({ page }) => page
  )

const shot = (page: Page, name: string) =>
  Effect.promise(() => page.screenshot({ path: join(folder, `${name}.png`), fullPage: true }))

const status = (page: Page, wanted: string) =>
  Effect.promise(() => page.getByTestId("status").filter({ hasText: wanted }).waitFor())

const say = (page: Page, line: string) =>
  Effect.promise(async () => {
    await page.getByTestId("say").fill(line)
    await page.getByTestId("say").press("Enter")
  })

const press = (page: Page, button: string) => Effect.promise(() => page.getByTestId(button).click())

/** A conversation in which the connection is cut, then silent, and the page comes back each time; and an upload. */
const demo = (browser: Browser, site: string, look: Look) =>
  Effect.gen(function* () {
    const at = (name: string) => `${site}?name=${name}&room=${look.name}`
    const ann = yield* opened(browser, look, at("ann"))
    const bob = yield* opened(browser, look, at("bob"))
    yield* status(ann, "Ready")
    yield* status(bob, "Ready")
    yield* say(ann, "Is anybody there?")
    yield* say(bob, "I am. Break something!")
    yield* Effect.sleep("7 seconds") // so that there is something in the timeline
    yield* shot(ann, `demo-connected-${look.name}`)
    yield* press(ann, "fault-cut")
    yield* status(ann, "Waiting")
    yield* say(ann, "Cut, and this line goes out all the same.")
    yield* status(ann, "Ready")
    yield* Effect.sleep("5 seconds")
    yield* press(ann, "fault-silence")
    yield* say(bob, "You have gone quiet.")
    yield* say(ann, "Said into the silence.")
    yield* status(ann, "Waiting")
    yield* shot(ann, `demo-waiting-${look.name}`)
    yield* status(ann, "Ready")
    yield* press(ann, "upload")
    yield* Effect.promise(() => ann.getByTestId("upload-state").filter({ hasText: "✓ arrived" }).waitFor())
    yield* Effect.sleep("5 seconds")
    yield* shot(ann, `demo-resumed-${look.name}`)
    if (values.readme === true && look.name === "light") {
      yield* Effect.promise(() => ann.screenshot({ path: "examples/demo.png", fullPage: true, scale: "css" }))
    }
  }).pipe(Effect.scoped)

const names = ["ann", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]

/** A thousand people in ten rooms, of whom some speak. */
const crowd = (url: string) =>
  Effect.forEach(
    Array.from({ length: 1000 }, (_, index) => index),
    (index) =>
      Effect.gen(function* () {
        const name = `${names[index % names.length]}-${index}`
        const client = yield* Client.make<Asked, Echoed>({ url, messages, token: name, heartbeatInterval: "5 seconds" })
        yield* client.ready
        const room = Room.at({ room: `room-${index % 10}` })
        yield* Effect.forkScoped(Stream.runDrain(client.subscribe(room)))
        if (index % 7 !== 0) return
        const speak = Effect.zipRight(
          Effect.flatMap(Random.nextIntBetween(1000, 10_000), Effect.sleep),
          client.deliver({ _tag: "Say", room: `room-${index % 10}`, text: `hello from ${name}` })
        )
        yield* Effect.forkScoped(Effect.forever(speak))
      }),
    { concurrency: 50, discard: true }
  )

const inspector = (browser: Browser, site: string, look: Look) =>
  Effect.gen(function* () {
    const page = yield* opened(browser, look, `${site}inspector/`)
    yield* Effect.promise(() => page.getByTestId("session-row").nth(9).waitFor())
    yield* Effect.sleep("2 seconds") // two samples more
    yield* shot(page, `inspector-${look.name}`)
    if (values.readme === true && look.name === "light") {
      yield* Effect.promise(() => page.screenshot({ path: "examples/inspector.png", scale: "css" }))
    }
  }).pipe(Effect.scoped)

const program = Effect.gen(function* () {
  const executablePath = find(chromium)
  if (executablePath === undefined)
    return yield* Console.error(`No chromium was found: ${chromium.remedy}, or name one: CHROMIUM=/path/to/chromium`)
  mkdirSync(folder, { recursive: true })
  const { port } = yield* gateway({})
  const site = `http://127.0.0.1:${port}/`
  const browser = yield* Effect.acquireRelease(
    Effect.promise(() => driver.launch({ executablePath, args: ["--no-sandbox"] })),
    (browser) => Effect.promise(() => browser.close())
  )
  yield* Console.log("the demo page …")
  yield* Effect.forEach(looks, (look) => demo(browser, site, look), { concurrency: "unbounded" })
  yield* Console.log("1,000 sessions …")
  yield* crowd(`ws://127.0.0.1:${port}/`).pipe(Effect.provide(NodeDialer.layer))
  yield* Effect.sleep("20 seconds") // for the plots
  yield* Console.log("the inspector …")
  yield* Effect.forEach(looks, (look) => inspector(browser, site, look), { discard: true })
  yield* Console.log(`the pictures are in ${folder}`)
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
