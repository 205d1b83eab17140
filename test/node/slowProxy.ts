/** A TCP proxy that carries so many bytes a second each way, and cuts. */
import * as Net from "node:net"
import { Effect } from "effect"

export interface SlowProxy {
  readonly port: number
  /** Bytes that it has carried, by direction. */
  readonly carried: { up: number; down: number }
  /** Breaks every connection. */
  readonly cut: Effect.Effect<void>
}

/** Milliseconds between two turns of a pipe. */
const turn = 10

/** Reads no faster than the rate, so that the kernel pushes the sender back, and gives back what stops that. */
const pipe = (from: Net.Socket, to: Net.Socket, bytesPerSecond: number, count: (bytes: number) => void) => {
  from.pause()
  let at = performance.now()
  let credit = 0
  const timer = setInterval(() => {
    const now = performance.now()
    // A turn that comes late carries what it missed, within a tenth of a second.
    credit = Math.min(bytesPerSecond / 10, credit + ((now - at) * bytesPerSecond) / 1000)
    at = now
    const bytes: Buffer | null = from.read(Math.min(from.readableLength, Math.floor(credit)))
    if (bytes === null) return
    credit -= bytes.length
    count(bytes.length)
    to.write(bytes)
  }, turn)
  return () => clearInterval(timer)
}

/** In front of the server at this port of this machine. */
export const make = (target: number, bytesPerSecond: number) =>
  Effect.acquireRelease(
    Effect.async<SlowProxy & { readonly server: Net.Server }>((resume) => {
      const open = new Set<Net.Socket>()
      const carried = { up: 0, down: 0 }
      const server = Net.createServer((near) => {
        const far = Net.connect(target, "127.0.0.1")
        const stops = [
          pipe(near, far, bytesPerSecond, (bytes) => {
            carried.up += bytes
          }),
          pipe(far, near, bytesPerSecond, (bytes) => {
            carried.down += bytes
          })
        ]
        for (const socket of [near, far]) {
          open.add(socket)
          // What breaks one side breaks the other; `close` follows.
          socket.on("error", () => socket.destroy())
          socket.on("close", () => {
            for (const stop of stops) stop()
            open.delete(socket)
            near.destroy()
            far.destroy()
          })
        }
      })
      const cut = Effect.sync(() => {
        for (const socket of open) socket.destroy()
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as Net.AddressInfo // it listens on TCP
        resume(Effect.succeed({ port, carried, cut, server }))
      })
    }),
    ({ cut, server }) =>
      Effect.zipRight(
        Effect.sync(() => server.close()),
        cut
      )
  )
