/** Holdfast's clients with their defaults, all at one server until it is gone: when they are ready again at the next one. */
import { Effect, Stream } from "effect"
import { Client, Messages } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { measured } from "../measured.mjs"

const [count, ...ports] = process.argv.slice(2).map(Number)
/** The server that whoever spreads connections knows to be there. */
let server = 0
let ready = 0
let resumed = 0
let times = []
let since = 0
let allReady = () => {}
let back

const became = (status) => {
  if (status._tag !== "Ready") return
  ready++
  if (status.start._tag === "Resumed") resumed++
  times.push(performance.now() - since)
  if (ready === count) allReady()
}

const everybody = () => {
  ready = 0
  times = []
  since = performance.now()
  return new Promise((resume) => {
    allReady = resume
  })
}

const client = Effect.gen(function* () {
  const made = yield* Client.make({
    url: Effect.sync(() => `ws://127.0.0.1:${ports[server]}`),
    messages: Messages.json
  })
  yield* Effect.forkScoped(Stream.runForEach(made.changes, (status) => Effect.sync(() => became(status))))
  yield* Effect.forkScoped(made.runForEach(() => Effect.void))
  yield* made.ready
  // A session that said nothing is no session to whoever comes back.
  yield* made.deliver("here")
})

const at = (share) => times[Math.ceil(times.length * share) - 1]

await measured(
  async () => {
    const opened = everybody()
    const all = Effect.all(
      Array.from({ length: count }, () => client),
      { concurrency: 100, discard: true }
    )
    void Effect.runPromise(all.pipe(Effect.zipRight(Effect.never), Effect.scoped, Effect.provide(NodeDialer.layer)))
    await opened
    return {}
  },
  {
    storm: () => {
      server = 1
      resumed = 0
      back = everybody()
      return {}
    },
    back: async () => {
      await back
      return { half: at(0.5), most: at(0.99), all: at(1), resumed }
    }
  }
)
