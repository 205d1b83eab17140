/** A Listener whose connections are watched: what comes in, how each ends, and a way to close one behind the gateway's back. */
import { Effect, Layer } from "effect"
import { type Codec, Listener, type Transport } from "holdfast"

/** One connection, as the server's platform sees it. */
export interface Wire {
  readonly protocol: string
  readonly frames: ReadonlyArray<Codec.Frame>
  /** Of the WebSocket, not of Holdfast's protocol. */
  readonly pingsIn: number
  readonly pingsOut: number
  readonly closed: Transport.CloseEvent | undefined
  readonly send: (frame: Codec.Frame) => void
  readonly close: (code: number, reason: string) => void
}

class Watched implements Wire {
  readonly frames: Array<Codec.Frame> = []
  pingsIn = 0
  pingsOut = 0
  closed: Transport.CloseEvent | undefined
  readonly watched: Transport.Transport

  constructor(private readonly transport: Transport.Transport) {
    this.watched = {
      protocol: transport.protocol,
      remoteAddress: transport.remoteAddress,
      run: (receiver) =>
        transport.run({
          message: (frame) => {
            this.frames.push(frame)
            receiver.message(frame)
          },
          ping: (payload) => {
            this.pingsIn++
            receiver.ping(payload)
          },
          pong: (payload) => receiver.pong(payload),
          congested: () => receiver.congested(),
          drained: () => receiver.drained(),
          closed: (event) => {
            this.closed = event
            receiver.closed(event)
          }
        }),
      send: (frame) => transport.send(frame),
      ping: (payload) => {
        this.pingsOut++
        transport.ping?.(payload)
      },
      pong: (payload) => transport.pong?.(payload),
      close: (code, reason) => transport.close(code, reason),
      destroy: () => transport.destroy(),
      pause: () => transport.pause(),
      resume: () => transport.resume(),
      buffered: () => transport.buffered(),
      accepted: () => transport.accepted()
    }
  }

  get protocol(): string {
    return this.transport.protocol
  }

  send(frame: Codec.Frame): void {
    this.transport.send(frame)
  }

  close(code: number, reason: string): void {
    this.transport.close(code, reason)
  }
}

/** Every connection that is accepted from now on is added to `wires`. */
export const watch = (wires: Array<Wire>) =>
  Layer.effect(
    Listener.Listener,
    Effect.map(Listener.Listener, ({ address, listen }) => ({
      address,
      listen: (handler) =>
        listen((incoming) =>
          handler({
            ...incoming,
            accept: (options) =>
              Effect.map(incoming.accept(options), (transport) => {
                const wire = new Watched(transport)
                wires.push(wire)
                return wire.watched
              })
          })
        )
    }))
  )
