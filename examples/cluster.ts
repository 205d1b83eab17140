/**
 * Two gateways on one Redis behind a TCP load balancer, and three clients that chat while the gateways are killed in turn.
 *
 *     npm run cluster -- [--seconds 40]
 *
 * Starts a redis-server of its own, unless REDIS_URL names one. Ends with what each client has shown: every message, once.
 */
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Deferred, Effect, Random, type Scope, Stream } from "effect"
import { Client, type ClientStatus } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type Asked, type Echoed, messages, Room } from "./chat.js"
import { type Balancer, balancer } from "./cluster/balancer.js"
import { type CannotStart, gateway, redisServer, type Server } from "./cluster/processes.js"

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "40" }, help: { type: "boolean", short: "h", default: false } }
})
const seconds = Number(values.seconds)
if (values.help || !(seconds >= 5)) {
  console.log("usage: npm run cluster -- [--seconds 40]\n\nat least 5 seconds; REDIS_URL names a Redis to use")
  process.exit(values.help ? 0 : 1)
}

const room = Room.at({ room: "cluster" })

// ---- the servers

/** A gateway that is started again each time it is killed. */
interface Slot {
  readonly name: string
  running: Server | undefined
}

/** Starts it, and again each time it has ended; has succeeded when it runs for the first time. */
const keepRunning = (
  slot: Slot,
  { targets }: Balancer,
  env: Record<string, string>
): Effect.Effect<void, CannotStart, Scope.Scope> =>
  Effect.gen(function* () {
    const isRunning = yield* Deferred.make<void, CannotStart>()
    const life = Effect.gen(function* () {
      const server = yield* gateway(env)
      slot.running = server
      targets.add(server.port)
      yield* Deferred.succeed(isRunning, undefined)
      yield* Console.log(`* gateway ${slot.name} runs (process ${server.pid})`)
      yield* server.ended
      targets.delete(server.port)
      slot.running = undefined
    })
    const lives = Effect.forever(Effect.scoped(life))
    yield* Effect.forkScoped(Effect.catchAll(lives, (error) => Deferred.fail(isRunning, error)))
    yield* Deferred.await(isRunning)
  })

/** Kills the gateways in turn, each while the other runs. */
const killing = (slots: ReadonlyArray<Slot>, tally: { kills: number }) =>
  Effect.gen(function* () {
    for (let turn = 0; ; turn++) {
      yield* Effect.sleep("4 seconds")
      while (slots.some(({ running }) => running === undefined)) yield* Effect.sleep("100 millis")
      const slot = slots[turn % slots.length]
      if (slot?.running === undefined) continue
      tally.kills++
      yield* Console.log(`* gateway ${slot.name} is killed (process ${slot.running.pid})`)
      yield* slot.running.kill
    }
  })

// ---- the clients

class Person {
  /** How often each message was shown. */
  readonly shown = new Map<string, number>()
  resumes = 0
  resets = 0

  constructor(readonly name: string) {}

  note(status: ClientStatus.Status): Effect.Effect<void> {
    return Effect.sync(() => {
      if (status._tag !== "Ready") return
      if (status.start._tag === "Resumed") this.resumes++
      if (status.start._tag === "Reset") this.resets++
    })
  }

  show(text: string): Effect.Effect<void> {
    this.shown.set(text, (this.shown.get(text) ?? 0) + 1)
    return Console.log(`${this.name} sees  ${text}`)
  }
}

