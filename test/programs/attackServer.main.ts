/** The gateway that is attacked: echoes. Run by floodAndGarbage.test.ts in a process of its own. */
import { Effect, Layer, Scope } from "effect"
import { Gateway, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { answer } from "../node/answers.js"
import { rates } from "../node/attack.js"
import { numbers } from "../node/support.js"

const make = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), SessionStore.layerMemory()))
  return yield* Gateway.make({
    ...rates,
    messages: numbers,
    authenticate: Gateway.anonymous,
    // A flood is not answered: it would be stopped for what it does not acknowledge instead.
    onMessage: (number, session) => (number < 0 ? Effect.void : session.send(number)),
    // What a flood leaves behind is forgotten soon.
    resumeWindow: "1 second"
  }).pipe(Effect.provide(context))
})

let gateway: Gateway.Gateway<number> | undefined

answer({
  start: () =>
    Effect.gen(function* () {
      gateway = yield* Scope.extend(make, yield* Scope.make())
      return Number(new URL(gateway.address).port)
    }),
  /** Microseconds of processor time so far. */
  cpu: () =>
    Effect.sync(() => {
      const { system, user } = process.cpuUsage()
      return system + user
    }),
  stats: () => Effect.suspend(() => gateway?.stats ?? Effect.dieMessage("not started"))
})
