/** A raw peer on the memory network, which can say anything to a gateway. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type CloseCode, Dialer } from "holdfast"
import { settle } from "./virtual.js"

/** A decoded message of the gateway; tests look at whatever fields they expect. */
export interface Said {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Closed {
  readonly code: (typeof CloseCode.CloseCode)[keyof typeof CloseCode.CloseCode] | number
  readonly reason: string
}

export interface Peer {
  readonly say: (message: unknown) => Effect.Effect<void>
  readonly sayFrame: (frame: string) => Effect.Effect<void>
  /** What the gateway has said so far of this type. */
  readonly said: (type: string) => ReadonlyArray<Said>
  readonly closed: () => Closed | undefined
  readonly close: (code: number) => Effect.Effect<void>
  /** Is gone without a word. */
  readonly leave: Effect.Effect<void>
}

/** Opens a connection; says nothing. */
export const dial = Effect.gen(function* () {
  const dialer = yield* Dialer.Dialer
  const transport = yield* dialer.dial({
    url: "memory:",
    protocols: ["holdfast.v1.json"],
    maxFrame: 2 ** 20,
    closeTimeout: 1000
  })
  const said: Array<Said> = []
  let closed: Closed | undefined
  const ignore = () => {}
  transport.run({
    // What follows a line is a piece.
    message: (frame) => void said.push(JSON.parse(String(frame).split("\n", 1)[0] ?? "") as Said),
    ping: (payload) => transport.pong?.(payload),
    pong: ignore,
    congested: ignore,
    drained: ignore,
    closed: ({ code, reason }) => {
      closed = { code, reason }
    }
  })
  const sayFrame = (frame: string) =>
    Effect.zipRight(
      Effect.sync(() => transport.send(frame)),
      settle
    )
  const peer: Peer = {
    say: (message) => sayFrame(JSON.stringify(message)),
    sayFrame,
    said: (type) => said.filter((message) => message.type === type),
    closed: () => closed,
    close: (code) =>
      Effect.zipRight(
        Effect.sync(() => transport.close(code, "")),
        settle
      ),
    leave: Effect.zipRight(
      Effect.sync(() => transport.destroy()),
      settle
    )
  }
  return peer
})

/** Opens a connection and says hello. */
export const greet = (hello: object = {}) => Effect.tap(dial, (peer) => peer.say({ type: "hello", ...hello }))

/** Opens a connection and a session on it. */
export const join = (hello: object = {}) =>
  Effect.gen(function* () {
    const peer = yield* greet(hello)
    const [welcome] = peer.said("welcome")
    if (welcome === undefined) return assert.fail(`no welcome, but ${JSON.stringify(peer.closed())}`)
    return { peer, welcome }
  })

let attempts = 0
/** What a hello says to resume the session of this welcome. */
export const resumeOf = ({ secret, session }: Said) => ({
  resume: { session, secret, processed: 0, oldest: 1, attempt: ++attempts }
})
