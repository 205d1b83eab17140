/** The client facing servers that close with each code, and servers that lie. */

import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Option, Stream } from "effect"
import { Client, Codec, Reconnect } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { WebSocketServer } from "ws"
import { welcome } from "../support/welcome.js"
import { assertClosedWith, assertVerdict, type Caller, makeClient, outcome, says } from "./fakeServer.js"
import { type CodecName, closeTable, codecs, messages, pack, soon, type Text, wireFrame } from "./support.js"

const close = (code: number, reason = "words"): Buffer =>
  wireFrame(8, Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)]), { masked: false })

const closeWith = (code: number, { raw, ws }: Caller): void => {
  if (code === 1006) ws.terminate()
  else if (code === 1005) raw(wireFrame(8, Buffer.alloc(0), { masked: false }))
  else raw(close(code))
}

describe("a server that closes with", () => {
  for (const when of ["before", "after"] as const) {
    for (const { code, verdict, why } of closeTable) {
      it.scopedLive(`${code} ${when} the welcome: ${verdict}`, () =>
        Effect.gen(function* () {
          const { client } = yield* makeClient((caller) => {
            if (when === "after") caller.say(welcome)
            closeWith(code, caller)
          })
          const status = yield* outcome(client)
          const end = assertVerdict(status, verdict, why)
          if (code === 1006) {
            assert.strictEqual(end._tag, "ConnectionLost")
          } else {
            assert.strictEqual(end._tag, "ClosedByPeer")
            assert.include(end, { code, reason: code === 1005 ? "" : "words" })
          }
          if (status._tag === "Waiting") assert.strictEqual(status.delay, 20_000)
        })
      )
    }
  }

  for (const code of [0, 999, 1004, 1015, 2000, 2999, 5000, 65_535]) {
    it.scopedLive(`${code}, which may not be sent: 1002 and Stop`, () =>
      Effect.gen(function* () {
        const { client, codes } = yield* makeClient(({ raw, say }) => {
          say(welcome)
          raw(close(code))
        })
        const end = assertVerdict(yield* outcome(client), "Stop", "Refused")
        assert.deepInclude(end, { _tag: "PeerViolation", code: 1002 })
        yield* assertClosedWith(codes, 1002)
      })
    )
  }

  it.scopedLive("1000 after bye: Ended, Closed", () =>
    Effect.gen(function* () {
      const { client } = yield* makeClient(says(welcome))
      yield* client.ready
      yield* client.close
      assert.deepStrictEqual(yield* client.ended, { _tag: "Closed" })
    })
  )

  it.scopedLive("4429 after goaway: Waiting for as long as the server asked", () =>
    Effect.gen(function* () {
      const { client } = yield* makeClient((caller) => {
        caller.say(welcome)
        caller.say({ type: "goaway", retryAfter: 7_000, reason: "a crowd" })
        closeWith(4429, caller)
      })
      const status = yield* outcome(client)
      assert.deepInclude(status, { _tag: "Waiting", delay: 7_000 })
    })
  )

  it.scopedLive("goaway that asks to come back at once, for ever: never a loop without a delay", () =>
    Effect.gen(function* () {
      const { client } = yield* makeClient((caller) => {
        caller.say({ type: "goaway", retryAfter: 0, reason: "now" })
        closeWith(1012, caller)
      })
      const waits = yield* soon(
        "three waits",
        client.changes.pipe(
          Stream.filterMap((status) => (status._tag === "Waiting" ? Option.some(status.delay) : Option.none())),
          Stream.take(3),
          Stream.runCollect
        )
      )
      for (const delay of Chunk.toReadonlyArray(waits)) assert.isAtLeast(delay, 100)
    })
  )
})

interface Lie {
  readonly name: string
  readonly answer: (caller: Caller) => void
  readonly reason: string | RegExp
  readonly code?: number
  readonly codecs?: ReadonlyArray<CodecName>
}

const data = (seq: unknown, ack: unknown = 0) => ({ type: "data", seq, ack, body: { text: "x" } })
const impossible = /^welcome: processed \d+, generation \d+ cannot be$/

