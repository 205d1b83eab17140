/** Who does not say hello, or is not who may: the code of the design, with its reason. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { ConnectionError } from "holdfast"
import {
  codecs,
  connect,
  type GatewayOptions,
  join,
  makeBystander,
  makeGateway,
  settled,
  soon,
  unharmed
} from "./support.js"

const { NotAllowed, NotAuthenticated } = ConnectionError
const long = `${"x".repeat(122)}é and so on`

/** What becomes of a hello, by its token. */
const authenticate: GatewayOptions["authenticate"] = ({ token }) => {
  switch (token) {
    case "stranger":
      return new NotAuthenticated({ reason: "who is that?" })
    case "banned":
      return new NotAllowed({ reason: "not you" })
    case "wordy":
      return new NotAllowed({ reason: long })
    case "bug":
      return Effect.dieMessage("a bug in the application")
    case "slow":
      return Effect.never
    default:
      return Effect.succeed({ id: token ?? "anonymous" })
  }
}

const cases = [
  { token: "stranger", code: 4401, reason: "who is that?" },
  { token: "banned", code: 4403, reason: "not you" },
  { token: "wordy", code: 4403, reason: "x".repeat(122) },
  { token: "bug", code: 1011, reason: "authentication failed" },
  { token: "slow", code: 1013, reason: "authentication takes too long" }
]

describe("hello", () => {
  for (const codec of codecs) {
    it.scopedLive(`none in time: 4408 (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ helloTimeout: "1 second" })
        const bystander = yield* makeBystander(gateway)
        const peer = yield* connect(gateway.address, { codec })
        // Pings are no hello.
        peer.ws.ping()
        assert.deepStrictEqual(yield* peer.closed, { code: 4408, reason: "no hello within 1000 ms" })
        yield* unharmed(gateway, bystander)
      })
    )

    for (const { code, reason, token } of cases) {
      it.scopedLive(`of "${token}": ${code} (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway({ authenticate, helloTimeout: "1 second" })
          const bystander = yield* makeBystander(gateway)
          const peer = yield* connect(gateway.address, { codec })
          peer.say({ type: "hello", token })
          assert.deepStrictEqual(yield* peer.closed, { code, reason })
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }

  it.scopedLive("a resume is authenticated like a first connection: the revoked do not come back", () =>
    Effect.gen(function* () {
      const revoked = new Set<string>()
      const gateway = yield* makeGateway({
        resumeWindow: "1 minute",
        authenticate: ({ token = "" }) =>
          revoked.has(token) ? new NotAllowed({ reason: "revoked" }) : Effect.succeed({ id: token })
      })
      const { peer, welcome } = yield* join(gateway.address, { hello: { token: "ann" } })
      yield* peer.echoes
      peer.ws.terminate()
      yield* settled(gateway, { connections: 0, sessions: 1 })
      revoked.add("ann")
      const again = yield* connect(gateway.address)
      const { secret, session } = welcome
      again.say({ type: "hello", token: "ann", resume: { session, secret, processed: 1, oldest: 2 } })
      assert.deepStrictEqual(yield* again.closed, { code: 4403, reason: "revoked" })
    })
  )

  it.scopedLive("a peer that leaves while it is authenticated is not kept until that is done", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const gateway = yield* makeGateway({
        helloTimeout: "1 hour",
        authenticate: () => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never)
      })
      const peer = yield* connect(gateway.address)
      peer.say({ type: "hello" })
      yield* soon("the authentication", Deferred.await(asked))
      peer.ws.terminate()
      yield* settled(gateway, { connections: 0, sessions: 0 })
    })
  )
})

describe("a full gateway", () => {
  it.scopedLive("one session more than maxSessionsPerPrincipal: goaway, then 4429, and the others go on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 1 })
      const bystander = yield* makeBystander(gateway)
      const peer = yield* connect(gateway.address)
      peer.say({ type: "hello", token: "bystander" })
      const reason = "there are 1 sessions of this principal already"
      assert.deepStrictEqual<unknown>(yield* peer.next("goaway"), { type: "goaway", retryAfter: 5000, reason })
      assert.deepStrictEqual(yield* peer.closed, { code: 4429, reason })
      yield* unharmed(gateway, bystander)
    })
  )

  it.scopedLive("one session more than maxSessions: 1013, and the others go on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessions: 1 })
      const bystander = yield* makeBystander(gateway)
      const peer = yield* connect(gateway.address)
      peer.say({ type: "hello" })
      assert.deepStrictEqual(yield* peer.closed, { code: 1013, reason: "this gateway holds 1 sessions already" })
      yield* unharmed(gateway, bystander)
    })
  )

  it.scopedLive("a crowd that says hello at once does not get past maxSessions", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessions: 5, resumeWindow: "1 minute" })
      const crowd = yield* Effect.all(Array.from({ length: 20 }, () => connect(gateway.address)))
      for (const peer of crowd) peer.say({ type: "hello" })
      const answers = yield* Effect.forEach(crowd, (peer) => peer.answer, { concurrency: "unbounded" })
      assert.strictEqual(answers.filter((answer) => "type" in answer).length, 5)
      assert.strictEqual(answers.filter((answer) => "code" in answer && answer.code === 1013).length, 15)
    })
  )

  it.scopedLive("a session that ends makes room", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessions: 1 })
      const first = yield* join(gateway.address)
      first.peer.say({ type: "bye" })
      assert.deepStrictEqual(yield* first.peer.closed, { code: 1000, reason: "bye" })
      yield* settled(gateway, { connections: 0, sessions: 0 })
      const second = yield* join(gateway.address)
      yield* second.peer.echoes
    })
  )
})
