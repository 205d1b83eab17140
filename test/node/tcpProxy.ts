/** A TCP proxy that cuts, delays and goes silent: the network between the two ends, under a test's control. */
import * as Net from "node:net"
import { Effect, type Scope } from "effect"

/** `up` is from the client to the server. */
export type Direction = "up" | "down"

export interface TcpProxy {
  readonly port: number
  readonly stats: Effect.Effect<{
    /** Open now. */
    readonly open: number
    readonly accepted: number
    readonly cut: number
  }>
  /** Breaks every connection: both sockets are destroyed, and what was on its way is lost. */
  readonly cut: Effect.Effect<void>
  /** From now on each connection is cut, mid-frame or not, after so many bytes in one direction; asked again for each. */
  readonly cutAfter: (bytes: (direction: Direction) => number) => Effect.Effect<void>
  /** From now on connections are forwarded to this port; those that are open stay where they are. */
  readonly redirect: (target: number) => Effect.Effect<void>
  /** Bytes arrive this many milliseconds later, each way, in order. */
  readonly delay: (millis: number) => Effect.Effect<void>
  /** Nothing passes any more, closes neither, while the sockets stay open. */
  readonly silence: (...directions: ReadonlyArray<Direction>) => Effect.Effect<void>
  /** Undoes `silence`: what waited passes, late. */
  readonly restore: Effect.Effect<void>
}

/** Bytes that pass in one turn: as a network would, it lets the two directions take turns. */
const packet = 1460
const maxQueue = 64

class Rules {
  constructor(public target: number) {}

  delay = 0
  silent: ReadonlySet<Direction> = new Set()
  budget = (_direction: Direction) => Number.POSITIVE_INFINITY
  accepted = 0
  cut = 0
  readonly links = new Set<Link>()
}

/** One direction of a connection. */
class Pipe {
  private queue: Array<{ readonly at: number; readonly bytes: Buffer | "end" }> = []
  private timer: NodeJS.Timeout | undefined
  private latest = 0
  left: number

  constructor(
    readonly direction: Direction,
    private readonly source: Net.Socket,
    private readonly target: Net.Socket,
    private readonly rules: Rules,
    private readonly cut: () => void
  ) {
    this.left = rules.budget(direction)
    source.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += packet) this.push(chunk.subarray(at, at + packet))
      if (this.queue.length > maxQueue) source.pause()
    })
    source.once("end", () => this.push("end"))
    source.once("close", () => this.push("end"))
    source.on("error", () => {})
    target.on("drain", this.pump)
  }

  private push(bytes: Buffer | "end"): void {
    this.latest = Math.max(this.latest, performance.now() + this.rules.delay)
    this.queue.push({ at: this.latest, bytes })
    if (this.queue.length === 1) this.pump()
  }

  readonly pump = (): void => {
    const head = this.queue[0]
    if (head === undefined || this.timer !== undefined || this.rules.silent.has(this.direction)) return
    const wait = head.at - performance.now()
    if (wait > 0) {
      this.timer = setTimeout(() => {
        this.timer = undefined
        this.pump()
      }, wait)
      return
    }
    if (this.target.writableNeedDrain) return
    this.queue.shift()
    if (this.queue.length <= maxQueue) this.source.resume()
    if (head.bytes === "end") {
      this.target.end()
    } else if (!this.target.destroyed) {
      this.target.write(head.bytes.subarray(0, this.left))
      this.left -= head.bytes.length
      if (this.left <= 0) return this.cut()
    }
    setImmediate(this.pump)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.queue = []
  }
}

/** One connection of a client, and the one to the server that goes with it. */
class Link {
  readonly pipes: ReadonlyArray<Pipe>
  private readonly sockets: readonly [Net.Socket, Net.Socket]

  constructor(
    client: Net.Socket,
    server: Net.Socket,
    private readonly rules: Rules
  ) {
    this.sockets = [client, server]
    const cut = () => this.cut()
    this.pipes = [new Pipe("up", client, server, rules, cut), new Pipe("down", server, client, rules, cut)]
    rules.links.add(this)
    rules.accepted++
    for (const socket of this.sockets) {
      socket.setNoDelay(true)
      socket.once("close", () => {
        if (this.sockets.every(({ destroyed }) => destroyed)) this.destroy()
      })
    }
  }

  cut(): void {
    this.rules.cut++
    this.destroy()
  }

  destroy(): void {
    this.rules.links.delete(this)
    for (const pipe of this.pipes) pipe.stop()
    for (const socket of this.sockets) socket.destroy()
  }
}

const listen = (server: Net.Server) =>
  Effect.async<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
  })

/** Listens on a free port and forwards to `target`; the scope destroys every socket. */
export const make = (target: number): Effect.Effect<TcpProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const rules = new Rules(target)
    const server = Net.createServer({ allowHalfOpen: true }, (client) => {
      new Link(client, Net.connect({ port: rules.target, host: "127.0.0.1", allowHalfOpen: true }), rules)
    })
    const pipes = () => [...rules.links].flatMap((link) => link.pipes)
    const port = yield* Effect.acquireRelease(listen(server), () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const link of rules.links) link.destroy()
      })
    )
    return {
      port,
      stats: Effect.sync(() => ({ open: rules.links.size, accepted: rules.accepted, cut: rules.cut })),
      cut: Effect.sync(() => {
        for (const link of [...rules.links]) link.cut()
      }),
      cutAfter: (bytes) =>
        Effect.sync(() => {
          rules.budget = bytes
          for (const pipe of pipes()) pipe.left = bytes(pipe.direction)
        }),
      redirect: (target) =>
        Effect.sync(() => {
          rules.target = target
        }),
      delay: (millis) =>
        Effect.sync(() => {
          rules.delay = millis
        }),
      silence: (...directions) =>
        Effect.sync(() => {
          rules.silent = new Set(directions)
        }),
      restore: Effect.sync(() => {
        rules.silent = new Set()
        for (const pipe of pipes()) pipe.pump()
      })
    }
  })
