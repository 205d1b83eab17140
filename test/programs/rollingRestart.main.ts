/** Clients that talk through one proxy, for rollingRestart.test.ts, in a process of its own. */
import { Clock, Deferred, Effect, Fiber, Option, Scope, Stream, Utils } from "effect"
import { Client, type ClientStatus } from "holdfast"
import { answer } from "../node/answers.js"
import { type Plan, type Remark, type Report, Talk } from "../node/rollingRestart.js"
import { eventually, makeClient, upTo } from "../node/support.js"
import * as TcpProxy from "../node/tcpProxy.js"

/** Of what is said; the rest is delivered. */
const publishes = 0.1

/** Suspect, or not any more: the same connection. */
const isSameConnection = (one: ClientStatus.Status, other: ClientStatus.Status) =>
  one._tag === "Ready" && other._tag === "Ready"

/** A client that delivers, publishes and listens, and keeps everything it is told. */
const talker = (from: number, port: number) =>
  Effect.gen(function* () {
    // A machine that is slow is no error.
    const client = yield* makeClient(port, { connectTimeout: "1 minute", helloTimeout: "1 minute" })
    const seen = {
      heard: [] as Array<Remark>,
      echoes: [] as Array<number>,
      delivered: 0,
      published: 0,
      readyAt: [] as Array<number>,
      waitingAt: [] as Array<number>,
      delays: [] as Array<number>,
      /** Whatever is not a change of status, or is one for another reason than the restart. */
      errors: [] as Array<string>
    }
    const failing =
      (what: string) =>
      <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.tapErrorCause(effect, (cause) => Effect.sync(() => void seen.errors.push(`${what}: ${cause}`)))

    const { session } = yield* client.ready
    yield* Effect.forkScoped(
      Stream.runForEach(Stream.changesWith(client.changes, isSameConnection), (status) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (status._tag === "Ready") {
            seen.readyAt.push(now)
            if (status.session !== session) seen.errors.push("another session")
          } else if (status._tag === "Waiting") {
            const { reason } = status
            seen.waitingAt.push(now)
            seen.delays.push(status.delay)
            const isRestart = reason._tag === "ClosedByPeer" && reason.code === 1012
            if (!isRestart) seen.errors.push(`waits, because ${reason.message}`)
          }
        })
      )
    )
    yield* Effect.forkScoped(
      Stream.runForEach(client.events, (event) =>
        Effect.sync(() => {
          if (event._tag !== "GoingAway") seen.errors.push(`event ${event._tag}`)
        })
      )
    )
    yield* Effect.forkScoped(
      Stream.runForEach(client.messages, (number) => Effect.sync(() => void seen.echoes.push(number)))
    )
    yield* Effect.forkScoped(
      failing("subscribe")(
        Stream.runForEach(Stream.filter(client.subscribe(Talk.at()), Client.hasValue), ({ skipped, value }) =>
          Effect.sync(() => {
            seen.heard.push(value)
            if (skipped > 0) seen.errors.push(`${skipped} skipped before ${JSON.stringify(value)}`)
          })
        )
      )
    )
    const said = { delivered: 0, published: 0 }
    const counting = (what: keyof typeof said, say: (n: number) => Effect.Effect<unknown, unknown>) =>
      Effect.suspend(() => say(++said[what])).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            seen[what]++
          })
        ),
        failing(what),
        Effect.ignore
      )
    const deliver = counting("delivered", client.deliver)
    const publish = counting("published", (n) => client.publish(Talk.at(), { from, n }))
    return { from, session, seen, deliver, publish }
  })

type Talker = Effect.Effect.Success<ReturnType<typeof talker>>

/** Now one speaks and now another, each without waiting for the others: fewer on a machine that is slow. */
const talking = (all: ReadonlyArray<Talker>, random: () => number, quiet: Deferred.Deferred<void>) =>
  Effect.gen(function* () {
    const speaking: Array<Fiber.Fiber<void>> = []
    while (Option.isNone(yield* Effect.timeoutOption(Deferred.await(quiet), 10))) {
      const one = all[Math.floor(random() * all.length)]
      if (one !== undefined) speaking.push(yield* Effect.fork(random() < publishes ? one.publish : one.deliver))
    }
    yield* Fiber.joinAll(speaking)
  })

const start = ({ clients, port, seed }: Plan) =>
  Effect.gen(function* () {
    const random = new Utils.PCGRandom(seed)
    const proxy = yield* TcpProxy.make(port)
    const quiet = yield* Deferred.make<void>()
    const all = yield* Effect.forEach(upTo(clients), (from) => talker(from, proxy.port), { concurrency: 50 })
    return { all, proxy, quiet, random: () => random.number(), talking: undefined as Fiber.Fiber<void> | undefined }
  })

type Started = Effect.Effect.Success<ReturnType<typeof start>>
let started: Started | undefined

const here = Effect.suspend(() => (started === undefined ? Effect.dieMessage("not started") : Effect.succeed(started)))

answer({
  /** Until all are connected. */
  start: (plan: Plan) =>
    Effect.gen(function* () {
      started = yield* Scope.extend(start(plan), yield* Scope.make())
    }),

  talk: () =>
    Effect.gen(function* () {
      const on = yield* here
      on.talking = yield* Effect.forkDaemon(talking(on.all, on.random, on.quiet))
    }),

  redirect: (port: number) => Effect.flatMap(here, ({ proxy }) => proxy.redirect(port)),

  /** Until all have come back. */
  back: () =>
    Effect.flatMap(here, ({ all }) =>
      eventually(
        "all are back",
        Effect.sync(() => all.every(({ seen }) => seen.readyAt.length > 1)),
        () => all.reduce((sum, { seen }) => sum + seen.readyAt.length + seen.waitingAt.length, 0)
      )
    ),

  /** Until everything that was begun is done. */
  quiet: () =>
    Effect.gen(function* () {
      const { quiet, talking } = yield* here
      yield* Deferred.succeed(quiet, undefined)
      if (talking !== undefined) yield* Fiber.join(talking)
    }),

  /** What there is to say when everybody has had the time to hear the whole log. */
  report: (log: ReadonlyArray<Remark>) =>
    Effect.gen(function* () {
      const { all } = yield* here
      const complete = Effect.sync(() =>
        all.every(({ seen }) => seen.heard.length >= log.length && seen.echoes.length >= seen.delivered)
      )
      yield* Effect.ignore(
        Effect.sandbox(
          eventually("all have everything", complete, () => all.reduce((sum, { seen }) => sum + seen.heard.length, 0))
        )
      )
      // Only now would one come again.
      yield* Effect.sleep("200 millis")
      const told = log.map(({ from, n }) => `${from}:${n}`).join()
      return all.map(({ from, seen, session }): Report => {
        const { delays, delivered, echoes, errors, heard, published, readyAt, waitingAt } = seen
        const faults = [...errors]
        if (heard.map(({ from, n }) => `${from}:${n}`).join() !== told)
          faults.push(`heard ${heard.length} of ${log.length}`)
        if (echoes.join() !== upTo(delivered).join())
          faults.push(`${delivered} delivered, and echoed: ${echoes.join()}`)
        return {
          session,
          delivered,
          published,
          faults: faults.map((fault) => `client ${from}: ${fault}`),
          readyAt,
          waitingAt,
          delays
        }
      })
    })
})
