/**
 * A subscription to an MQTT 3.1.1 broker over WebSocket. With a client id of its own and QoS 1 the broker keeps what was not
 * acknowledged, and sends it again on the next connection: nothing is lost, and what was not acknowledged in time comes twice.
 */
import { Effect, Either } from "effect"
import { CloseCode, Connection, ConnectionError } from "holdfast"
import * as Mqtt from "mqtt-packet"

/** Packets may be cut into frames, or come together in one (MQTT 3.1.1, 6.0). */
const packets: Connection.Framing<Mqtt.Packet, Mqtt.Packet> = {
  encode: (packet) => Either.right(Mqtt.generate(packet)),
  decoder: () => {
    const parser = Mqtt.parser()
    let whole: Array<Mqtt.Packet> = []
    let broken: Error | undefined
    parser.on("packet", (packet: Mqtt.Packet) => whole.push(packet))
    parser.on("error", (error: Error) => {
      broken = error
    })
    return (frame) => {
      parser.parse(Buffer.from(frame))
      if (broken !== undefined) {
        return Either.left(new ConnectionError.MessageInvalid({ seq: undefined, issue: broken.message }))
      }
      const all = whole
      whole = []
      return Either.right(all)
    }
  }
}

class Refused extends Error {}

export const keep = ({
  clientId,
  topic,
  ...options
}: Pick<Connection.KeepOptions<unknown, unknown>, "reconnect" | "heartbeatInterval" | "readDeadline"> & {
  readonly url: string
  readonly clientId: string
  readonly topic: string
}) =>
  Connection.keep({
    ...options,
    protocols: ["mqtt"],
    framing: packets,
    onConnect: ({ receive, send }) =>
      Effect.gen(function* () {
        yield* send({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId, clean: false, keepalive: 60 })
        const answer = yield* receive
        if (answer.cmd !== "connack" || answer.returnCode !== 0) return yield* Effect.fail(new Refused(answer.cmd))
        yield* send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] })
      }),
    heartbeat: { ping: () => ({ cmd: "pingreq" }) as const, isPong: ({ cmd }) => cmd === "pingresp" },
    verdict: (end, proposed) =>
      end._tag === "OnConnectFailed" && end.cause instanceof Refused ? CloseCode.stop("NotAllowed") : proposed
  })
