/** Gateways that the pages of tests connect to: one in the test's own process, and the example's as a process. */
import { Cause, Effect, Exit, Layer, Scope } from "effect"
import { Broker, Gateway, Messages, type Options, type Session, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import * as Program from "../node/program.js"
import { Numbers } from "./page/numbers.js"
import { type Wire, watch } from "./wires.js"

export interface EchoGateway {
  readonly gateway: Gateway.Gateway<unknown>
  readonly port: number
  /** What its handler was given. */
  readonly handled: ReadonlyArray<unknown>
  /** Its connections, the oldest first. */
  readonly wires: ReadonlyArray<Wire>
  /** How sessions have ended. */
  readonly ended: ReadonlyArray<Session.SessionEnd>
}

export interface EchoOptions extends Options.All {
  /** Answers nothing. */
  readonly mute?: boolean | undefined
}

/** Sends back what it receives, text or bytes. Anybody may publish in the topic `numbers`, and subscribe to it. */
export const echoGateway = (options: EchoOptions = {}): Effect.Effect<EchoGateway, never, Scope.Scope> =>
  Effect.gen(function* () {
    const handled: Array<unknown> = []
    const ended: Array<Session.SessionEnd> = []
    const wires: Array<Wire> = []
    const context = yield* Layer.build(
      Layer.mergeAll(
        Layer.provide(watch(wires), NodeListener.layer({ port: 0 })),
        SessionStore.layerMemory(),
        Broker.layerMemory()
      )
    )
    const gateway = yield* Gateway.make({
      drainSpread: 0,
      drainTimeout: 100,
      ...options,
      messages: Messages.json,
      authenticate: ({ token }) => Effect.succeed({ id: token ?? "somebody" }),
      onMessage: (message, session) =>
        Effect.suspend(() => {
          handled.push(message)
          return options.mute === true ? Effect.void : session.send(message)
        }),
      topics: [Gateway.topic(Numbers, { subscribe: Gateway.allow, publish: Gateway.allow })],
      onClose: (_, end) => Effect.sync(() => void ended.push(end))
    }).pipe(Effect.provide(context))
    return { gateway, handled, wires, ended, port: Number(new URL(gateway.address).port) }
  }).pipe(Effect.orDie)

export interface GatewayProcess {
  readonly port: number
  readonly url: string
  /** SIGKILL, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** SIGTERM, and waits until it has drained. */
  readonly stop: Effect.Effect<void>
  /** SIGSTOP: connections stay open, and nothing is answered. */
  readonly pause: Effect.Effect<void>
  /** SIGCONT. */
  readonly resume: Effect.Effect<void>
  /** Starts it again on the same port, after `kill` or `stop`, and waits until it listens. */
  readonly start: Effect.Effect<void>
}

/** `examples/gateway.ts` as a process, on a free port unless `env` names one. A test that fails shows what it printed. */
export const gatewayProcess = (
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<GatewayProcess, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const launch = (more: Readonly<Record<string, string>>) =>
      Effect.gen(function* () {
        const program = yield* Program.gateway({ ...env, ...more })
        yield* Effect.addFinalizer((exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return
            process.stderr.write(`The gateway printed:\n${[...program.out, ...program.errors].join("\n")}\n`)
          })
        )
        return program
      }).pipe(Scope.extend(scope))
    let running = yield* launch({})
    const { port, url } = running
    const signal = (name: NodeJS.Signals) => Effect.suspend(() => running.signal(name))
    const exited = Effect.asVoid(Effect.suspend(() => running.exit))
    return {
      port,
      url,
      kill: Effect.zipRight(signal("SIGKILL"), exited),
      stop: Effect.zipRight(signal("SIGTERM"), exited),
      pause: signal("SIGSTOP"),
      resume: signal("SIGCONT"),
      start: Effect.map(launch({ PORT: `${port}` }), (program) => {
        running = program
      })
    }
  })
