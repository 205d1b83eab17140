/** What an end hears of a peer that is gone. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryTransport } from "holdfast/testing"
import { listenTo, whats } from "./support.js"

const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve)))

it.live("a reader that pauses while its peer goes hears the end", () =>
  Effect.gen(function* () {
    const { client, server } = MemoryTransport.link()
    const heard = listenTo(server, { onMessage: () => server.pause() })
    client.send("1")
    client.send("2")
    client.destroy()
    yield* turn
    assert.deepStrictEqual(whats(heard), ["1", "closed 1006"])
  })
)

it.live("what a peer sent before it went arrives first", () =>
  Effect.gen(function* () {
    const { client, server } = MemoryTransport.link()
    const heard = listenTo(server)
    client.send("1")
    client.send("2")
    client.destroy()
    yield* turn
    assert.deepStrictEqual(whats(heard), ["1", "2", "closed 1006"])
  })
)
