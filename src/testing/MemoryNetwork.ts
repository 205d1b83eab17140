/**
 * A network in memory, in which a program's own Client and Gateway run
 * unchanged: machines with names, ways between them that take time and fall
 * silent, machines that sleep or crash. Time and chance are Effect's Clock and
 * Random, so that everything happens under TestClock or `VirtualTime`, and in
 * the same way each time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Dialer } from "../connection/Dialer.js"
import { Listener } from "../connection/Listener.js"
import { Credentials, draw, type Service } from "../session/Credentials.js"
import { operation } from "../session/operation.js"
import * as machines from "./internal/machines.js"
import { MemoryNetwork } from "./internal/network.js"

export { MemoryNetwork, type OnMachine, type Reach, type WayOptions } from "./internal/network.js"

/**
 * Ids and secrets that count up: `session-1`, `secret-2`. Their hash is
 * readable, and answers at once. Not for production.
 *
 * @since 0.1.0
 * @category credentials
 */
export const credentials = (): Service => {
  let made = 0
  return {
    id: draw(() => `session-${++made}`),
    secret: draw(() => `secret-${++made}`),
    hash: operation((secret) => Exit.succeed(`hash of ${secret}`))
  }
}

/**
 * A network in memory, with the services of two of its machines for programs
 * that need no name: the Dialer of `client` and the Listener of `server`. With
 * `clientPings: false` its clients are like browsers, which cannot ping. When
 * the layer is released every link is cut, so that what is closed after it
 * need not wait for a clock that stands still.
 *
 * Its clock and its chance are those where the layer is built: provide it
 * inside of `VirtualTime.run`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly clientPings?: boolean | undefined
}): Layer.Layer<MemoryNetwork | Dialer | Listener | Credentials> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const { controls, onMachine } = yield* machines.make(options?.clientPings ?? true, credentials())
      const client = onMachine("client")
      const server = onMachine("server")
      return Context.make(MemoryNetwork, controls).pipe(
        Context.add(Dialer, Context.get(client, Dialer)),
        Context.add(Listener, Context.get(server, Listener)),
        Context.add(Credentials, Context.get(client, Credentials))
      )
    })
  )