/** Shows what is said in the room, and says something now and then until told to stop. */
const chat = (person: Person, url: string, stop: Deferred.Deferred<void>, said: Array<string>) =>
  Effect.gen(function* () {
    // With a gateway killed every few seconds no connection lasts as long as the default asks, and the delays would grow.
    const stableAfter = "2 seconds"
    const client = yield* Client.make<Asked, Echoed>({ url, messages, token: person.name, stableAfter })
    // Suspect, or not any more: the same connection.
    const connections = Stream.changesWith(
      client.changes,
      (one, other) => one._tag === "Ready" && other._tag === "Ready"
    )
    yield* Effect.forkScoped(Stream.runForEach(connections, (status) => person.note(status)))
    const showing = client.subscribe(room, { since: "oldest" }).pipe(
      Stream.filter(Client.hasValue),
      Stream.runForEach(({ value }) => person.show(`${value.from}: ${value.text}`))
    )
    let number = 0
    const say = Effect.gen(function* () {
      const text = `hello ${++number}`
      yield* client.publish(room, { from: person.name, text })
      said.push(`${person.name}: ${text}`)
      yield* Effect.sleep(yield* Random.nextIntBetween(300, 900))
    })
    const talking = Effect.repeat(say, { until: () => Deferred.isDone(stop) })
    // What is said is shown until the end of it all; to be unable to go on showing is a failure.
    yield* Effect.raceFirst(Effect.zipRight(talking, Effect.never), showing)
  })

// ---- the whole

/** What is wrong with what each has shown. */
const findings = (people: ReadonlyArray<Person>, said: ReadonlyArray<string>): ReadonlyArray<string> =>
  people.flatMap(({ name, shown }) => {
    const missing = said.filter((text) => !shown.has(text))
    const repeated = [...shown].filter(([, times]) => times > 1).map(([text]) => text)
    return [
      ...(missing.length === 0 ? [] : [`${name} has not shown: ${missing.join(", ")}`]),
      ...(repeated.length === 0 ? [] : [`${name} has shown more than once: ${repeated.join(", ")}`])
    ]
  })

const total = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, number) => sum + number, 0)

const program = Effect.gen(function* () {
  const url = process.env.REDIS_URL || `redis://127.0.0.1:${(yield* redisServer).port}`
  yield* Console.log(process.env.REDIS_URL ? "* Redis is that of REDIS_URL" : `* Redis is at ${url}`)
  const front = yield* balancer
  const slots: ReadonlyArray<Slot> = ["A", "B"].map((name) => ({ name, running: undefined }))
  // What another run has said in the room of that Redis is not shown.
  const env = {
    REDIS_URL: url,
    HOLDFAST_REDIS_PREFIX: `cluster-${process.pid}-${yield* Random.nextIntBetween(0, 1e9)}`
  }
  yield* Effect.forEach(slots, (slot) => keepRunning(slot, front, env), { concurrency: "unbounded" })
  const address = `ws://127.0.0.1:${front.port}/`
  yield* Console.log(`* the load balancer listens at ${address}; it goes on for ${seconds} s`)

  const people = ["ann", "bob", "cyd"].map((name) => new Person(name))
  const said: Array<string> = []
  const stop = yield* Deferred.make<void>()
  const chatting = Effect.forEach(people, (person) => chat(person, address, stop, said), { concurrency: "unbounded" })
  const tally = { kills: 0 }
  const course = Effect.gen(function* () {
    yield* Effect.timeout(killing(slots, tally), seconds * 1000).pipe(Effect.ignore)
    yield* Deferred.succeed(stop, undefined)
    yield* Console.log("* nobody says anything more; what is on its way is waited for")
    const isComplete = Effect.sync(() => people.every(({ shown }) => said.every((text) => shown.has(text))))
    // At least a while, in which what comes twice would come.
    yield* Effect.sleep("3 seconds")
    yield* Effect.repeat(Effect.delay(isComplete, "200 millis"), { until: (is) => is }).pipe(
      Effect.timeoutOption("60 seconds")
    )
  })
  yield* Effect.raceFirst(course, chatting)

  const resumes = total(people.map(({ resumes }) => resumes))
  const resets = total(people.map(({ resets }) => resets))
  yield* Console.log(
    `* ${said.length} messages, ${tally.kills} gateways killed, ${resumes} sessions resumed, ${resets} reset`
  )
  const found = findings(people, said)
  if (found.length > 0) return yield* Effect.fail(new Error(found.join("\n")))
  yield* Console.log("* every client has shown every message once")
})

Effect.scoped(program).pipe(
  Effect.provide(NodeDialer.layer),
  Effect.catchAll((error) =>
    Effect.zipRight(
      Console.error(error.message),
      Effect.sync(() => {
        process.exitCode = 1
      })
    )
  ),
  NodeRuntime.runMain
)
