/**
 * Subscribers that stop reading, one for each policy, beside a hundred that read.
 *
 * Whether the others are delayed is judged within one run, by windows without
 * and with slow readers in turn, so that whatever else the machine does falls
 * on both: the median of the windows with them may be no worse than the worst
 * one without them by more than half and 5 ms. A server that waits for a slow
 * reader, or works for it, is worse by far each time; noise is not, so what is
 * over the line is measured again, twice at the most.
 */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit, Scope, Stream } from "effect"
import { Client } from "holdfast"
import { connect, type Peer } from "../badInput/support.js"
import { limit } from "../support/patience.js"
import * as Child from "./child.js"
import {
  bounds,
  type Filling,
  type Memory,
  now,
  type Policy,
  policies,
  type Reader,
  type Ticking,
  topics
} from "./slowReader.js"
import { eventually, makeClient, upTo } from "./support.js"

const healthy = 100
const filler = { ticking: 4 * 1024, pouring: 16 * 1024 }
/** Of the windows: 40 publications a second to each topic, for 1.5 s. */
const ticks = 60
const every = 25
const megabyte = 1024 * 1024
/** Publications to each topic: 32 MiB. */
const poured = 2048
/** MiB: a frame that is being written for each, and what a heap differs by from one collection to the next. */
const slack = 4

const percentile = (sorted: ReadonlyArray<number>, part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? 0

const median = (values: ReadonlyArray<number>) =>
  percentile(
    [...values].sort((a, b) => a - b),
    0.5
  )

interface Delays {
  readonly p50: number
  readonly p99: number
}

const shown = (all: ReadonlyArray<Delays>) => all.map(({ p50, p99 }) => `${p50.toFixed(1)}/${p99.toFixed(1)}`).join(" ")

/** The server, and the healthy ones. */
const setUp = Effect.gen(function* () {
  const server = yield* Child.start("slowReader.main.ts", { node: ["--expose-gc"] })
  const port = yield* server.ask<number>("start")
  const clients = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const failures: Array<string> = []
  let delays: Array<number> = []
  let last = 0
  let arrived = 0
  for (const [at, policy] of upTo(healthy).map((n) => [n, policies[n % 3] ?? "latest"] as const)) {
    const client = yield* Scope.extend(makeClient(port), clients)
    yield* client.ready
    const publications = Stream.filter(client.subscribe(topics[policy].at()), Client.hasValue)
    const receiving = Stream.runForEach(publications, ({ skipped, value }) =>
      Effect.sync(() => {
        if (skipped > 0 && policy === "disconnect") failures.push(`${at} missed ${skipped}`)
        delays.push(now() - value.at)
        if (value.n === last) arrived++
      })
    )
    const failed = Effect.tapErrorCause(receiving, (cause) => Effect.sync(() => void failures.push(`${at}: ${cause}`)))
    yield* Effect.forkIn(failed, clients)
  }
  /** Publishes to all topics. */
  const tick = (options: Omit<Ticking, "from">) =>
    Effect.suspend(() => {
      const from = last + 1
      last += options.count
      return server.ask("tick", { ...options, from } satisfies Ticking)
    })
  return {
    port,
    failures,
    /** The number of the last publication. */
    last: () => last,
    /** Publishes for a while, and waits until the healthy have the last of it: how long theirs were on their way. */
    window: Effect.gen(function* () {
      delays = []
      arrived = 0
      yield* tick({ count: ticks, bytes: filler.ticking, every })
      yield* eventually(
        "all healthy have the last publication",
        Effect.sync(() => arrived === healthy)
      )
      const sorted = delays.sort((a, b) => a - b)
      return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) } satisfies Delays
    }),
    pour: (count: number) => tick({ count, bytes: filler.pouring, every: 0 }),
    leave: Scope.close(clients, Exit.void),
    fill: (names: ReadonlyArray<string>) => server.ask("fill", { names } satisfies Filling),
    readers: server.ask<ReadonlyArray<Reader>>("readers"),
    memory: server.ask<Memory>("memory")
  }
})

type Subject = Effect.Effect.Success<typeof setUp>

interface Slow {
  readonly name: string
  readonly policy: Policy
  readonly peer: Peer
}

let names = 0