const lies: ReadonlyArray<Lie> = [
  { name: "data before welcome", answer: says(data(1)), reason: "data before welcome" },
  { name: "ack before welcome", answer: says({ type: "ack", ack: 0 }), reason: "ack before welcome" },
  { name: "hello before welcome", answer: says({ type: "hello" }), reason: "hello before welcome" },
  {
    name: "error before welcome",
    answer: says({ type: "error", code: "x", reason: "x" }),
    reason: "error before welcome"
  },
  { name: "garbage before welcome", answer: says("garbage"), reason: "a message is an object with a type" },
  {
    name: "a welcome that processed what was never sent",
    answer: says({ ...welcome, processed: 1 }),
    reason: impossible
  },
  { name: "a welcome of generation 0", answer: says({ ...welcome, generation: 0 }), reason: /^welcome: generation: / },
  { name: "a welcome without a session", answer: says({ ...welcome, session: "" }), reason: /^welcome: session: / },
  { name: "a welcome without limits", answer: says({ ...welcome, limits: undefined }), reason: /^welcome: limits: / },
  {
    name: "a welcome with a limit of 0",
    answer: says({ ...welcome, limits: { ...welcome.limits, messages: 0 } }),
    reason: /^welcome: limits\.messages: /
  },
  {
    name: "a welcome with an unknown reason",
    answer: says({ ...welcome, reason: "because" }),
    reason: /^welcome: reason: /
  },
  { name: "two welcomes", answer: says(welcome, { ...welcome, generation: 2 }), reason: "welcome is not for a client" },
  { name: "a gap", answer: says(welcome, data(2)), reason: "gap: message 2 came, 1 was expected" },
  { name: "a sequence number of 0", answer: says(welcome, data(0)), reason: "data: seq is not a sequence number" },
  {
    name: "an acknowledgement never earned",
    answer: says(welcome, { type: "ack", ack: 1 }),
    reason: "ack 1, but the last message sent was 0"
  },
  {
    name: "data with an acknowledgement never earned",
    answer: says(welcome, data(1, 9)),
    reason: "ack 9, but the last message sent was 0"
  },
  { name: "hello", answer: says(welcome, { type: "hello" }), reason: "hello is not for a client" },
  { name: "bye", answer: says(welcome, { type: "bye" }), reason: "bye is not for a client" },
  { name: "an unknown type", answer: says(welcome, { type: "gossip" }), reason: 'unknown message type "gossip"' },
  {
    name: "a goaway without a delay",
    answer: says(welcome, { type: "goaway", reason: "x" }),
    reason: /^goaway: retryAfter: is missing/
  },
  {
    name: "more messages than the window",
    answer: says(
      { ...welcome, limits: { ...welcome.limits, messages: 4 } },
      ...[1, 2, 3, 4, 5].map((seq) => data(seq))
    ),
    reason: "more than 4 messages sent without waiting for acknowledgement"
  },
  { name: "not JSON", codecs: ["json"], answer: ({ ws }) => ws.send("{"), reason: "the message is not JSON" },
  {
    name: "a binary frame on json",
    codecs: ["json"],
    code: 1003,
    answer: ({ ws }) => ws.send(pack(welcome)),
    reason: "holdfast.v1.json takes text messages"
  },
  {
    name: "a text frame on msgpack",
    codecs: ["msgpack"],
    code: 1003,
    answer: ({ ws }) => ws.send("{}"),
    reason: "holdfast.v1.msgpack takes binary messages"
  },
  { name: "a masked frame", code: 1002, answer: ({ raw }) => raw(wireFrame(1, Buffer.from("{}"))), reason: /RFC 6455/ },
  {
    name: "invalid UTF-8",
    code: 1007,
    answer: ({ ws }) => ws.send(Buffer.of(0xff), { binary: false }),
    reason: /UTF-8/
  },
  {
    name: "a frame of 100 MB",
    code: 1009,
    answer: ({ raw }) => raw(wireFrame(2, Buffer.alloc(9), { masked: false, length: 1e8 })),
    reason: /too large/
  },
  {
    name: "a flood of empty fragments",
    code: 1008,
    answer: ({ raw }) =>
      raw(
        wireFrame(2, Buffer.alloc(1), { fin: false, masked: false }),
        ...Array.from({ length: 20_000 }, () => wireFrame(0, Buffer.alloc(0), { fin: false, masked: false }))
      ),
    reason: /fragments/
  }
]

