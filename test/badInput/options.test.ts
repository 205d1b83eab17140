/** Invalid options: refused when the Layer is built, naming the option, its value and the rule. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Duration, Effect, Exit, Layer } from "effect"
import { Client, Connection, ConnectionError, Gateway, Options, Reconnect, SessionStore } from "holdfast"
import { MemoryNetwork, MemoryTransport } from "holdfast/testing"
import { echo, messages } from "./support.js"

const durations = [
  "heartbeatInterval",
  "suspectAfter",
  "readDeadline",
  "writeDeadline",
  "connectTimeout",
  "helloTimeout",
  "tokenTimeout",
  "closeTimeout",
  "resumeWindow",
  "stableAfter",
  "ackDelay",
  "drainTimeout",
  "drainSpread",
  "refreshBefore"
] as const
const mayBeZero: ReadonlyArray<string> = ["stableAfter", "ackDelay", "drainTimeout", "drainSpread"]
const counts = [
  "maxMessage",
  "maxHello",
  "replayMessages",
  "replayBytes",
  "highWaterMark",
  "requestRate",
  "maxRequests",
  "maxKeysPerSession",
  "maxSessions",
  "admitRate",
  "messageRate",
  "byteRate",
  "queueMessages",
  "queueBytes",
  "maxSubscriptions",
  "maxSessionsPerPrincipal",
  "maxConnections",
  "maxConnectionsPerAddress"
] as const

interface Case {
  readonly option: keyof Options.All
  /** As a program without types, or one that computes, would give it. */
  readonly given: unknown
  readonly value: string | RegExp
  readonly rule: RegExp
}

const positive = /^a duration of zero or more$/
const notADuration = /^a duration, such as/
const tooLong = /at most 2147483647 ms/

const cases: ReadonlyArray<Case> = [
  ...durations.flatMap(
    (option): ReadonlyArray<Case> => [
      { option, given: Number.NaN, value: "NaN ms", rule: positive },
      { option, given: -1, value: "-1 ms", rule: positive },
      { option, given: Number.NEGATIVE_INFINITY, value: "-Infinity ms", rule: positive },
      { option, given: Number.POSITIVE_INFINITY, value: "Infinity ms", rule: tooLong },
      { option, given: Duration.infinity, value: "Infinity ms", rule: tooLong },
      { option, given: "25 days", value: "2160000000 ms", rule: tooLong },
      { option, given: 2 ** 31, value: "2147483648 ms", rule: tooLong },
      { option, given: "soon", value: '"soon"', rule: notADuration },
      { option, given: "", value: '""', rule: notADuration },
      { option, given: "10", value: '"10"', rule: notADuration },
      { option, given: null, value: "null", rule: notADuration },
      { option, given: {}, value: "{}", rule: notADuration }
    ]
  ),
  ...durations
    .filter((option) => !mayBeZero.includes(option))
    .flatMap(
      (option): ReadonlyArray<Case> => [
        { option, given: 0, value: "0 ms", rule: /at least 1 ms/ },
        { option, given: 0.4, value: "0.4 ms", rule: /at least 1 ms/ },
        { option, given: "500 micros", value: "0.5 ms", rule: /at least 1 ms/ }
      ]
    ),
  ...counts.flatMap(
    (option): ReadonlyArray<Case> =>
      [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "10", null, 10n].map((given) => ({
        option,
        given,
        value: String(given),
        rule: /^a whole number .*1.*1073741824/
      }))
  ),
  // Duration.decode takes a negative text for zero.
  { option: "ackDelay", given: "-5 seconds", value: /-5/, rule: positive },
  { option: "heartbeatInterval", given: "-5 seconds", value: /-5/, rule: positive },
  // `ws` takes its limit as a 32-bit integer: a larger one would be no limit at all.
  { option: "maxMessage", given: 2 ** 31, value: "2147483648", rule: /1073741824/ }
]

