/**
 * A bot's gateway of Discord's shape (https://discord.com/developers/docs/events/gateway): hello with the heartbeat's interval,
 * heartbeats with acknowledgements of their own, a session that is resumed by its id and the last sequence number, and close
 * codes that must not be answered by another attempt.
 */
import { Effect, Option, Ref, Schema, Stream } from "effect"
import { CloseCode, Connection, Messages } from "holdfast"

const Op = { dispatch: 0, heartbeat: 1, identify: 2, resume: 6, invalidSession: 9, hello: 10, ack: 11 }

const messages = Messages.make({
  client: Schema.Struct({ op: Schema.Number, d: Schema.Unknown }),
  server: Schema.Struct({
    op: Schema.Number,
    d: Schema.optional(Schema.Unknown),
    s: Schema.optional(Schema.NullOr(Schema.Number)),
    t: Schema.optional(Schema.NullOr(Schema.String))
  })
})

const Hello = Schema.Struct({ heartbeat_interval: Schema.Number })
const Ready = Schema.Struct({ session_id: Schema.String })

/** Authentication failed, invalid shard, sharding required, invalid API version, invalid or disallowed intents. */
const final: ReadonlySet<number> = new Set([4004, 4010, 4011, 4012, 4013, 4014])

/** The session, as far as it was received. */
interface Known {
  readonly session: string
  readonly last: number
}

export const keep = ({
  token,
  ...options
}: Pick<Connection.KeepOptions<unknown, unknown>, "reconnect" | "heartbeatInterval" | "readDeadline"> & {
  readonly url: string
  readonly token: string
}) =>
  Effect.gen(function* () {
    const known = yield* Ref.make(Option.none<Known>())
    const identify = { op: Op.identify, d: { token, intents: 0, properties: {} } }
    const kept = yield* Connection.keep({
      ...options,
      messages,
      onConnect: ({ keepAlive, receive, send }) =>
        Effect.gen(function* () {
          const { heartbeat_interval } = yield* Schema.decodeUnknown(Hello)((yield* receive).d)
          yield* keepAlive({ heartbeatInterval: heartbeat_interval })
          const before = yield* Ref.get(known)
          if (Option.isSome(before)) {
            const { last, session } = before.value
            return yield* send({ op: Op.resume, d: { token, session_id: session, seq: last } })
          }
          yield* send(identify)
        }),
      heartbeat: {
        ping: () =>
          Effect.map(Ref.get(known), (known) => ({
            op: Op.heartbeat,
            d: Option.getOrNull(Option.map(known, ({ last }) => last))
          })),
        isPong: ({ op }) => op === Op.ack
      },
      verdict: (end, proposed) =>
        end._tag === "ClosedByPeer" && final.has(end.code) ? CloseCode.stop("NotAuthenticated") : proposed
    })

    /** True of an event that was not heard before. */
    const heard = (message: typeof messages.server.Type) =>
      Effect.gen(function* () {
        const { d, op, s, t } = message
        if (op === Op.invalidSession) {
          yield* Ref.set(known, Option.none())
          yield* kept.send(identify)
        }
        if (op !== Op.dispatch || typeof s !== "number") return false
        if (t === "READY") {
          const { session_id: session } = yield* Schema.decodeUnknown(Ready)(d)
          yield* Ref.set(known, Option.some({ session, last: s }))
          return true
        }
        // What was on its way when a connection ended may come again after the resume.
        return yield* Ref.modify(known, (known) => {
          const isNew = Option.exists(known, ({ last }) => s > last)
          return [isNew, isNew ? Option.map(known, ({ session }) => ({ session, last: s })) : known]
        })
      })

    /** The events, each once and in order, for as long as the server can resume the session. */
    const events = Stream.filterEffect(kept.messages, heard)
    return { ...kept, events }
  })