/** One for each policy: it says hello, subscribes, and reads no more, until the server holds back what is for it. */
const stopReading = (subject: Subject) =>
  Effect.gen(function* () {
    const all = yield* Effect.forEach(policies, (policy) =>
      Effect.gen(function* () {
        const peer = yield* connect(`ws://127.0.0.1:${subject.port}/`)
        const name = `${policy} ${++names}`
        yield* peer.hello({ token: name })
        for (const [at, topic] of ["fill", policy].entries()) peer.say({ type: "subscribe", id: at + 1, topic })
        yield* peer.next("subscribed")
        yield* peer.next("subscribed")
        peer.socket.pause()
        return { name, policy, peer } satisfies Slow
      })
    )
    yield* subject.fill(all.map(({ name }) => name))
    return all
  })

const find = (readers: ReadonlyArray<Reader>, { name }: Slow): Reader =>
  readers.find((reader) => reader.name === name) ?? assert.fail(`the session of ${name} is gone`)

/** What waits for a slow one is within its bounds, and the one that may miss nothing has been cut off. */
const assertBounded = (subject: Subject, all: ReadonlyArray<Slow>) =>
  Effect.map(subject.readers, (readers) => {
    for (const slow of all) {
      const { connected, queued } = find(readers, slow)
      assert.isAtMost(queued.messages, bounds.queueMessages)
      assert.isAtMost(queued.bytes, bounds.queueBytes)
      assert.strictEqual(connected, slow.policy !== "disconnect", slow.name)
    }
  })

/** It reads again: what it hears of its topic, up to the newest publication, or the close. */
const readAgain = ({ peer, policy }: Slow, newest: number) =>
  Effect.gen(function* () {
    peer.socket.resume()
    if (policy === "disconnect") {
      const { code } = yield* peer.closed
      return assert.strictEqual(code, 4413)
    }
    const heard: Array<number> = []
    while (heard.at(-1) !== newest) {
      const { body, topic } = yield* peer.next("publication")
      if (topic === policy) heard.push((body as { readonly n: number }).n)
    }
    assert.deepStrictEqual(
      heard,
      [...new Set(heard)].sort((a, b) => a - b)
    )
    assert.isBelow(heard.length, ticks, "some are skipped")
  })

/** A window with slow readers; they are gone after it. */
const slowWindow = (subject: Subject) =>
  Effect.scoped(
    Effect.gen(function* () {
      const all = yield* stopReading(subject)
      const delays = yield* subject.window
      yield* assertBounded(subject, all)
      yield* Effect.forEach(all, (slow) => readAgain(slow, subject.last()), { concurrency: 3, discard: true })
      return delays
    })
  )

const worse = (quiet: ReadonlyArray<Delays>, slow: ReadonlyArray<Delays>) =>
  (["p50", "p99"] as const).filter((part) => {
    const noise = Math.max(...quiet.map((delays) => delays[part]))
    return median(slow.map((delays) => delays[part])) > 1.5 * noise + 5
  })

const measure = (subject: Subject) =>
  Effect.gen(function* () {
    const quiet = [yield* subject.window]
    const slow: Array<Delays> = []
    for (let turn = 0; turn < 3; turn++) {
      slow.push(yield* slowWindow(subject))
      quiet.push(yield* subject.window)
    }
    yield* Console.log(`p50/p99 in ms without slow readers: ${shown(quiet)}; with them: ${shown(slow)}`)
    return worse(quiet, slow)
  })

describe("subscribers that never read, one for each policy", () => {
  it.scopedLive(
    `delay ${healthy} others no more than noise does, and hold no more of the server's memory than their bounds`,
    () =>
      Effect.gen(function* () {
        const subject = yield* setUp
        yield* subject.window // the first is the compiler's
        let over = yield* measure(subject)
        for (let again = 0; again < 2 && over.length > 0; again++) over = yield* measure(subject)
        assert.deepStrictEqual(over, [])
        assert.deepStrictEqual(subject.failures, [])

        // The logs are full from now on: what grows is for the slow ones.
        yield* subject.leave
        yield* subject.pour(60)
        const before = yield* subject.memory
        const all = yield* stopReading(subject)
        yield* subject.pour(poured)
        yield* assertBounded(subject, all)
        const after = yield* subject.memory
        const grown = (after.needed - before.needed) / megabyte
        yield* Console.log(
          `${(poured * filler.pouring) / megabyte} MiB published to each of 3 that do not read: ` +
            `the server needs ${grown.toFixed(1)} MiB more than the ${(before.needed / megabyte).toFixed(0)} before, ` +
            `its resident size went from ${(before.resident / megabyte).toFixed(0)} to ${(after.resident / megabyte).toFixed(0)} MiB`
        )
        const bound = (3 * (bounds.highWaterMark + bounds.queueBytes)) / megabyte
        assert.isBelow(grown, bound + slack)
      }),
    limit
  )
})