const shown = (given: unknown): string => (typeof given === "string" ? JSON.stringify(given) : String(given))

const assertRefusal = (error: unknown, { option, rule, value }: Case) => {
  assert.instanceOf(error, ConnectionError.InvalidOption)
  if (!(error instanceof ConnectionError.InvalidOption)) return
  assert.strictEqual(error.option, option)
  if (typeof value === "string") assert.strictEqual(error.value, value)
  else assert.match(error.value, value)
  assert.match(error.rule, rule)
  assert.strictEqual(error.message, `invalid option ${error.option} = ${error.value}: ${error.rule}`)
}

const optionsOf = ({ given, option }: Pick<Case, "given" | "option">): Options.All => ({ [option]: given })

class Echo extends Gateway.Tag<Echo>()("test/Echo", messages) {}
class Chat extends Client.Tag<Chat>()("test/Chat", messages) {}

/** Everything that takes options, built with these. */
const builds: Readonly<Record<string, (options: Options.All) => Effect.Effect<unknown, unknown>>> = {
  "Client.layer": (options) =>
    Layer.build(Client.layer(Chat, { url: "memory:", ...options })).pipe(
      Effect.scoped,
      Effect.provide(MemoryNetwork.layer())
    ),
  "Gateway.layer": (options) =>
    Layer.build(Gateway.layer(Echo, { ...echo, ...options })).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory()))
    ),
  "Connection.make": (options) => Effect.scoped(Connection.make(MemoryTransport.link().client, options)),
  "Connection.dial": (options) =>
    Effect.scoped(Connection.dial("memory:", options)).pipe(Effect.provide(MemoryNetwork.layer()))
}

