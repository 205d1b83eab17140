/** Rules of the application that misbehave, and clients that ask for more than is answered: one session's business. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { kept } from "./memory.js"
import { codecs, connect, join, type Peer, type Said, soon, until } from "./support.js"
import { ask, makeBystander, makeGateway, type Request, unharmed } from "./topicGateway.js"

const requests: ReadonlyArray<Request> = [{ type: "subscribe" }, { type: "publish", body: 1 }]

describe("a rule that", () => {
  for (const [how, code] of [
    ["refuses", "not-allowed"],
    ["rambles", "not-allowed"],
    ["dies", "failed"],
    ["throws", "failed"],
    ["interrupts", "failed"],
    ["fails", "failed"]
  ] as const) {
    for (const codec of codecs) {
      it.scopedLive(`${how}: ${code}, and the next request is answered (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const { peer } = yield* join(gateway.address, { codec })
          for (const request of requests) {
            const answer = yield* ask(peer, { ...request, topic: `bad/${how}` })
            assert.include(answer, { type: "error", code })
            assert.isAtMost(String(answer["reason"]).length, 1000)
            assert.notInclude(String(answer["reason"]), "a bug in the application")
            const next = yield* ask(peer, { ...request, topic: "bad/good" })
            assert.notStrictEqual(next.type, "error")
          }
          yield* peer.echoes
          yield* bystander.goesOn
        })
      )
    }
  }

  for (const [at, request] of requests.entries()) {
    it.scopedLive(`hangs in ${request.type} holds up its own session's requests, and is over with the session`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address)
        peer.say({ id: 1, ...request, topic: "bad/hangs" })
        peer.say({ id: 2, ...request, topic: "any/a" })
        // Its messages are handled all the same.
        yield* peer.echoes
        yield* bystander.goesOn
        for (const type of ["error", "subscribed", "published"]) assert.strictEqual(peer.waiting(type), 0)
        if (at === 0) peer.ws.terminate()
        else peer.ws.close(1000)
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("hangs does not hold up the gateway's end", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const options = { drainTimeout: "100 millis", closeTimeout: "100 millis" } as const
      const gateway = yield* Scope.extend(makeGateway(options), scope)
      const { peer } = yield* join(gateway.address)
      peer.say({ id: 1, type: "subscribe", topic: "bad/hangs" })
      yield* peer.echoes
      yield* soon("the end of the gateway", Scope.close(scope, Exit.void))
      assert.strictEqual((yield* peer.closed).code, 1012)
    })
  )
})

// ---- more than is answered

const small = { replayMessages: 4, replayBytes: 1000, maxMessage: 1000, maxSubscriptions: 2, maxRequests: 5 }
/** §9: of a client that does not know `request-limits` more than `maxRequests`, its window and a few for each topic; one more is being answered. */
const most = 4 + 3 * 2 + 1
const tooMany = "more requests sent without waiting for their answers than the limits allow"

const flood = (peer: Peer, count: number, request: object) => {
  for (let id = 1; id <= count; id++) peer.say({ id, ...request })
}

const hanging = { type: "publish", topic: "bad/hangs", body: 1 }

describe("requests that are not answered", () => {
  for (const codec of codecs) {
    for (const [what, request] of [
      ["publications", hanging],
      ["subscriptions", { type: "subscribe", topic: "bad/hangs" }]
    ] as const) {
      it.scopedLive(`as many ${what} as may be wait, and one more is a violation: 4400 (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway(small)
          const bystander = yield* makeBystander(gateway)
          const { peer } = yield* join(gateway.address, { codec })
          flood(peer, most, request)
          yield* peer.echoes
          peer.say({ id: most + 1, ...request })
          assert.deepStrictEqual(yield* peer.closed, { code: 4400, reason: tooMany })
          yield* unharmed(gateway, bystander)
        })
      )
    }

    it.scopedLive(`as many bytes as may be wait, and more are a violation: 4400 (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(small)
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address, { codec })
        // The first is being answered; a single one may be larger, as for messages.
        const large = { ...hanging, body: "x".repeat(900) }
        flood(peer, 3, large)
        yield* peer.echoes
        flood(peer, 1, large)
        assert.deepStrictEqual(yield* peer.closed, { code: 4400, reason: tooMany })
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("are nothing to the session's next connection", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ ...small, resumeWindow: "10 seconds", drainTimeout: "50 millis" })
      const { peer, welcome } = yield* join(gateway.address)
      flood(peer, most + 1, hanging)
      assert.strictEqual((yield* peer.closed).code, 4400)
      const { secret, session } = welcome as Said & { readonly session: string }
      const again = yield* connect(gateway.address)
      const resumed = yield* again.hello({ resume: { session, secret, processed: 0, oldest: 1 } })
      assert.isTrue(resumed["resumed"])
      yield* again.echoes
    })
  )
})

// ---- answers that nobody reads

/** Writes requests for as long as the gateway takes them; tells the most memory that it took meanwhile. */
const pour = (peer: Peer, count: number, request: object) =>
  soon(
    "the gateway to take or refuse them all",
    Effect.async<number>((resume) => {
      const before = kept()
      let id = 0
      let peak = 0
      let waits = 0
      const more = () => {
        // Collecting garbage takes its time.
        if (++waits % 8 === 0) peak = Math.max(peak, kept() - before)
        while (id < count && peer.ws.readyState === peer.ws.OPEN) {
          for (let n = 0; n < 100; n++) peer.say({ id: ++id, ...request })
          if (peer.socket.writableLength > 2e6) return void peer.socket.once("drain", more)
        }
        resume(Effect.sync(() => Math.max(peak, kept() - before)))
      }
      peer.socket.once("close", () => resume(Effect.succeed(peak)))
      more()
    })
  )

describe("a client that asks and never reads the answers", () => {
  const limitless = { messageRate: 2 ** 30, byteRate: 2 ** 30, writeDeadline: "1 second" } as const
  for (const [what, count, request] of [
    ["publications", 200_000, { type: "publish", topic: "any/a", body: 1 }],
    ["refused publications", 200_000, { type: "publish", topic: "nowhere", body: 1 }],
    ["refused subscriptions", 200_000, { type: "subscribe", topic: "any/a", since: "oldest" }],
    ["subscriptions with long names", 3_000, { type: "subscribe", topic: "x".repeat(10_000) }]
  ] as const) {
    it.scopedLive(`takes no memory, for the answers to ${count} ${what}`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(limitless)
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address)
        peer.socket.pause()
        const peak = yield* pour(peer, count, request)
        assert.isBelow(peak / 1e6, 40, "MB")
        yield* bystander.goesOn
        // That many answers are more than the network holds: it is told to go, or found out by the write deadline.
        if (count < 200_000) peer.socket.destroy()
        yield* until("the session to be alone", gateway.stats, ({ connections }) => connections === 1)
        yield* unharmed(gateway, bystander)
      })
    )
  }
})
