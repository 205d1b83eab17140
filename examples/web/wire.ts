/**
 * A Dialer whose heartbeats are seen: the library counts the latest round trip, and a drawing wants each. Any Dialer will do,
 * and neither the Client above nor the socket below knows of it.
 */
import { Effect, Layer } from "effect"
import { type Codec, Dialer, type Transport } from "holdfast"

export interface Watcher {
  /** This end's heartbeat leaves. */
  readonly pinged: (id: number) => void
  /** The answer to it has come. */
  readonly ponged: (id: number) => void
  /** Anything has come: the read deadline starts anew. */
  readonly heard: () => void
}

/** A page cannot ping, so its heartbeats are messages of the protocol: `{"type":"ping","id":3}`. */
const beatOf = (frame: Codec.Frame): { readonly type: string; readonly id: number } | undefined => {
  const found = typeof frame === "string" ? /^\{"type":"(ping|pong)","id":(\d+)\}$/.exec(frame) : null
  return found === null ? undefined : { type: found[1] ?? "", id: Number(found[2]) }
}

const watched = (transport: Transport.Transport, watcher: Watcher): Transport.Transport => ({
  protocol: transport.protocol,
  remoteAddress: transport.remoteAddress,
  run: (receiver) =>
    transport.run({
      message: (frame) => {
        const beat = beatOf(frame)
        watcher.heard()
        if (beat?.type === "pong") watcher.ponged(beat.id)
        receiver.message(frame)
      },
      ping: (payload) => receiver.ping(payload),
      pong: (payload) => receiver.pong(payload),
      congested: () => receiver.congested(),
      drained: () => receiver.drained(),
      closed: (event) => receiver.closed(event)
    }),
  send: (frame) => {
    const beat = beatOf(frame)
    if (beat?.type === "ping") watcher.pinged(beat.id)
    transport.send(frame)
  },
  ping: transport.ping,
  pong: transport.pong,
  close: (code, reason) => transport.close(code, reason),
  destroy: () => transport.destroy(),
  pause: () => transport.pause(),
  resume: () => transport.resume(),
  buffered: () => transport.buffered(),
  accepted: () => transport.accepted()
})

export const layer = (watcher: Watcher): Layer.Layer<Dialer.Dialer, never, Dialer.Dialer> =>
  Layer.effect(
    Dialer.Dialer,
    Effect.map(Dialer.Dialer, ({ dial }) => ({
      dial: (request) => Effect.map(dial(request), (transport) => watched(transport, watcher))
    }))
  )
