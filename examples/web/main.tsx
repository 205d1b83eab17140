/** Draws what the session's program finds out. */
import { Effect } from "effect"
import { render } from "preact"
import { App } from "./App.js"
import { ChatLog } from "./chatLog.js"
import { dialer } from "./dialer.js"
import { Faults } from "./faults.js"
import { Model } from "./model.js"
import { type Controls, start } from "./session.js"
import { settings } from "./settings.js"

const root = document.getElementById("app")
const model = new Model()
const log = new ChatLog()
const faults = new Faults(model, () => controls.reconnect())
let controls: Controls = { say: () => {}, upload: () => {}, reconnect: () => {} }

const isCalm = matchMedia("(prefers-reduced-motion: reduce)")

/** One who wants little motion sees it move once a second. */
const now = () => (isCalm.matches ? Math.floor(Date.now() / 1000) * 1000 : Date.now())

let isDue = false
const draw = () => {
  isDue = false
  if (root === null) return
  render(<App model={model} log={log} faults={faults} controls={controls} settings={settings} now={now()} />, root)
}
model.onChange(() => {
  if (isDue) return
  isDue = true
  requestAnimationFrame(draw)
})
draw()

const program = Effect.gen(function* () {
  controls = yield* start(settings, { model, log })
  yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.provide(dialer(model, settings)),
  Effect.catchAll(({ message }) => Effect.sync(() => model.tell(message, "lost")))
)

Effect.runFork(program)
