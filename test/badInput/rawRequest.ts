/** Upgrade requests written byte by byte, to a gateway that remembers what it was told of them. */
import * as net from "node:net"
import { Effect, Layer } from "effect"
import { Gateway, type Listener, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { echo, soon } from "./support.js"

export type ListenOptions = Omit<NodeListener.ListenOptions, "port">

/** A gateway that remembers who asked. */
export const makeGateway = (options: ListenOptions = {}) =>
  Effect.gen(function* () {
    const asked: Array<Listener.UpgradeRequest> = []
    const listener = NodeListener.layer({ port: 0, ...options })
    const context = yield* Layer.build(Layer.merge(listener, SessionStore.layerMemory()))
    const authorizeUpgrade = (request: Listener.UpgradeRequest) => Effect.sync(() => void asked.push(request))
    const gateway = yield* Effect.provide(Gateway.make({ ...echo, authorizeUpgrade }), context)
    return { gateway, asked }
  })

interface Heard {
  readonly text: string
  /** Milliseconds from the connection's beginning to its end. */
  readonly after: number
}

/** A raw connection that does this, and what it hears until it ends, or is upgraded. */
export const talk = (address: string, start: (socket: net.Socket) => void): Effect.Effect<Heard> =>
  soon(
    "the end of the connection",
    Effect.async((resume) => {
      const { hostname, port } = new URL(address)
      let text = ""
      const began = performance.now()
      const done = () => {
        socket.destroy()
        resume(Effect.succeed({ text, after: performance.now() - began }))
      }
      const socket = net.connect(Number(port), hostname.replace(/^\[|\]$/g, ""), () => start(socket))
      socket.on("data", (chunk) => {
        text += chunk
        if (text.startsWith("HTTP/1.1 101 ")) done()
      })
      socket.on("error", () => {}) // "close" follows
      socket.on("close", done)
      return Effect.sync(() => socket.destroy())
    })
  )

export const target = "/?a=b"
export const upgrade: ReadonlyArray<readonly [name: string, value: string]> = [
  ["host", "gateway.example"],
  ["connection", "Upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-version", "13"],
  ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["sec-websocket-protocol", "holdfast.v1.json"]
]

export type Headers = ReadonlyArray<readonly [name: string, value: string]>

export const requestOf = (headers: Headers): string =>
  [`GET ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n")

export const statusOf = ({ text }: Heard): string => text.slice("HTTP/1.1 ".length, "HTTP/1.1 101".length)
