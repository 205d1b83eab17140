/** Resumes that cannot be granted: refused with the reason, complete or not at all, and the owner untouched. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import {
  codecs,
  connect,
  type GatewayOptions,
  join,
  makeBystander,
  makeGateway,
  type Peer,
  type Said,
  settled,
  soon,
  unharmed,
  until
} from "./support.js"

const patientGateway = (options?: Partial<GatewayOptions>) => makeGateway({ resumeWindow: "1 minute", ...options })

/** A session that has sent and received one message each way, and has lost its connection. */
const away = (address: string, hello: object = {}) =>
  Effect.gen(function* () {
    const { peer, welcome } = yield* join(address, { hello })
    yield* peer.echoes
    peer.say({ type: "ack", ack: 1 })
    // The pong shows that the acknowledgement was read.
    peer.say({ type: "ping", id: 1 })
    yield* peer.next("pong")
    peer.ws.terminate()
    return welcome
  })

const resumeOf = ({ secret, session }: Said, fields: object = {}) => ({
  resume: { session, secret, processed: 1, oldest: 2, ...fields }
})

const assertFresh = (answer: Said, old: Said, reason: string) => {
  assert.strictEqual(answer["resumed"], false)
  assert.strictEqual(answer["reason"], reason)
  assert.strictEqual(answer["generation"], 1)
  assert.strictEqual(answer["processed"], 0)
  assert.notStrictEqual(answer["session"], old["session"])
}

/** The session goes on: the owner comes back, and the next message is answered. */
const assertResumes = (address: string, welcome: Said, hello: object = {}) =>
  Effect.gen(function* () {
    const again = yield* join(address, { hello: { ...hello, ...resumeOf(welcome) } })
    assert.strictEqual(again.welcome["resumed"], true)
    assert.strictEqual(again.welcome["session"], welcome["session"])
    again.peer.say({ type: "data", seq: 2, ack: 1, body: { text: "on" } })
    const answer = yield* again.peer.next("data")
    assert.deepStrictEqual([answer["seq"], answer["body"]], [2, { text: "on" }])
    return again
  })

describe("the owner's session is untouched by a resume", () => {
  for (const codec of codecs) {
    it.scopedLive(`with the secret of another session: "secret" (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* patientGateway()
        const owner = yield* join(gateway.address, { codec })
        yield* owner.peer.echoes
        const other = yield* join(gateway.address, { codec })
        const thief = yield* join(gateway.address, {
          codec,
          hello: resumeOf(owner.welcome, { secret: other.welcome["secret"] })
        })
        assertFresh(thief.welcome, owner.welcome, "secret")
        yield* thief.peer.echoes
        yield* other.peer.echoes
        yield* owner.peer.echoes
        owner.peer.ws.terminate()
        const again = yield* join(gateway.address, {
          codec,
          hello: resumeOf(owner.welcome, { processed: 2, oldest: 3 })
        })
        assert.strictEqual(again.welcome["resumed"], true)
        assert.strictEqual(again.welcome["generation"], 2)
      })
    )
  }

  it.scopedLive('by another principal who knows its secret: "secret"', () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address, { token: "ann" })
      const thief = yield* join(gateway.address, { hello: { token: "bob", ...resumeOf(welcome) } })
      assertFresh(thief.welcome, welcome, "secret")
      yield* assertResumes(gateway.address, welcome, { token: "ann" })
    })
  )

  it.scopedLive("that is malformed: 4400", () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address)
      const peer = yield* connect(gateway.address)
      peer.say({ type: "hello", ...resumeOf(welcome, { processed: "1" }) })
      assert.strictEqual((yield* peer.closed).code, 4400)
      yield* assertResumes(gateway.address, welcome)
    })
  )

  it.scopedLive("that leaves before its welcome", () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address)
      const peer = yield* connect(gateway.address)
      peer.say({ type: "hello", ...resumeOf(welcome) })
      peer.ws.terminate()
      yield* assertResumes(gateway.address, welcome)
    })
  )
})

describe("a resume that cannot be complete starts afresh", () => {
  const incomplete = [
    { name: "processed beyond what was sent", fields: { processed: 2 } },
    { name: "processed less than was acknowledged", fields: { processed: 0 } },
    { name: "oldest leaves a hole", fields: { oldest: 3 } },
    { name: "the largest numbers there are", fields: { processed: 2 ** 53 - 1, oldest: 2 ** 53 - 1 } }
  ]
  for (const codec of codecs) {
    for (const { fields, name } of incomplete) {
      it.scopedLive(`${name}: "incomplete" (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* patientGateway()
          const bystander = yield* makeBystander(gateway)
          const { peer, welcome } = yield* join(gateway.address, { codec })
          yield* peer.echoes
          peer.say({ type: "ack", ack: 1 })
          peer.say({ type: "ping", id: 1 })
          yield* peer.next("pong")
          peer.ws.terminate()
          const again = yield* join(gateway.address, { codec, hello: resumeOf(welcome, fields) })
          assertFresh(again.welcome, welcome, "incomplete")
          yield* again.peer.echoes
          again.peer.say({ type: "bye" })
          assert.strictEqual((yield* again.peer.closed).code, 1000)
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }

  it.scopedLive('in the other codec: "incomplete"', () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address)
      const again = yield* join(gateway.address, { codec: "msgpack", hello: resumeOf(welcome) })
      assertFresh(again.welcome, welcome, "incomplete")
      yield* again.peer.echoes
      yield* settled(gateway, { connections: 1, sessions: 1 })
    })
  )

  it.scopedLive('an unknown session: "unknown"', () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const old = { type: "welcome", session: "nobody", secret: "nothing" }
      const { peer, welcome } = yield* join(gateway.address, { hello: resumeOf(old) })
      assertFresh(welcome, old, "unknown")
      yield* peer.echoes
    })
  )

  it.scopedLive('after its window: "expired"', () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ resumeWindow: "20 millis" })
      const welcome = yield* away(gateway.address)
      yield* settled(gateway, { connections: 0, sessions: 0 })
      const again = yield* join(gateway.address, { hello: resumeOf(welcome) })
      assertFresh(again.welcome, welcome, "expired")
    })
  )

  it.scopedLive('after bye: "unknown"', () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const { peer, welcome } = yield* join(gateway.address)
      peer.say({ type: "bye" })
      assert.deepStrictEqual(yield* peer.closed, { code: 1000, reason: "bye" })
      const again = yield* join(gateway.address, { hello: resumeOf(welcome) })
      assertFresh(again.welcome, welcome, "unknown")
    })
  )
})

