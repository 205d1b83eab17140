/** One end, in a process whose system clock is set while it runs. Run by systemClock.test.ts. */
import { Effect, Layer, Scope, Stream } from "effect"
import { Client, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { answer } from "../node/answers.js"
import { upTo } from "../node/support.js"
import { timing } from "../node/systemClock.js"

/** Lives as long as the process. */
const scope = Effect.runSync(Scope.make())

let made: Gateway.Gateway<unknown> | undefined
const ended: Array<string> = []

const gateway = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), SessionStore.layerMemory()))
  made = yield* Gateway.make({
    ...timing,
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    onMessage: () => Effect.void,
    onClose: (_, end) => Effect.sync(() => void ended.push(end._tag))
  }).pipe(Effect.provide(context))
  return Number(new URL(made.address).port)
}).pipe(Scope.extend(scope))

const stats = Effect.suspend(() => made?.stats ?? Effect.dieMessage("no gateway was started"))

const clients: Array<Client.Client<unknown, unknown>> = []
let lost = 0
let resumed = 0

/** Connects so many, and waits until they are all there. */
const connect = ({ count, url }: { readonly count: number; readonly url: string }) =>
  Effect.forEach(
    upTo(count),
    () =>
      Effect.gen(function* () {
        const client = yield* Client.make({ ...timing, url, messages: Messages.json })
        yield* client.ready
        clients.push(client)
        yield* Effect.forkIn(
          Stream.runForEach(client.changes, (status) =>
            Effect.sync(() => {
              if (status._tag === "Waiting" || status._tag === "Ended") lost++
              if (status._tag === "Ready" && status.start._tag === "Resumed") resumed++
            })
          ),
          scope
        )
      }),
    { concurrency: 50, discard: true }
  ).pipe(Effect.provide(NodeDialer.layer), Scope.extend(scope))

answer({
  gateway: () => gateway,
  connections: () => Effect.map(stats, ({ connections }) => connections),
  ended: () => Effect.sync(() => ended),
  connect,
  lost: () => Effect.sync(() => lost),
  /** Sessions that went on over another connection. */
  resumed: () => Effect.sync(() => resumed),
  /** What the system's clock says here. */
  wallTime: () => Effect.sync(() => Date.now())
})
