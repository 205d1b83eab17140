/** Handlers that fail, messages that do not decode, consumers that are too slow: that session's business alone. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import {
  type CodecName,
  codecs,
  connect,
  type GatewayOptions,
  join,
  makeBystander,
  makeGateway,
  pack,
  type Said,
  settled,
  unharmed
} from "./support.js"

/** A program in JavaScript may do so. */
const undeclared = Effect.fail("no") as unknown as Effect.Effect<void>

const failures: ReadonlyArray<readonly [string, Partial<GatewayOptions>]> = [
  [
    "a handler fails with what nobody has declared",
    { onMessage: ({ text }, session) => (text === "now" ? undeclared : session.send({ text })) }
  ],
  [
    "a handler dies",
    { onMessage: ({ text }, session) => (text === "now" ? Effect.die("no") : session.send({ text })) }
  ],
  [
    "a handler throws instead of answering",
    {
      onMessage: ({ text }, session) => {
        if (text === "now") throw new Error("no")
        return session.send({ text })
      }
    }
  ],
  [
    "a handler interrupts itself",
    { onMessage: ({ text }, session) => (text === "now" ? Effect.interrupt : session.send({ text })) }
  ],
  ["onOpen fails", { onOpen: ({ principal }) => (principal.id === "bystander" ? Effect.void : undeclared) }],
  ["onOpen dies", { onOpen: ({ principal }) => (principal.id === "bystander" ? Effect.void : Effect.die("no")) }],
  [
    "a handler fails, and onClose dies of it",
    {
      onMessage: ({ text }, session) => (text === "now" ? undeclared : session.send({ text })),
      onClose: () => Effect.die("no")
    }
  ]
]

describe("4411 for that session alone", () => {
  for (const [name, options] of failures) {
    it.scopedLive(`when ${name}`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(options)
        const bystander = yield* makeBystander(gateway)
        const { peer, welcome } = yield* join(gateway.address)
        peer.data("now")
        const reason = "the server failed to handle a message"
        assert.deepStrictEqual(yield* peer.closed, { code: 4411, reason })
        yield* unharmed(gateway, bystander)
        // Coming back, it is told why a new session begins.
        const again = yield* connect(gateway.address)
        const { secret, session } = welcome
        again.say({ type: "hello", features: ["ended"], resume: { session, secret, processed: 0, oldest: 1 } })
        const { reason: why, resumed } = yield* again.next("welcome")
        assert.deepStrictEqual({ resumed, why }, { resumed: false, why: "ended" })
        again.say({ type: "bye" })
        yield* again.closed
        yield* unharmed(gateway, bystander)
      })
    )
  }
})

const undecodable: ReadonlyArray<{
  readonly name: string
  readonly body: unknown
  readonly codecs?: ReadonlyArray<CodecName>
}> = [
  { name: "the wrong type", body: { text: 1 } },
  { name: "a missing field", body: {} },
  { name: "null", body: null },
  { name: "a megabyte of the wrong thing", body: "x".repeat(1_000_000) },
  { name: "100,000 wrong fields", body: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i])) },
  { name: "a field named __proto__", body: JSON.parse('{"__proto__":{"text":"polluted"}}') }
]

describe("a message that does not decode", () => {
  for (const { body, codecs: only = codecs, name } of undecodable) {
    for (const codec of only) {
      it.scopedLive(`${name}: an error message, and the session goes on (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const { peer } = yield* join(gateway.address, { codec })
          peer.say({ type: "data", seq: 1, ack: 0, confirm: true, body })
          const error = yield* peer.next("error")
          assert.strictEqual(error["code"], "invalid-message")
          assert.strictEqual(error["seq"], 1)
          assert.match(String(error["reason"]), /text|Expected/)
          assert.isAtMost(String(error["reason"]).length, 1000)
          assert.strictEqual((yield* peer.next("ack"))["ack"], 1)
          peer.say({ type: "data", seq: 2, ack: 0, body: { text: "on" } })
          assert.deepStrictEqual((yield* peer.next("data"))["body"], { text: "on" })
          assert.isUndefined(({} as Record<string, unknown>)["text"])
        })
      )
    }
  }

  /** A message whose body is so deep, the object around it included. */
  const deepBody = (codec: CodecName, seq: number, levels: number): string | Buffer =>
    codec === "json"
      ? `{"type":"data","seq":${seq},"ack":0,"body":{"text":"deep","more":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}}`
      : Buffer.concat([
          Buffer.of(0x84),
          ...["type", "data", "seq", seq, "ack", 0, "body"].map(pack),
          Buffer.of(0x82),
          ...["text", "deep", "more"].map(pack),
          Buffer.alloc(levels - 2, 0x91),
          Buffer.of(0x90)
        ])
  for (const [codec, fate] of [
    ["json", "an error message, and the session goes on"],
    ["msgpack", "a violation, 4400"]
  ] as const) {
    it.scopedLive(`a body that is 512 deep is taken, and one that is 513 deep is ${fate} (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const { peer } = yield* join(gateway.address, { codec })
        peer.ws.send(deepBody(codec, 1, 512))
        assert.deepInclude(yield* peer.next("data", "error"), { body: { text: "deep" } })
        peer.ws.send(deepBody(codec, 2, 513))
        if (codec === "msgpack") {
          assert.strictEqual((yield* peer.closed).code, 4400)
          return
        }
        const error = yield* peer.next("error", "data")
        assert.include(error, { code: "invalid-message", seq: 2 })
        assert.match(String(error["reason"]), /^nested too deeply/)
        peer.say({ type: "data", seq: 3, ack: 0, body: { text: "on" } })
        assert.deepStrictEqual((yield* peer.next("data"))["body"], { text: "on" })
      })
    )
  }

  it.scopedLive("400,000 nested arrays in a body: an error message, and the session goes on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join(gateway.address)
      const nested = "[".repeat(400_000) + "]".repeat(400_000)
      peer.ws.send(`{"type":"data","seq":1,"ack":0,"body":${nested}}`)
      assert.strictEqual((yield* peer.next("error"))["seq"], 1)
      peer.say({ type: "data", seq: 2, ack: 0, body: { text: "on" } })
      assert.deepStrictEqual((yield* peer.next("data"))["body"], { text: "on" })
    })
  )

  it.scopedLive("with onInvalid End: the error message, then 4410", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ onInvalid: () => Effect.succeed("End") })
      const bystander = yield* makeBystander(gateway)
      const { peer } = yield* join(gateway.address)
      peer.say({ type: "data", seq: 1, ack: 0, body: 1 })
      assert.strictEqual((yield* peer.next("error"))["seq"], 1)
      assert.deepStrictEqual(yield* peer.closed, { code: 4410, reason: "message 1 is not valid" })
      yield* unharmed(gateway, bystander)
    })
  )

  it.scopedLive("with an onInvalid that dies: 4411", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ onInvalid: () => Effect.die("no") })
      const bystander = yield* makeBystander(gateway)
      const { peer } = yield* join(gateway.address)
      peer.say({ type: "data", seq: 1, ack: 0, body: 1 })
      assert.strictEqual((yield* peer.closed).code, 4411)
      yield* unharmed(gateway, bystander)
    })
  )
})

