/** A gateway on a real port, and a raw peer that can say anything to it. */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { MsgPack } from "@effect/platform"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema } from "effect"
import { type Codec, Gateway, Messages, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { WebSocket } from "ws"
import { patiently } from "../support/patience.js"

export const Text = Schema.Struct({ text: Schema.String })
export type Text = typeof Text.Type
export const messages = Messages.make({ client: Text, server: Text })

export type GatewayOptions = Gateway.GatewayOptions<Text, Text, Gateway.Principal, never>

/** The application of these tests: echoes. Sessions are forgotten soon, so that `settled` is quick. */
export const echo: GatewayOptions = {
  messages,
  authenticate: ({ token }) => Effect.succeed({ id: token ?? "anonymous" }),
  onMessage: (message, session) => session.send(message),
  resumeWindow: "10 millis",
  closeTimeout: "1 second",
  drainTimeout: "1 second",
  drainSpread: 0
}

export const makeGateway = (options?: Partial<GatewayOptions>) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), SessionStore.layerMemory()))
    return yield* Effect.provide(Gateway.make({ ...echo, ...options }), context)
  })

/** Fails with words when it does not come. */
export const soon = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  patiently(what, effect)

/** Waits until a condition holds. */
export const until = <A>(what: string, get: Effect.Effect<A>, holds: (a: A) => boolean): Effect.Effect<A> =>
  soon(what, Effect.repeat(get, { until: holds, schedule: Schedule.spaced("5 millis") })).pipe(Effect.andThen(get))

/** Waits until the gateway holds just these. */
export const settled = (
  gateway: Gateway.Gateway<Text>,
  expected: { readonly connections: number; readonly sessions: number }
): Effect.Effect<void> =>
  until(
    `stats to be ${JSON.stringify(expected)}`,
    gateway.stats,
    ({ connections, sessions }) => connections === expected.connections && sessions === expected.sessions
  )

// ---- frames

export type CodecName = "json" | "msgpack"
export const codecs: ReadonlyArray<CodecName> = ["json", "msgpack"]

const int64 = (token: number, n: bigint): Buffer => {
  const out = Buffer.alloc(9)
  out[0] = token
  out.writeBigInt64BE(BigInt.asIntN(64, n), 1)
  return out
}

const counted = (token: number, length: number): Buffer => {
  const out = Buffer.alloc(5)
  out[0] = token
  out.writeUInt32BE(length, 1)
  return out
}

/** The head of so many bytes or items, in its shortest form; `few` is that of none in the form of a single byte. */
const shortest = (length: number, [few, most, one, two, four]: readonly [number, number, number, number, number]) => {
  if (length <= most) return Buffer.of(few + length)
  if (one > 0 && length < 0x100) return Buffer.of(one, length)
  return length < 0x10000 ? Buffer.of(two, length >> 8, length & 0xff) : counted(four, length)
}
const textHead = [0xa0, 31, 0xd9, 0xda, 0xdb] as const
const arrayHead = [0x90, 15, 0, 0xdc, 0xdd] as const

const number = (value: number): Buffer => {
  if (Number.isInteger(value) && value >= 0 && value < 128) return Buffer.of(value)
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return counted(0xce, value)
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 53) return int64(value < 0 ? 0xd3 : 0xcf, BigInt(value))
  const out = Buffer.alloc(9)
  out[0] = 0xcb
  out.writeDoubleBE(value, 1)
  return out
}

/** MessagePack, written by hand so that it can also write what no library would. A bigint takes 64 bits. */
export const pack = (value: unknown): Buffer => {
  if (value === null || value === undefined) return Buffer.of(0xc0)
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2)
  if (typeof value === "bigint") return int64(0xcf, value)
  if (typeof value === "number") return number(value)
  if (typeof value === "string")
    return Buffer.concat([shortest(Buffer.byteLength(value), textHead), Buffer.from(value)])
  if (Array.isArray(value)) return Buffer.concat([shortest(value.length, arrayHead), ...value.map(pack)])
  const entries = Object.entries(value)
  return Buffer.concat([counted(0xdf, entries.length), ...entries.flatMap(([k, v]) => [pack(k), pack(v)])])
}

const unpacked = Schema.decodeUnknownSync(MsgPack.schema(Schema.Unknown))

/** The library gives 64-bit integers as bigints. */
const narrowed = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number(value)
  if (Array.isArray(value)) return value.map(narrowed)
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, narrowed(inner)]))
}
const unpack = (bytes: Buffer): unknown => narrowed(unpacked(bytes))

export const encode = (codec: CodecName, value: unknown): Codec.Frame =>
  codec === "json" ? JSON.stringify(value) : pack(value)

export const decode = (bytes: Buffer, isBinary: boolean): Said =>
  (isBinary ? unpack(bytes) : JSON.parse(bytes.toString())) as Said

export { wireFrame } from "./wireFrame.js"

// ---- the peer

/** A decoded message of the gateway; tests look at whatever fields they expect. */
export interface Said {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

export class Peer {
  private readonly said: Array<Said> = []
  private readonly watchers = new Set<() => void>()
  private end: Closed | undefined
  reasonBytes = 0
  private seq = 0

  constructor(
    readonly ws: WebSocket,
    readonly socket: Socket,
    readonly codec: CodecName
  ) {
    ws.on("message", (data, isBinary) => {
      this.said.push(decode(data as Buffer, isBinary)) // binaryType is "nodebuffer"
      this.wake()
    })
    ws.on("close", (code, reason) => {
      this.reasonBytes = reason.byteLength
      this.end = { code, reason: reason.toString() }
      this.wake()
    })
    ws.on("error", () => {}) // "close" follows
  }

