/**
 * A Dialer and a Listener joined in memory, so that a program's own Client and
 * Gateway run unchanged under TestClock.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConnectionLost, DialFailed, DialRefused, ListenFailed } from "../ConnectionError.js"
import { Credentials, type Service } from "../Credentials.js"
import { Dialer, type DialRequest } from "../Dialer.js"
import { type Incoming, Listener } from "../Listener.js"
import type { Transport } from "../Transport.js"
import { type Link, link } from "./MemoryTransport.js"

/**
 * What becomes of dials: they reach the listener, are refused by the machine,
 * answered with an HTTP status, or never answered.
 *
 * @since 0.1.0
 * @category models
 */
export type Reach =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Refused" }
  | {
      readonly _tag: "Status"
      readonly status: number
      readonly body: string
      readonly retryAfter?: number | undefined
    }
  | { readonly _tag: "Silent" }

/**
 * The network's controls.
 *
 * @since 0.1.0
 * @category services
 */
export class MemoryNetwork extends Context.Tag("holdfast/testing/MemoryNetwork")<
  MemoryNetwork,
  {
    /** The links that are open, oldest first. */
    readonly links: Effect.Effect<ReadonlyArray<Link>>
    /** The newest link; dies when there is none. */
    readonly latest: Effect.Effect<Link>
    /** Cuts every link. */
    readonly cut: Effect.Effect<void>
    /** What becomes of dials from now on. */
    readonly reach: (reach: Reach) => Effect.Effect<void>
    /** Does this to each link made from now on, before anything passes. */
    readonly onLink: (change: (link: Link) => void) => Effect.Effect<void>
    /** Dials come from this address from now on, in place of `memory`. */
    readonly address: (address: string) => Effect.Effect<void>
    /** How often was dialled. */
    readonly dials: Effect.Effect<number>
  }
>() {}

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
    id: Effect.sync(() => `session-${++made}`),
    secret: Effect.sync(() => `secret-${++made}`),
    hash: (secret) => Effect.succeed(`hash of ${secret}`)
  }
}

const make = (clientPings: boolean) => {
  let open: Array<Link> = []
  let dials = 0
  let reach: Reach = { _tag: "Open" }
  let address = "memory"
  let onLink: (link: Link) => void = () => {}
  let handler: ((incoming: Incoming) => void) | undefined

  const links = (): Array<Link> => {
    open = open.filter((link) => link.isOpen())
    return open
  }

  const upgrade = (request: DialRequest): Effect.Effect<Transport, DialFailed | DialRefused> =>
    Effect.async((resume) => {
      const refuse = (status: number, body: string, retryAfter?: number) =>
        resume(Effect.fail(new DialRefused({ url: request.url, status, body, retryAfter })))
      if (handler === undefined) return refuse(503, "nobody listens", 1000)
      let abandoned = false
      const remoteAddress = `${address}:client`
      handler({
        request: {
          url: request.url,
          headers: Object.fromEntries(Object.entries(request.headers ?? {}).map(([k, v]) => [k.toLowerCase(), v])),
          address,
          remoteAddress,
          protocols: request.protocols
        },
        accept: ({ maxFrame, protocol }) =>
          Effect.suspend(() => {
            if (abandoned) return Effect.fail(new ConnectionLost({}))
            const limits = { server: maxFrame, client: request.maxFrame }
            const made = link({ protocol, maxFrame: limits, clientPings, remoteAddress })
            links().push(made)
            onLink(made)
            resume(Effect.succeed(made.client))
            return Effect.acquireRelease(Effect.succeed(made.server), (server) => Effect.sync(() => server.destroy()))
          }),
        refuse: (status, body, headers = {}) =>
          Effect.sync(() => {
            const after = headers["Retry-After"]
            refuse(status, body, after === undefined ? undefined : Number(after) * 1000)
          })
      })
      return Effect.sync(() => {
        abandoned = true
      })
    })

  const dial: Dialer["Type"]["dial"] = (request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<Transport, DialFailed | DialRefused> => {
        dials++
        switch (reach._tag) {
          case "Refused":
            return Effect.fail(new DialFailed({ url: request.url, cause: new Error("connection refused") }))
          case "Status":
            return Effect.fail(new DialRefused({ url: request.url, retryAfter: undefined, ...reach }))
          case "Silent":
            return restore(Effect.never)
          case "Open":
            return restore(upgrade(request))
        }
      }).pipe(Effect.tap((transport) => Effect.addFinalizer(() => Effect.sync(() => transport.destroy()))))
    )

  const listen: Listener["Type"]["listen"] = (next) =>
    Effect.suspend(() => {
      if (handler !== undefined) {
        return Effect.fail(new ListenFailed({ address: "memory:", cause: new Error("a gateway listens already") }))
      }
      handler = next
      return Effect.addFinalizer(() =>
        Effect.sync(() => {
          handler = undefined
        })
      )
    })

  const network: MemoryNetwork["Type"] = {
    links: Effect.sync(() => [...links()]),
    latest: Effect.suspend(() => {
      const latest = links().at(-1)
      return latest === undefined ? Effect.dieMessage("no link is open") : Effect.succeed(latest)
    }),
    cut: Effect.sync(() => {
      for (const link of links()) link.cut()
    }),
    reach: (next) =>
      Effect.sync(() => {
        reach = next
      }),
    onLink: (change) =>
      Effect.sync(() => {
        onLink = change
      }),
    address: (next) =>
      Effect.sync(() => {
        address = next
      }),
    dials: Effect.sync(() => dials)
  }

  const services = Context.make(MemoryNetwork, network).pipe(
    Context.add(Dialer, { dial }),
    Context.add(Listener, { address: "memory:", listen }),
    Context.add(Credentials, credentials())
  )
  return { network, services }
}

/**
 * A network in memory. With `clientPings: false` its clients are like
 * browsers, which cannot ping. When the layer is released every link is cut,
 * so that what is closed after it need not wait for a clock that stands still.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly clientPings?: boolean | undefined
}): Layer.Layer<MemoryNetwork | Dialer | Listener | Credentials> =>
  Layer.scopedContext(
    Effect.acquireRelease(
      Effect.sync(() => make(options?.clientPings ?? true)),
      ({ network }) => network.cut
    ).pipe(Effect.map(({ services }) => services))
  )
