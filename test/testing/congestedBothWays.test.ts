/** Found by the simulation, seed 69: it span for ever, and no clock could stop it. */
import { assert, it } from "@effect/vitest"
import type { Transport } from "holdfast"
import { MemoryTransport } from "holdfast/testing"

it("a link that is congested in both directions can be cut, and both ends hear of it once", async () => {
  const link = MemoryTransport.link({ capacity: 1 })
  const closed: Array<string> = []
  const receiver = (side: string): Transport.Receiver => ({
    message: () => {},
    ping: () => {},
    pong: () => {},
    congested: () => {},
    drained: () => {},
    closed: ({ code }) => void closed.push(`${side} ${code}`)
  })
  for (const side of ["client", "server"] as const) {
    link[side].run(receiver(side))
    link[side].pause()
    for (let i = 0; i < 3; i++) link[side].send("a frame")
  }
  await new Promise((resolve) => setImmediate(resolve))
  assert.isAbove(link.client.buffered(), 0)
  assert.isAbove(link.server.buffered(), 0)

  link.cut()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepStrictEqual(closed, ["client 1006", "server 1006"])
})
