/** The URL that tells where Redis is. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { RedisConnection } from "holdfast/redis"
import { InvalidOption } from "../../src/protocol/ConnectionError.js"
import { parse } from "../../src/redis/internal/redisUrl.js"

describe("the address of Redis", () => {
  const server = (options: object) => ({ _tag: "Server", options })
  const good: Readonly<Record<string, object>> = {
    "redis://localhost": server({ host: "localhost", port: 6379, db: 0 }),
    "redis://localhost:7000/": server({ host: "localhost", port: 7000, db: 0 }),
    "redis://localhost/12": server({ host: "localhost", port: 6379, db: 12 }),
    "rediss://localhost": server({ host: "localhost", port: 6379, tls: {}, db: 0 }),
    "redis://a%40b:p%3A%2F%25@h:1": server({ host: "h", port: 1, username: "a@b", password: "p:/%", db: 0 }),
    "redis://u:p:q@h": server({ host: "h", port: 6379, username: "u", password: "p:q", db: 0 }),
    "redis://:p@h": server({ host: "h", port: 6379, password: "p", db: 0 }),
    "redis://[::1]:7000/1": server({ host: "::1", port: 7000, db: 1 }),
    "redis://[fe80::1]": server({ host: "fe80::1", port: 6379, db: 0 }),
    "redis+cluster://a,b:7000,[::1]:7001": {
      _tag: "Cluster",
      nodes: [
        { host: "a", port: 6379 },
        { host: "b", port: 7000 },
        { host: "::1", port: 7001 }
      ],
      options: {}
    },
    "rediss+cluster://u:p@a/0": {
      _tag: "Cluster",
      nodes: [{ host: "a", port: 6379 }],
      options: { username: "u", password: "p", tls: {} }
    },
    "redis+sentinel://:p@a,b:1/my%20name": server({
      sentinels: [
        { host: "a", port: 26379 },
        { host: "b", port: 1 }
      ],
      name: "my name",
      enableTLSForSentinelMode: false,
      password: "p"
    })
  }
  for (const [url, expected] of Object.entries(good)) {
    it(`is read from ${url}`, () => assert.deepStrictEqual(parse(url), expected))
  }

  const bad = [
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://h:0",
    "redis://h:65536",
    "redis://h:x",
    "redis://::1:6379",
    "redis://a,b",
    "redis://h/x",
    "redis://h/1/2",
    "redis+cluster://a/1",
    "redis+cluster://a,,b",
    "redis+sentinel://a",
    "redis+sentinel://a/",
    "redis://u:secret@h:x",
    "redis://u:secret%@h",
    "redis://u:se/secret@h",
    "redis://u:se@secret@h",
    "u:secret@h:6379",
    "redis://h?password=secret"
  ]
  for (const url of bad) {
    it(`is not read from ${url || "nothing"}, and its password is not shown`, () => {
      const refused = parse(url)
      if (!(refused instanceof InvalidOption)) return assert.fail(JSON.stringify(refused))
      assert.strictEqual(refused.option, "url")
      assert.include(refused.rule, "redis://host:6379/0")
      assert.notInclude(refused.message, "secret")
    })
  }

  it.scoped("that is wrong is what make fails with, as is a prefix with braces", () =>
    Effect.gen(function* () {
      const url = Redacted.make("redis://u:secret@h/x")
      assert.strictEqual((yield* Effect.flip(RedisConnection.make({ url }))).option, "url")
      assert.strictEqual((yield* Effect.flip(RedisConnection.make({ prefix: "{a}" }))).option, "prefix")
    })
  )
})
