/**
 * Many subscribers of one topic, each behind a proxy of its own that cuts it.
 * Run by fanOut.test.ts in a process of its own.
 */
import { Effect, Scope, Stream, Utils } from "effect"
import { answer } from "../node/answers.js"
import { eventually, makeClient, upTo } from "../node/support.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { Counts } from "../node/topics.js"

export interface Plan {
  readonly port: number
  readonly seed: number
  readonly subscribers: number
  readonly publications: number
  readonly cuts: number
  /** What one subscriber is sent in all, at the least. */
  readonly bytes: number
}

export interface Report {
  readonly cut: number
  readonly reconnects: number
  /** What one of them had that it should not, or had not that it should. */
  readonly faults: ReadonlyArray<string>
}

const subscribe = (plan: Plan, random: () => number) =>
  Effect.gen(function* () {
    const { bytes, cuts, port, publications } = plan
    const proxy = yield* TcpProxy.make(port)
    // Cut where as many bytes have come as these random marks say: all of them are passed.
    const marks = upTo(cuts)
      .map(() => bytes * random())
      .sort((a, b) => a - b)
    const gaps = marks.map((mark, at) => Math.max(1, Math.round(mark - (marks[at - 1] ?? 0))))
    yield* proxy.cutAfter((direction) => {
      const { cut } = Effect.runSync(proxy.stats)
      if (direction === "down") return gaps[cut] ?? Number.POSITIVE_INFINITY
      // Now and then before the hello has arrived.
      return cut < cuts && random() < 0.05 ? Math.ceil(600 * random()) : Number.POSITIVE_INFINITY
    })
    const client = yield* makeClient(proxy.port)
    const received: Array<number> = []
    const state = { over: undefined as string | undefined, reconnects: -1 }
    yield* Effect.forkScoped(
      client.changes.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.changes,
        Stream.runForEach((tag) => Effect.sync(() => void (tag === "Ready" && state.reconnects++)))
      )
    )
    yield* client.subscribe(Counts.at(), { since: "oldest" }).pipe(
      Stream.runForEachChunk((chunk) =>
        Effect.sync(() => {
          for (const { skipped, value } of chunk) received.push(skipped === 0 ? value : -skipped)
        })
      ),
      Effect.exit,
      Effect.tap((exit) =>
        Effect.sync(() => {
          state.over = `its stream ended: ${exit}`
        })
      ),
      Effect.forkScoped
    )
    const faults = (): ReadonlyArray<string> => {
      const wrong = received.findIndex((value, at) => value !== at + 1)
      if (state.over !== undefined) return [state.over]
      if (wrong >= 0) return [`${received[wrong]} in place of ${wrong + 1}`]
      return received.length === publications ? [] : [`${received.length} publications`]
    }
    return { client, faults, proxy, received, state }
  })

type Subscriber = Effect.Effect.Success<ReturnType<typeof subscribe>>

const all: Array<Subscriber> = []

const forAll = (f: (subscriber: Subscriber) => Effect.Effect<unknown, unknown>) =>
  Effect.orDie(Effect.forEach(all, f, { concurrency: 50, discard: true }))

/** What all have received: it grows while anything moves. */
const arrived = () => all.reduce((sum, { received }) => sum + received.length, 0)

answer({
  /** Until all are connected. */
  start: (plan: Plan) =>
    Effect.gen(function* () {
      const random = new Utils.PCGRandom(plan.seed)
      const scope = yield* Scope.make()
      const made = yield* Effect.forEach(upTo(plan.subscribers), () => subscribe(plan, () => random.number()), {
        concurrency: 50
      }).pipe(Scope.extend(scope))
      all.push(...made)
      yield* forAll(({ client }) => client.ready)
    }).pipe(Effect.orDie),

  /** Until half of them have this many, or can not. */
  half: (count: number) =>
    eventually(
      `half of the subscribers have ${count} publications`,
      Effect.sync(() => {
        const there = all.filter(({ received, state }) => received.length >= count || state.over !== undefined)
        return there.length * 2 >= all.length
      }),
      arrived
    ),

  /** Until everybody has everything, or somebody can not. */
  report: (plan: Plan) =>
    Effect.gen(function* () {
      const settled = Effect.sync(() =>
        all.every(({ received, state }) => state.over !== undefined || received.length >= plan.publications)
      )
      yield* Effect.ignore(Effect.sandbox(eventually("all have everything", settled, arrived)))
      // Only now would one come again.
      yield* Effect.sleep("300 millis")
      const cut = yield* Effect.forEach(all, ({ proxy }) => Effect.map(proxy.stats, ({ cut }) => cut))
      return {
        cut: cut.reduce((sum, n) => sum + n, 0),
        reconnects: all.reduce((sum, { state }) => sum + state.reconnects, 0),
        faults: all.flatMap(({ faults }, at) => faults().map((fault) => `subscriber ${at}: ${fault}`)).slice(0, 20)
      } satisfies Report
    })
})
