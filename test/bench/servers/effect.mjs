/** The WebSocket server of Effect's own platform: it has no heartbeat, no sessions and no backpressure. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect } from "effect"
import { serve } from "./serve.mjs"

const listen = (handler) =>
  new Promise((resume, reject) => {
    NodeSocketServer.makeWebSocket({ host: "127.0.0.1", port: 0 })
      .pipe(
        Effect.tap(({ address }) => Effect.sync(() => resume(address.port))),
        Effect.flatMap((server) => server.run(handler)),
        Effect.scoped,
        Effect.runPromise
      )
      .catch(reject)
  })

const echo = (socket) => Effect.scoped(Effect.flatMap(socket.writer, (write) => socket.runRaw((data) => write(data))))

await serve({
  echo: () => listen(echo)
})
