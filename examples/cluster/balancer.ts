/** A TCP load balancer: each connection goes to the next gateway that takes it. */
import * as net from "node:net"
import { Effect, type Scope } from "effect"

export interface Balancer {
  readonly port: number
  /** The ports that connections are spread over, in turn. */
  readonly targets: Set<number>
}

const connect = (port: number) =>
  new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" })
    socket.once("connect", () => resolve(socket))
    socket.once("error", reject)
  })

/** Both ways, until either side ends. */
const join = (one: net.Socket, other: net.Socket): void => {
  for (const [from, to] of [
    [one, other],
    [other, one]
  ] as const) {
    from.pipe(to)
    from.once("error", () => to.destroy())
    from.once("close", () => to.destroy())
  }
}

export const balancer: Effect.Effect<Balancer, Error, Scope.Scope> = Effect.gen(function* () {
  const targets = new Set<number>()
  let turn = 0
  const accept = async (client: net.Socket): Promise<void> => {
    client.on("error", () => {})
    const ports = [...targets]
    turn++
    for (let i = 0; i < ports.length; i++) {
      const port = ports[(turn + i) % ports.length]
      const gateway = port === undefined ? undefined : await connect(port).catch(() => undefined)
      if (gateway !== undefined) return join(client, gateway)
    }
    client.destroy()
  }
  const server = net.createServer((client) => void accept(client))
  yield* Effect.acquireRelease(
    Effect.async<void, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => void server.close())
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { port, targets }
})
