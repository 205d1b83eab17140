import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Scope } from "effect"
import { connect, makeGateway, until } from "../badInput/support.js"

describe("a gateway that drains", () => {
  it.scopedLive("has not let go of a connection before its client has answered the close", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const gateway = yield* Scope.extend(makeGateway({ closeTimeout: "1 minute", drainTimeout: "1 minute" }), scope)
      const peer = yield* connect(gateway.address)
      yield* peer.hello()
      yield* peer.echoes
      // It has something else to do, and goes on talking meanwhile.
      peer.socket.pause()
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* until("the session to be over", gateway.stats, ({ sessions }) => sessions === 0)
      for (let n = 0; n < 3; n++) {
        yield* Effect.sleep("50 millis")
        peer.data("do you hear me?")
      }
      assert.isTrue(closing.unsafePoll() === null, "the gateway is closing still")
      peer.socket.resume()
      assert.strictEqual((yield* peer.next("goaway")).type, "goaway")
      assert.strictEqual((yield* peer.closed).code, 1012)
      yield* Fiber.join(closing)
    })
  )

  it.scopedLive("lets go of one that never answers when its time is over", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const gateway = yield* Scope.extend(makeGateway({ closeTimeout: "1 minute", drainTimeout: "300 millis" }), scope)
      const peer = yield* connect(gateway.address)
      yield* peer.hello()
      peer.socket.pause()
      const [took] = yield* Effect.timed(Scope.close(scope, Exit.void))
      assert.isAtLeast(Duration.toMillis(took), 290)
      // By the drain's bound, and not by the close's.
      assert.isBelow(Duration.toMillis(took), 30_000)
    })
  )
})