describe("Options.resolve refuses", () => {
  for (const one of cases) {
    it.effect(`${one.option} = ${shown(one.given)}`, () =>
      Effect.gen(function* () {
        assertRefusal(yield* Effect.flip(Options.resolve(optionsOf(one))), one)
      })
    )
  }

  const relations: ReadonlyArray<readonly [Options.All, string, string]> = [
    [{ heartbeatInterval: "1 minute" }, "60000 ms", "60000 ms"],
    [{ readDeadline: "30 seconds" }, "30000 ms", "30000 ms"],
    [{ heartbeatInterval: "2 seconds", readDeadline: "1 second" }, "1000 ms", "2000 ms"],
    [{ heartbeatInterval: 10.4, readDeadline: 10.6 }, "11 ms", ""],
    [{ heartbeatInterval: 10.1, readDeadline: 10.4 }, "10 ms", "10 ms"]
  ]
  for (const [options, deadline, interval] of relations) {
    const allowed = interval === ""
    it.effect(`${allowed ? "not " : ""}a read deadline no longer than the heartbeat: ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        if (allowed) return assert.strictEqual((yield* Options.resolve(options)).readDeadline, 11)
        const error = yield* Effect.flip(Options.resolve(options))
        assert.deepInclude(error, { option: "readDeadline", value: deadline })
        assert.include(error.message, `longer than heartbeatInterval (${interval})`)
      })
    )
  }

  it.effect("a time to be suspect after that is no shorter than the read deadline", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Options.resolve({ suspectAfter: "1 minute" }))
      assert.deepInclude(error, { option: "suspectAfter", value: "60000 ms" })
      assert.include(error.rule, "shorter than readDeadline (60000 ms)")
      assert.strictEqual((yield* Options.resolve({ suspectAfter: 59_999 })).suspectAfter, 59_999)
    })
  )

  it.effect("a part that is hardly more than what surrounds it", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* Effect.flip(Options.resolve({ maxPart: 4095 })), { option: "maxPart", value: "4095" })
      assert.strictEqual((yield* Options.resolve({ maxPart: 4096 })).maxPart, 4096)
    })
  )

  it.effect("less room for unfinished messages than for one of them", () =>
    Effect.gen(function* () {
      const few = { maxMessage: 5000 }
      const error = yield* Effect.flip(Options.resolve({ ...few, maxUnfinished: 4999 }))
      assert.deepInclude(error, { option: "maxUnfinished", value: "4999" })
      assert.include(error.message, "maxMessage (5000)")
      assert.strictEqual((yield* Options.resolve({ ...few, maxUnfinished: 5000 })).maxUnfinished, 5000)
    })
  )

  it.effect("a message rate that leaves no room for the heartbeats", () =>
    Effect.gen(function* () {
      const few = { heartbeatInterval: "1 second", readDeadline: "3 seconds" } as const
      const error = yield* Effect.flip(Options.resolve({ ...few, messageRate: 39 }))
      assert.deepInclude(error, { option: "messageRate", value: "39" })
      assert.match(error.rule, /^at least 40, .*heartbeatInterval \(1000 ms\)/)
      assert.strictEqual((yield* Options.resolve({ ...few, messageRate: 40 })).messageRate, 40)
    })
  )
})

describe("Options.resolve takes", () => {
  it.effect("nothing: the design's defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Options.resolve(), {
        heartbeatInterval: 30_000,
        suspectAfter: 10_000,
        readDeadline: 60_000,
        writeDeadline: 10_000,
        connectTimeout: 10_000,
        helloTimeout: 5_000,
        admitRate: 2000,
        maxPart: 64 * 1024,
        maxUnfinished: 64 * 1024 * 1024,
        tokenTimeout: 10_000,
        closeTimeout: 5_000,
        awayAfter: 5_000,
        resumeWindow: 120_000,
        stableAfter: 5_000,
        ackDelay: 50,
        drainTimeout: 5_000,
        drainSpread: 5_000,
        refreshBefore: 30_000,
        maxMessage: 1_048_576,
        maxHello: 16_384,
        replayMessages: 1024,
        replayBytes: 1_048_576,
        highWaterMark: 1_048_576,
        queueMessages: 1024,
        queueBytes: 1024 * 1024,
        maxSubscriptions: 100,
        messageRate: 10_000,
        byteRate: 16_777_216,
        requestRate: 1000,
        maxRequests: 2048,
        maxKeysPerSession: 10_000,
        maxSessions: 100_000,
        maxSessionsPerPrincipal: 10_000,
        maxConnections: 100_000,
        maxConnectionsPerAddress: 10_000
      })
      // What is given as undefined is not given.
      assert.strictEqual((yield* Options.resolve({ heartbeatInterval: undefined })).heartbeatInterval, 30_000)
    })
  )

  it.effect("zero where it means at once or not at all", () =>
    Effect.gen(function* () {
      for (const option of mayBeZero) {
        const resolved = yield* Options.resolve(optionsOf({ option: option as keyof Options.All, given: 0 }))
        assert.strictEqual(resolved[option as keyof Options.All], 0)
      }
    })
  )

  it.effect("a tokenTimeout that follows the connect timeout", () =>
    Effect.gen(function* () {
      const resolved = yield* Options.resolve({ connectTimeout: "3 seconds" })
      assert.strictEqual(resolved.tokenTimeout, 3_000)
    })
  )

  it.effect("a suspectAfter that is a third of the heartbeat interval, and never none", () =>
    Effect.gen(function* () {
      const few = { heartbeatInterval: "10 seconds", readDeadline: "20 seconds" } as const
      assert.strictEqual((yield* Options.resolve(few)).suspectAfter, 3333)
      assert.strictEqual(
        (yield* Options.resolve({ heartbeatInterval: 1, readDeadline: 2, messageRate: 40_000 })).suspectAfter,
        1
      )
    })
  )

  it.effect("the longest timer", () =>
    Effect.gen(function* () {
      const resolved = yield* Options.resolve({ heartbeatInterval: "7 seconds", readDeadline: 2 ** 31 - 1 })
      assert.deepInclude(resolved, { readDeadline: 2_147_483_647 })
    })
  )
})

describe("what takes options refuses them when it is built", () => {
  for (const [name, build] of Object.entries(builds)) {
    const samples: ReadonlyArray<Case> = [
      ...[...durations, ...counts].map((option): Case => ({ option, given: Number.NaN, value: /^NaN/, rule: /./ })),
      { option: "readDeadline", given: "30 seconds", value: "30000 ms", rule: /heartbeatInterval \(30000 ms\)/ },
      { option: "heartbeatInterval", given: "soon", value: '"soon"', rule: notADuration }
    ]
    for (const one of samples) {
      it.effect(`${name}: ${one.option} = ${shown(one.given)}`, () =>
        Effect.gen(function* () {
          assertRefusal(yield* Effect.flip(build(optionsOf(one))), one)
        })
      )
    }
  }

  const policies = {
    base: { base: "soon" },
    factor: { factor: Number.NaN },
    max: { max: "-1 second" }
  } as unknown as Record<string, Parameters<typeof Reconnect.exponential>[0]> // as a program without types would
  for (const [option, policy] of Object.entries(policies)) {
    it.effect(`Reconnect.exponential: ${JSON.stringify(policy)} fails where it is given, and names ${option}`, () =>
      Effect.gen(function* () {
        const reconnect = Reconnect.exponential(policy)
        const building = builds["Client.layer"]?.({ reconnect } as never) ?? Effect.void
        assert.deepInclude(yield* Effect.flip(building), { _tag: "InvalidOption", option })
        const kept = Connection.keep({ url: "ws://a", reconnect }).pipe(Effect.provide(MemoryNetwork.layer()))
        assert.deepInclude(yield* Effect.flip(Effect.scoped(kept)), { _tag: "InvalidOption", option })
        // A Schedule has no error to fail with: what uses it otherwise dies of the same.
        const retried = yield* Effect.exit(Effect.retry(Effect.fail("no"), reconnect))
        assert.isTrue(Exit.isFailure(retried) && Cause.isDie(retried.cause))
        assert.include(String(retried), option)
      })
    )
  }
})

describe("Options.config", () => {
  const read = (variables: Record<string, string>) =>
    Effect.withConfigProvider(
      Options.config,
      ConfigProvider.fromMap(new Map(Object.entries(variables)), { pathDelim: "_", seqDelim: "," })
    )

  it.effect("reads one variable for each option; what is absent keeps its default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), {})
      const variables = Object.fromEntries([
        ...durations.map((option) => [option, "70 seconds"]),
        ...counts.map((option) => [option, "1234"])
      ])
      const named = Object.fromEntries(
        Object.entries(variables).map(([option, value]) => [
          `HOLDFAST_${String(option).replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`,
          String(value)
        ])
      )
      const shorter = { HOLDFAST_HEARTBEAT_INTERVAL: "10 seconds", HOLDFAST_SUSPECT_AFTER: "20 seconds" }
      const options = yield* read({ ...named, ...shorter })
      assert.sameMembers(Object.keys(options), [...durations, ...counts])
      const resolved = yield* Options.resolve(options)
      assert.deepInclude(resolved, {
        heartbeatInterval: 10_000,
        suspectAfter: 20_000,
        helloTimeout: 70_000,
        drainSpread: 70_000,
        maxSessions: 1234
      })
    })
  )

  const bad: ReadonlyArray<readonly [name: string, value: string, told: RegExp]> = [
    ["HOLDFAST_READ_DEADLINE", "soon", /HOLDFAST_READ_DEADLINE: "soon" is not a duration, such as "30 seconds"/],
    ["HOLDFAST_READ_DEADLINE", "10", /"10" is not a duration/],
    ["HOLDFAST_READ_DEADLINE", "-1 second", /readDeadline = -1 second: a duration of zero or more/],
    ["HOLDFAST_MAX_MESSAGE", "1 MiB", /HOLDFAST_MAX_MESSAGE: "1 MiB" is not a whole number/],
    ["HOLDFAST_MAX_MESSAGE", "1.5", /"1.5" is not a whole number/],
    ["HOLDFAST_MAX_MESSAGE", "0", /maxMessage = 0: a whole number of at least 1/]
  ]
  for (const [name, value, told] of bad) {
    it.effect(`${name}=${value}: refused, naming the option, its value and the rule`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.flatMap(read({ [name]: value }), Options.resolve))
        assert.match(String(error), told)
      })
    )
  }

  const misspelt: Readonly<Record<string, string>> = {
    HOLDFAST_READ_DEADLNE: "HOLDFAST_READ_DEADLINE",
    HOLDFAST_MAXMESSAGE: "HOLDFAST_MAX_MESSAGE",
    HOLDFAST_HEARTBEAT_INTERVALL: "HOLDFAST_HEARTBEAT_INTERVAL",
    HOLDFAST_MAX_CONNECTION: "HOLDFAST_MAX_CONNECTIONS",
    HOLDFAST_MAX_CONNECTIONS_PER_ADRESS: "HOLDFAST_MAX_CONNECTIONS_PER_ADDRESS"
  }
  for (const [name, meant] of Object.entries(misspelt)) {
    it.effect(`${name}: refused, naming ${meant}`, () =>
      Effect.gen(function* () {
        for (const others of [{}, { [meant]: meant.includes("MAX") ? "7" : "70 seconds" }]) {
          const error = yield* Effect.flip(read({ [name]: "1 minute", ...others }))
          assert.include(String(error), `${name}: there is no such option; ${meant} is one`)
        }
      })
    )
  }

  it.effect("leaves alone what others call theirs", () =>
    Effect.gen(function* () {
      // Kubernetes gives each process such variables of a Service that is called holdfast.
      const others = {
        HOLDFAST_SERVICE_HOST: "10.0.0.1",
        HOLDFAST_PORT: "tcp://10.0.0.1:80",
        HOLDFAST_PORT_80_TCP_PORT: "80",
        HOLDFAST_REDIS_PREFIX: "shop",
        HOLDFAST: "yes",
        MAX_MESAGE: "3"
      }
      assert.deepStrictEqual(yield* read(others), {})
      assert.deepStrictEqual(yield* read({ ...others, HOLDFAST_MAX_MESSAGE: "3" }), { maxMessage: 3 })
    })
  )

  it.effect("reads what is nested by name as well", () =>
    Effect.gen(function* () {
      const json = (options: object) =>
        Effect.withConfigProvider(Options.config, ConfigProvider.fromJson({ HOLDFAST: options }))
      assert.deepStrictEqual(yield* json({ MAX_MESSAGE: "3", READ_DEADLINE: "70 seconds" }), {
        readDeadline: "70 seconds",
        maxMessage: 3
      })
      assert.include(String(yield* Effect.flip(json({ MAX_MESAGE: "3" }))), "MAX_MESSAGE")
    })
  )

  it.effect("takes what is empty for absent", () =>
    Effect.gen(function* () {
      const options = yield* read({ HOLDFAST_READ_DEADLINE: "", HOLDFAST_MAX_MESSAGE: "" })
      assert.deepStrictEqual(yield* Options.resolve(options), Options.defaults)
    })
  )

  it.effect("leaves the rules to where the options are used", () =>
    Effect.gen(function* () {
      const options = yield* read({ HOLDFAST_READ_DEADLINE: "1 second", HOLDFAST_MAX_SESSIONS: "5" })
      for (const build of Object.values(builds)) {
        const error = yield* Effect.flip(build(options))
        assert.instanceOf(error, ConnectionError.InvalidOption)
        assert.match(String(error), /readDeadline = 1000 ms: longer than heartbeatInterval \(30000 ms\)/)
      }
    })
  )
})