describe("any end but bye leaves a session resumable", () => {
  const ends: ReadonlyArray<readonly [string, (peer: Peer) => void]> = [
    ["a destroyed socket", (peer) => peer.ws.terminate()],
    ["a half-closed socket", (peer) => peer.socket.end()],
    ["a close without a code", (peer) => peer.ws.close()],
    ...[1000, 1001, 1011, 3000, 4000, 4410, 4999].map(
      (code) => [`a close with ${code}`, (peer: Peer) => peer.ws.close(code, "whatever")] as const
    ),
    ["a broken protocol", (peer) => peer.say("garbage")]
  ]
  for (const [name, end] of ends) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const gateway = yield* patientGateway()
        const { peer, welcome } = yield* join(gateway.address)
        yield* peer.echoes
        end(peer)
        yield* settled(gateway, { connections: 0, sessions: 1 })
        const again = yield* join(gateway.address, { hello: resumeOf(welcome) })
        assert.deepStrictEqual([again.welcome["resumed"], again.welcome["processed"]], [true, 1])
      })
    )
  }
})

describe("secrets", () => {
  it.scopedLive("a welcome that was lost on the way does not cost the session: the old secret still works", () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address)
      const lost = yield* join(gateway.address, { hello: resumeOf(welcome) })
      assert.notStrictEqual(lost.welcome["secret"], welcome["secret"])
      lost.peer.ws.terminate()
      yield* settled(gateway, { connections: 0, sessions: 1 })
      yield* assertResumes(gateway.address, welcome)
    })
  )

  it.scopedLive("an old secret is void once the new one was proven to have arrived", () =>
    Effect.gen(function* () {
      const gateway = yield* patientGateway()
      const welcome = yield* away(gateway.address)
      const { peer } = yield* assertResumes(gateway.address, welcome)
      const thief = yield* join(gateway.address, { hello: resumeOf(welcome) })
      assertFresh(thief.welcome, welcome, "secret")
      peer.say({ type: "ping", id: 1 })
      yield* peer.next("pong")
    })
  )
})

describe("taking over", () => {
  for (const codec of codecs) {
    it.scopedLive(`the connection before is told 4409, and can do nothing more (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* patientGateway()
        const bystander = yield* makeBystander(gateway)
        const first = yield* join(gateway.address, { codec })
        yield* first.peer.echoes
        const second = yield* join(gateway.address, { codec, hello: resumeOf(first.welcome) })
        assert.strictEqual(second.welcome["resumed"], true)
        assert.deepStrictEqual(yield* first.peer.closed, {
          code: 4409,
          reason: "a newer connection of this session took over"
        })
        second.peer.say({ type: "data", seq: 2, ack: 1, body: { text: "on" } })
        assert.strictEqual((yield* second.peer.next("data"))["seq"], 2)
        second.peer.say({ type: "bye" })
        yield* second.peer.closed
        yield* unharmed(gateway, bystander)
      })
    )
  }
})

describe("after a violation", () => {
  it.scopedLive("a client that sent too many bytes and comes back all the same loses nothing", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const handled: Array<string> = []
      const gateway = yield* patientGateway({
        replayBytes: 4_000,
        maxMessage: 4_000,
        replayMessages: 4,
        onMessage: ({ text }) =>
          Effect.zipRight(
            Deferred.await(gate),
            Effect.sync(() => void handled.push(text.slice(0, 1)))
          )
      })
      const { peer, welcome } = yield* join(gateway.address)
      const texts = ["1", "2", "3"].map((digit) => digit.repeat(2_000))
      for (const text of texts) peer.data(text)
      assert.strictEqual((yield* peer.closed).code, 4400)
      yield* Deferred.succeed(gate, undefined)
      yield* until(
        "the first messages to be handled",
        Effect.sync(() => handled.length),
        (length) => length >= 2
      )
      const again = yield* connect(gateway.address)
      const { processed } = yield* again.hello(resumeOf(welcome, { processed: 0, oldest: 1 }))
      for (const [at, text] of texts.entries()) {
        if (at + 1 > Number(processed)) again.say({ type: "data", seq: at + 1, ack: 0, confirm: true, body: { text } })
      }
      // The next one is acknowledged only if nothing before it is missing.
      again.say({ type: "data", seq: 4, ack: 0, confirm: true, body: { text: "4" } })
      yield* soon("the acknowledgement of all", Effect.repeat(again.next("ack"), { until: ({ ack }) => ack === 4 }))
      assert.deepStrictEqual(handled, ["1", "2", "3", "4"])
    })
  )
})
