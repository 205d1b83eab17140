/** Servers that do as they like, and what becomes of a client that dials one. */
import type { AddressInfo } from "node:net"
import { assert } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Client, type ClientStatus, type ConnectionError, Reconnect } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type WebSocket, WebSocketServer } from "ws"
import { type CodecName, decode, encode, messages, type Said, soon, type Text, until } from "./support.js"

/** One connection of the client, seen from a server that does as it likes. */
export interface Caller {
  readonly ws: WebSocket
  readonly codec: CodecName
  /** Counts the connections, from 1. */
  readonly visit: number
  readonly say: (message: unknown) => void
  /** Has each message of the client, after its first. */
  readonly hears: (react: (message: Said) => void) => void
  readonly raw: (...frames: ReadonlyArray<Buffer>) => void
  /** The codes that the client closed its connections with. */
  readonly codes: ReadonlyArray<number>
}

/** A server that answers the first message of each connection, the hello, with `answer`. */
const fakeServer = (answer: (caller: Caller) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: WebSocketServer; readonly codes: ReadonlyArray<number> }>((resume) => {
      const codes: Array<number> = []
      let visits = 0
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
      server.on("connection", (ws, request) => {
        const codec = ws.protocol === "holdfast.v1.msgpack" ? "msgpack" : "json"
        const visit = ++visits
        const say = (message: unknown) => ws.send(encode(codec, message))
        const raw = (...frames: ReadonlyArray<Buffer>) => {
          for (const frame of frames) request.socket.write(frame)
        }
        const reactions: Array<(message: Said) => void> = []
        const hears: Caller["hears"] = (react) => reactions.push(react)
        let isGreeted = false
        ws.on("message", (data, isBinary) => {
          const message = decode(data as Buffer, isBinary) // binaryType is "nodebuffer"
          if (isGreeted) for (const react of reactions) react(message)
          else answer({ ws, codec, visit, say, hears, raw, codes })
          isGreeted = true
          if (message.type === "bye") ws.close(1000, "bye")
        })
        ws.on("error", () => {})
        ws.on("close", (code) => codes.push(code))
      })
      server.on("listening", () => resume(Effect.succeed({ server, codes })))
    }),
    ({ server }) =>
      Effect.sync(() => {
        for (const ws of server.clients) ws.terminate()
        server.close()
      })
  )

export const makeClient = (answer: (caller: Caller) => void, options?: Partial<Client.ClientOptions<Text, Text>>) =>
  Effect.gen(function* () {
    const { codes, server } = yield* fakeServer(answer)
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const reconnect = Reconnect.exponential({ base: "20 seconds", jitter: false })
    const client = yield* Effect.provide(
      Client.make<Text, Text>({ url, messages, reconnect, closeTimeout: "1 second", ...options }),
      NodeDialer.layer
    )
    return { client, codes }
  })

type Settled = Extract<ClientStatus.Status, { _tag: "Waiting" | "Ended" }>

/** The first status in which the client waits or has ended. */
export const outcome = (client: Client.Client<Text, Text>): Effect.Effect<Settled> =>
  soon(
    "the client to wait or to end",
    client.changes.pipe(
      Stream.filter((status): status is Settled => status._tag === "Waiting" || status._tag === "Ended"),
      Stream.runHead,
      Effect.map(Option.getOrThrow)
    )
  )

/** Asserts that the status is this verdict's, and gives the typed reason. */
export const assertVerdict = (
  status: Settled,
  verdict: "Stop" | "Resume",
  why: string
): ConnectionError.AttemptError => {
  if (status._tag === "Waiting") {
    assert.strictEqual(verdict, "Resume")
    return status.reason
  }
  if (status.reason._tag !== "Stopped") throw new Error(`ended by ${status.reason._tag}`)
  assert.deepStrictEqual<unknown>(status.reason.verdict, { _tag: verdict, why })
  return status.reason.end
}

/** What the server saw of the close, which may come later than the client's own status. */
export const assertClosedWith = (codes: ReadonlyArray<number>, code: number) =>
  Effect.map(
    until(
      "the close to arrive",
      Effect.sync(() => codes.length),
      (length) => length > 0
    ),
    () => assert.deepStrictEqual(codes, [code], "on the wire")
  )

export const says =
  (...all: ReadonlyArray<unknown>) =>
  ({ say }: Caller) => {
    for (const message of all) say(message)
  }
