/** A small price feed: no server of Holdfast's, which answers pings of its own protocol alone. */
import { Effect, type Scope } from "effect"
import { WebSocketServer } from "ws"

export interface FeedServer {
  readonly port: number
  /** Of each connection, in order: its token, and the symbols that it subscribed to. */
  readonly connections: ReadonlyArray<{ readonly token: string | null; readonly symbols: ReadonlyArray<string> }>
}

/**
 * Tells a connection the price of what it subscribes to: 1, and with `everyMillis` the next integer again and again.
 * It is on a free port until the scope closes.
 */
export const feedServer = (everyMillis?: number): Effect.Effect<FeedServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.async<WebSocketServer>((resume) => {
        const made: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 })
        made.on("listening", () => resume(Effect.succeed(made)))
      }),
      (made) =>
        Effect.async<void>((resume) => {
          for (const socket of made.clients) socket.terminate()
          made.close(() => resume(Effect.void))
        })
    )
    const connections: Array<{ readonly token: string | null; readonly symbols: Array<string> }> = []
    server.on("connection", (socket, { url }) => {
      const symbols: Array<string> = []
      connections.push({ token: new URL(url ?? "", "ws://localhost").searchParams.get("token"), symbols })
      const tell = (symbol: string, price: number) => socket.send(JSON.stringify({ op: "price", symbol, price }))
      socket.on("message", (data) => {
        const { op, symbol } = JSON.parse(String(data))
        if (op === "ping") return socket.send('{"op":"pong"}')
        symbols.push(symbol)
        let price = 1
        tell(symbol, price)
        if (everyMillis === undefined) return
        const timer = setInterval(() => tell(symbol, ++price), everyMillis)
        socket.on("close", () => clearInterval(timer))
      })
    })
    const { port } = server.address() as { port: number } // it listens on a port
    return { port, connections }
  })
