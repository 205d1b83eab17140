/** Two ends joined by two wires. */
import type { Link, LinkOptions, Side } from "./link.js"
import { End } from "./memoryEnd.js"
import { type Governed, imperfect } from "./wire.js"

export interface Made {
  readonly link: Link
  /** The wires that carry what each side sends. */
  readonly wires: Readonly<Record<Side, Governed>>
  /** True when neither end is open any more. */
  readonly isOver: () => boolean
}

export const make = (options?: LinkOptions): Made => {
  const protocol = options?.protocol ?? ""
  const capacity = options?.capacity ?? 64 * 1024
  const { clientPings = true, remoteAddress = "memory:client", surroundings } = options ?? {}
  const limit = (side: Side) => options?.maxFrame?.[side] ?? Number.POSITIVE_INFINITY
  const client = new End("memory:server", protocol, capacity, limit("client"), clientPings, surroundings)
  const server = new End(remoteAddress, protocol, capacity, limit("server"), true, surroundings)
  client.peer = server
  server.peer = client
  const ends = { client, server }
  const wires = (side: Side | undefined) => (side === undefined ? [client.wire, server.wire] : [ends[side].wire])
  const link: Link = {
    client,
    server,
    // Where both machines have crashed nobody is left to hear of it.
    isOpen: () => client.isOpen && server.isOpen && !(client.isCrashed && server.isCrashed),
    cut: () => {
      client.break()
      server.break()
    },
    silence: (side) => {
      for (const wire of wires(side)) wire.hold("hand")
    },
    heal: (side) => {
      for (const wire of wires(side)) wire.letGo("hand")
    },
    stall: (side) => ends[side].setStalled(true),
    release: (side) => ends[side].setStalled(false),
    conditions: (conditions, side) => {
      for (const wire of wires(side)) wire.conditions = imperfect(conditions)
    },
    crash: (side, { isTold }) => ends[side].crash(isTold),
    forget: (side) => ends[side].forget(),
    pings: (side) => ends[side].pingCount
  }
  return { link, wires: { client: client.wire, server: server.wire }, isOver: () => !client.isOpen && !server.isOpen }
}