  private wake(): void {
    for (const look of this.watchers) look()
  }

  private readonly change: Effect.Effect<void> = Effect.async((resume) => {
    const look = () => resume(Effect.void)
    this.watchers.add(look)
    return Effect.sync(() => this.watchers.delete(look))
  })

  /** Sends a message of the protocol, or something like it. */
  say(message: unknown): void {
    this.ws.send(encode(this.codec, message))
  }

  /** Sends an application message with the next sequence number, and tells which. */
  data(text: string, extra: object = {}): number {
    this.seq++
    this.say({ type: "data", seq: this.seq, ack: 0, body: { text }, ...extra })
    return this.seq
  }

  private take(types: ReadonlyArray<string>): Effect.Effect<Said> {
    return Effect.suspend(() => {
      const at = this.said.findIndex((message) => types.includes(message.type))
      const found = this.said[at]
      if (found !== undefined) {
        this.said.splice(at, 1)
        return Effect.succeed(found)
      }
      if (this.end !== undefined) return Effect.dieMessage(`closed (${JSON.stringify(this.end)}) before ${types}`)
      return Effect.zipRight(this.change, this.take(types))
    })
  }

  /** The next message of these types; others stay where they are. */
  next(...types: ReadonlyArray<string>): Effect.Effect<Said> {
    return soon(`${types} from the gateway`, this.take(types))
  }

  /** How many messages of this type have come and were not taken. */
  waiting(type: string): number {
    return this.said.filter((message) => message.type === type).length
  }

  /** How the gateway closed. */
  readonly closed: Effect.Effect<Closed> = soon(
    "the close",
    Effect.suspend(
      (): Effect.Effect<Closed> =>
        this.end === undefined ? Effect.zipRight(this.change, this.closed) : Effect.succeed(this.end)
    )
  )

  readonly isClosed = (): boolean => this.end !== undefined

  /** What answers a hello: the welcome, or the close. */
  readonly answer: Effect.Effect<Said | Closed> = Effect.suspend(() =>
    Effect.raceFirst(
      Effect.catchAllDefect(this.next("welcome"), () => Effect.never),
      this.closed
    )
  )

  /** Says hello and waits for the welcome. */
  hello(fields: object = {}): Effect.Effect<Said> {
    return Effect.suspend(() => {
      this.say({ type: "hello", ...fields })
      return this.next("welcome")
    })
  }

  /** Sends a text and waits for its echo. */
  readonly echoes: Effect.Effect<void> = Effect.suspend(() => {
    const text = `still here ${this.data(`still here ${this.seq + 1}`)}`
    return Effect.map(this.next("data"), ({ body }) => assert.deepStrictEqual(body, { text }))
  })
}

export interface PeerOptions {
  readonly codec?: CodecName | undefined
  readonly headers?: Record<string, string> | undefined
}

/** Opens a WebSocket to the gateway; says nothing. */
export const connect = (address: string, options: PeerOptions = {}) =>
  Effect.acquireRelease(
    soon(
      "the upgrade",
      Effect.async<Peer>((resume) => {
        const codec = options.codec ?? "json"
        const ws = new WebSocket(address, [`holdfast.v1.${codec}`], { headers: options.headers ?? {} })
        ws.on("upgrade", (response: IncomingMessage) => {
          const peer = new Peer(ws, response.socket, codec)
          ws.on("open", () => resume(Effect.succeed(peer)))
        })
        ws.on("error", (error) => resume(Effect.die(error)))
      })
    ),
    (peer) => Effect.sync(() => peer.ws.terminate())
  )

/** Opens a WebSocket and a session on it. */
export const join = (address: string, options: PeerOptions & { readonly hello?: object } = {}) =>
  Effect.gen(function* () {
    const peer = yield* connect(address, options)
    const welcome = yield* peer.hello(options.hello)
    return { peer, welcome }
  })

/** Another session of the same gateway, which must not be touched by what happens to the first. */
export const makeBystander = (gateway: Gateway.Gateway<Text>) =>
  Effect.gen(function* () {
    const { peer } = yield* join(gateway.address, { hello: { token: "bystander" } })
    yield* peer.echoes
    return peer
  })

/** The bystander's session works, and it is the only one left. */
export const unharmed = (gateway: Gateway.Gateway<Text>, bystander: Peer): Effect.Effect<void> =>
  Effect.zipRight(bystander.echoes, settled(gateway, { connections: 1, sessions: 1 }))

// ---- the design's table

export interface Row {
  readonly code: number
  readonly verdict: "Stop" | "Resume"
  readonly why: string
}

const rows = (verdict: Row["verdict"], why: string, ...list: ReadonlyArray<number>): ReadonlyArray<Row> =>
  list.map((code) => ({ code, verdict, why }))

/** DESIGN §4 in this end's words, for a client that has not said bye, and some codes that are not listed. */
export const closeTable: ReadonlyArray<Row> = [
  ...rows("Resume", "Lost", 1000, 1001, 1005, 1006, 1011),
  ...rows("Resume", "TryLater", 1012, 1013, 1014),
  ...rows("Stop", "Refused", 1002, 1003, 1007, 1008, 1009, 1010, 4400),
  ...rows("Stop", "NotAuthenticated", 4401),
  ...rows("Stop", "NotAllowed", 4403),
  ...rows("Resume", "HelloTimeout", 4408),
  ...rows("Stop", "TakenOver", 4409),
  ...rows("Stop", "SessionEnded", 4410),
  ...rows("Resume", "TooSlow", 4413),
  ...rows("Resume", "TooManyRequests", 4429),
  ...rows("Stop", "Refused", 4500, 4750, 4999),
  ...rows("Resume", "Lost", 3000, 3999, 4000, 4402, 4404, 4499)
]
