import { existsSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Scope } from "effect"
import { says } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisServer } from "./server.js"

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describeWithRedis("a Redis server", () => {
  it.scoped("answers when it is made, whatever the test's clock says", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      assert.strictEqual(yield* server.cli("PING"), "PONG")
      assert.strictEqual(server.url, `redis://127.0.0.1:${server.port}`)
    })
  )

  it.scopedLive("answers in lines, and dies of a refusal in its words", () =>
    Effect.gen(function* () {
      const { cli } = yield* redisServer()
      assert.strictEqual(yield* cli("RPUSH", "list", "one", "žluť\r\n", ""), "3")
      assert.strictEqual(yield* cli("LRANGE", "list", "0", "-1"), "one\nžluť\r\n\n")
      assert.strictEqual(yield* cli("GET", "nothing"), "")
      const refused = yield* Effect.exit(cli("GET", "list"))
      assert.match(Exit.isFailure(refused) ? Cause.pretty(refused.cause) : "", /WRONGTYPE/)
    })
  )

  it.scopedLive("has its data when it is killed and started again with appendOnly, on the same port", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ appendOnly: true })
      yield* server.cli("SET", "key", "kept")
      const before = server.pid()
      yield* server.kill
      assert.isFalse(isAlive(before))
      assert.strictEqual((yield* Effect.exit(server.cli("PING")))._tag, "Failure")
      yield* server.start
      assert.notStrictEqual(server.pid(), before)
      assert.strictEqual(yield* server.cli("GET", "key"), "kept")
      yield* server.stop
      yield* server.start
      yield* server.start // it runs already
      assert.strictEqual(yield* server.cli("GET", "key"), "kept")
    })
  )

  it.scopedLive("has forgotten everything without it", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      yield* server.cli("SET", "key", "lost")
      yield* server.stop
      yield* server.start
      assert.strictEqual(yield* server.cli("EXISTS", "key"), "0")
    })
  )

  it.scopedLive("answers nothing while it is paused, and then all of it", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      yield* server.pause
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(server.cli("INCR", "n"), "200 millis")))
      yield* server.resume
      yield* says(server, ["GET", "n"], "1")
    })
  )

  it.scopedLive("is stopped although it is paused", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      yield* server.pause
      yield* server.stop
      assert.isFalse(isAlive(server.pid()))
    })
  )

  for (const state of ["running", "paused", "killed"] as const) {
    it.live(`is gone with its directory when its scope closes while it is ${state}`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const server = yield* Scope.extend(redisServer({ appendOnly: true }), scope)
        const directory = (yield* server.cli("CONFIG", "GET", "dir")).split("\n")[1] ?? ""
        assert.isAbove(readdirSync(directory).length, 0)
        assert.isTrue(directory.startsWith(tmpdir()))
        if (state === "paused") yield* server.pause
        if (state === "killed") yield* server.kill
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(isAlive(server.pid()))
        assert.isFalse(existsSync(directory))
      })
    )
  }

  it.scopedLive("says why it did not start", () =>
    Effect.gen(function* () {
      const { output, reason } = yield* Effect.flip(redisServer({ args: ["--no-such-option", "1"] }))
      assert.strictEqual(reason, "it ended with exit code 1")
      assert.include(output, "no-such-option")
    })
  )
})