describe("a server that lies is closed with the code of the design, and the client stops", () => {
  for (const { answer, code = 4400, codecs: only = codecs, name, reason } of lies) {
    for (const codec of only) {
      it.scopedLive(`${name}: ${code} (${codec})`, () =>
        Effect.gen(function* () {
          const { client, codes } = yield* makeClient(answer, { codec: Codec[codec], replayMessages: 4 })
          const end = assertVerdict(yield* outcome(client), "Stop", "Refused")
          if (end._tag !== "PeerViolation") throw new Error(`ended by ${end._tag}`)
          if (typeof reason === "string") assert.strictEqual(end.reason, reason)
          else assert.match(end.reason, reason)
          yield* assertClosedWith(codes, code)
          assert.strictEqual(end.code, code)
          assert.include((yield* Effect.flip(client.send({ text: "x" }))).message, end.reason)
        })
      )
    }
  }

  it.scopedLive("a resume that went backwards: 4400", () =>
    Effect.gen(function* () {
      const { client } = yield* makeClient(
        (caller) => {
          if (caller.visit > 1) return caller.say({ ...welcome, resumed: true, generation: 1 })
          caller.say(welcome)
          closeWith(1012, caller)
        },
        { reconnect: Reconnect.exponential({ base: "10 millis" }) }
      )
      const reason = yield* soon("the end", client.ended)
      assert.deepInclude(reason, { _tag: "Stopped" })
      if (reason._tag === "Stopped") assert.match(reason.end.message, /generation 1 cannot be/)
    })
  )

  it.scopedLive("a resume of a session that was never asked for: 4400", () =>
    Effect.gen(function* () {
      const { client } = yield* makeClient(says({ ...welcome, resumed: true }))
      const status = yield* soon(
        "Ready or Ended",
        client.changes.pipe(
          Stream.filter((status) => status._tag === "Ready" || status._tag === "Ended"),
          Stream.runHead,
          Effect.map(Option.getOrThrow)
        )
      )
      assert.strictEqual(status._tag, "Ended")
    })
  )

  it.scopedLive("a message that does not decode: skipped with an event, or the end, as onInvalid says", () =>
    Effect.gen(function* () {
      const answer = says(welcome, { ...data(1), body: 1 }, data(2))
      const skipping = yield* makeClient(answer)
      const first = yield* soon("the next message", Stream.runHead(skipping.client.messages))
      assert.deepStrictEqual(first, Option.some({ text: "x" }))
      const ending = yield* makeClient(answer, { onInvalid: () => Effect.succeed("End") })
      yield* soon("the messages to complete", Stream.runDrain(ending.client.messages))
      assert.strictEqual((yield* ending.client.ended)._tag, "Invalid")
    })
  )

  it.scopedLive("MessagePack's integers in their longest form are no lie", () =>
    Effect.gen(function* () {
      const { deadline, heartbeat, resumeWindow, limits } = welcome
      const long = {
        ...welcome,
        heartbeat: BigInt(heartbeat),
        deadline: BigInt(deadline),
        resumeWindow: BigInt(resumeWindow),
        limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, BigInt(value)]))
      }
      const { client } = yield* makeClient(says(long, data(1n, 0n)), { codec: Codec.msgpack })
      const first = yield* soon("the message", Stream.runHead(client.messages))
      assert.deepStrictEqual(first, Option.some({ text: "x" }))
    })
  )

  it.scopedLive("one that speaks no Holdfast at all is retried, with a typed reason", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.async<WebSocketServer>((resume) => {
          const made = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => false })
          made.on("listening", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const client = yield* Effect.provide(Client.make<Text, Text>({ url, messages }), NodeDialer.layer)
      const status = yield* outcome(client)
      if (status._tag !== "Waiting") throw new Error("it did not wait")
      assert.match(status.reason.message, /subprotocol/)
    })
  )
})
