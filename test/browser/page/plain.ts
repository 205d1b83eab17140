/** A connection without a session as functions of `window.plain`. */
import { Deferred, Effect, Scope, Stream } from "effect"
import { type Codec, Connection, type Options } from "holdfast"
import { BrowserDialer } from "holdfast/browser"

export interface PlainPage {
  readonly dial: (url: string, options?: Options.All) => Promise<void>
  readonly send: (frame: Codec.Frame) => Promise<void>
  /** Reads from now on, and gives all that came when it has ended, or so many frames. */
  readonly read: (count?: number) => Promise<ReadonlyArray<Codec.Frame>>
  /** Why it has ended, once it has. */
  readonly ended: () => Promise<{ readonly tag: string; readonly message: string; readonly code: number | undefined }>
  readonly close: (code: number, reason: string) => Promise<void>
}

declare global {
  interface Window {
    readonly plain: PlainPage
  }
}

const scope = Effect.runSync(Scope.make())
let dialled = Effect.runSync(Deferred.make<Connection.Connection>())
const run = <A, E>(use: (connection: Connection.Connection) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(
      Effect.suspend(() => Deferred.await(dialled)),
      use
    )
  )

const plain: PlainPage = {
  dial: (url, options) => {
    dialled = Effect.runSync(Deferred.make<Connection.Connection>())
    const dialling = Connection.dial(url, options).pipe(Scope.extend(scope), Effect.provide(BrowserDialer.layer))
    return Effect.runPromise(
      Effect.flatMap(dialling, (connection) => Effect.asVoid(Deferred.succeed(dialled, connection)))
    )
  },
  send: (frame) => run((connection) => connection.send(frame)),
  read: (count = Number.POSITIVE_INFINITY) =>
    run((connection) => {
      const frames: Array<Codec.Frame> = []
      const all = Stream.runForEach(Stream.take(connection.messages, count), (frame) =>
        Effect.sync(() => void frames.push(frame))
      )
      return Effect.as(Effect.exit(all), frames)
    }),
  ended: () =>
    run((connection) =>
      Effect.map(connection.ended, (end) => ({
        tag: end._tag,
        message: end.message,
        code: "code" in end ? end.code : undefined
      }))
    ),
  close: (code, reason) => run((connection) => connection.close(code, reason))
}

Object.assign(window, { plain })