const comeBack = (address: string, { secret, session }: Said) =>
  Effect.gen(function* () {
    const peer = yield* connect(address)
    peer.say({ type: "hello", resume: { session, secret, processed: 0, oldest: 1 } })
    return peer
  })

describe("session.end", () => {
  const reasons = [
    { name: "1000 letters", reason: "x".repeat(1000), cut: "x".repeat(123) },
    { name: "1000 emoji", reason: "👋".repeat(500), cut: "👋".repeat(30) },
    { name: "a character across the limit", reason: `${"x".repeat(122)}é`, cut: "x".repeat(122) },
    { name: "a lone surrogate", reason: "a\ud800b", cut: "a\ufffdb" },
    { name: "nothing", reason: "", cut: "" }
  ]
  for (const codec of codecs) {
    for (const { cut, name, reason } of reasons) {
      it.scopedLive(`with ${name}: 4410, cut to 123 bytes of UTF-8, now and on return (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const { peer, welcome } = yield* join(gateway.address, { codec })
          const session = yield* gateway.session(String(welcome["session"]))
          yield* session.end(reason)
          assert.deepStrictEqual(yield* peer.closed, { code: 4410, reason: cut })
          assert.isAtMost(peer.reasonBytes, 123)
          const again = yield* comeBack(gateway.address, welcome)
          assert.deepStrictEqual(yield* again.closed, { code: 4410, reason: cut })
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }

  it.scopedLive("holds while the handler in hand cannot be interrupted: a client that returns is told 4410", () =>
    Effect.gen(function* () {
      const handling = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const gateway = yield* makeGateway({
        resumeWindow: "1 minute",
        onMessage: () =>
          Effect.uninterruptible(Effect.zipRight(Deferred.succeed(handling, undefined), Deferred.await(gate)))
      })
      yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
      const { peer, welcome } = yield* join(gateway.address)
      peer.data("work")
      yield* Deferred.await(handling)
      const session = yield* gateway.session(String(welcome["session"]))
      yield* session.end("enough")
      assert.deepStrictEqual(yield* peer.closed, { code: 4410, reason: "enough" })
      const again = yield* comeBack(gateway.address, welcome)
      assert.deepStrictEqual<unknown>(yield* again.answer, { code: 4410, reason: "enough" })
    })
  )
})

describe("a consumer that is too slow", () => {
  for (const codec of codecs) {
    it.scopedLive(`offer finds no room: 4413, and on return "overflow" (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ replayMessages: 4 })
        const bystander = yield* makeBystander(gateway)
        const { peer, welcome } = yield* join(gateway.address, { codec })
        const session = yield* gateway.session(String(welcome["session"]))
        for (let i = 1; i <= 4; i++) yield* session.offer({ text: `${i}` })
        const error = yield* Effect.flip(session.offer({ text: "5" }))
        assert.strictEqual(error._tag, "SessionClosed")
        assert.deepStrictEqual(yield* peer.closed, { code: 4413, reason: "more messages wait than are kept" })
        const again = yield* join(gateway.address, {
          codec,
          hello: { resume: { session: welcome["session"], secret: welcome["secret"], processed: 4, oldest: 1 } }
        })
        assert.deepStrictEqual([again.welcome["resumed"], again.welcome["reason"]], [false, "overflow"])
        yield* again.peer.echoes
        again.peer.ws.terminate()
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive('offer to a client that is away and finds no room: "overflow" on return', () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ replayMessages: 4, resumeWindow: "1 minute" })
      const { peer, welcome } = yield* join(gateway.address)
      peer.ws.terminate()
      yield* settled(gateway, { connections: 0, sessions: 1 })
      const session = yield* gateway.session(String(welcome["session"]))
      for (let i = 1; i <= 4; i++) yield* session.offer({ text: `${i}` })
      yield* Effect.flip(session.offer({ text: "5" }))
      yield* settled(gateway, { connections: 0, sessions: 0 })
      const again = yield* comeBack(gateway.address, welcome)
      assert.strictEqual((yield* again.next("welcome"))["reason"], "overflow")
    })
  )
})
