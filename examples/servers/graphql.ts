/**
 * A GraphQL subscription over `graphql-ws` (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md) that is subscribed to
 * again on each connection. The protocol has no resume: where a gap is, what is shown is asked for anew.
 */
import { Effect, Schema } from "effect"
import { CloseCode, Connection, Messages } from "holdfast"

const messages = Messages.make({
  client: Schema.Union(
    Schema.Struct({ type: Schema.Literal("connection_init"), payload: Schema.Unknown }),
    Schema.Struct({ type: Schema.Literal("ping", "pong") }),
    Schema.Struct({ type: Schema.Literal("subscribe"), id: Schema.String, payload: Schema.Unknown })
  ),
  server: Schema.Union(
    Schema.Struct({ type: Schema.Literal("connection_ack", "ping", "pong") }),
    Schema.Struct({ type: Schema.Literal("next", "error"), id: Schema.String, payload: Schema.Unknown }),
    Schema.Struct({ type: Schema.Literal("complete"), id: Schema.String })
  )
})

/** Bad request, unauthorized, forbidden, no such subprotocol. */
const final: ReadonlySet<number> = new Set([4400, 4401, 4403, 4406])

export const keep = ({
  query,
  token,
  ...options
}: Pick<Connection.KeepOptions<unknown, unknown>, "reconnect" | "heartbeatInterval" | "readDeadline"> & {
  readonly url: string
  readonly query: string
  readonly token?: string
}) =>
  Connection.keep({
    ...options,
    protocols: ["graphql-transport-ws"],
    messages,
    onConnect: ({ receive, send }) =>
      Effect.gen(function* () {
        yield* send({ type: "connection_init", payload: { token } })
        // Who is refused is not answered: the connection is closed, and `receive` fails.
        yield* receive
        yield* send({ type: "subscribe", id: "1", payload: { query } })
      }),
    heartbeat: {
      ping: () => ({ type: "ping" }) as const,
      isPong: ({ type }) => type === "pong",
      answer: ({ type }) => (type === "ping" ? ({ type: "pong" } as const) : undefined)
    },
    verdict: (end, proposed) =>
      end._tag === "ClosedByPeer" && final.has(end.code) ? CloseCode.stop("Refused") : proposed
  })
