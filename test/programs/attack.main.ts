/**
 * A client that floods and one that sends garbage, which come back whenever
 * they are closed. Run by floodAndGarbage.test.ts in a process of its own.
 */
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { Effect } from "effect"
import { WebSocket } from "ws"
import { wireFrame } from "../badInput/wireFrame.js"
import { answer } from "../node/answers.js"
import { type Flood, good, type Kind, type Plan, rates, type Tally } from "../node/attack.js"

const text = (value: string | object, options?: { readonly masked: boolean }) =>
  wireFrame(1, Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), options)

const hello = { type: "hello" }

/** Too much at any speed. */
const much = (message: (at: number) => object) =>
  Buffer.concat(
    Array.from({ length: 2 * (rates.messageRate + rates.replayMessages) }, (_, at) =>
      text({ ...message(at), padding: "x".repeat(600) })
    )
  )

const flood: Readonly<Record<Flood, Buffer>> = {
  flood: much((at) => ({ type: "data", seq: at + 1, ack: 0, body: -at - 1 })),
  "flood of pings": much((at) => ({ type: "ping", id: at + 1 }))
}

const garbage: Readonly<Record<Exclude<Kind, Flood>, () => Buffer>> = {
  "no JSON": () => text("what is this?"),
  "no message": () => text({ type: "nonsense", seq: "one" }),
  "no hello": () => text({ type: "data", seq: 1, ack: 0, body: 1 }),
  binary: () => wireFrame(2, Buffer.from(JSON.stringify(hello))),
  "no UTF-8": () => wireFrame(1, Buffer.of(0xc3, 0x28, 0xff)),
  "reserved opcode": () => wireFrame(3, Buffer.from("hello")),
  // With the reserved bits set it is no frame, whatever follows.
  noise: () => Buffer.concat([Buffer.of(0xf0), randomBytes(200)]),
  unmasked: () => text(hello, { masked: false }),
  "too large": () => wireFrame(1, Buffer.alloc(100), { length: 2 ** 40 })
}

/** Writes no faster than the server takes it. */
const pour = (socket: Socket, bytes: Buffer) => {
  let written = 0
  const more = () => {
    while (written < bytes.length && socket.writable) {
      const next = bytes.subarray(written, written + 64 * 1024)
      written += next.length
      if (!socket.write(next)) return void socket.once("drain", more)
    }
  }
  more()
}

/** One connection, from its upgrade to its close: the code. */
const attempt = (port: number, kind: Plan["kind"]) =>
  Effect.async<number>((resume) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, ["holdfast.v1.json"])
    ws.on("upgrade", ({ socket }: IncomingMessage) => {
      ws.on("open", () => {
        if (kind !== good && kind !== "flood" && kind !== "flood of pings") return void socket.write(garbage[kind]())
        ws.send(JSON.stringify(hello))
        ws.once("message", () => (kind === good ? ws.send('{"type":"bye"}') : pour(socket, flood[kind])))
      })
    })
    ws.on("error", () => {}) // "close" follows
    ws.on("close", (code) => resume(Effect.succeed(code)))
    return Effect.sync(() => ws.terminate())
  })

answer({
  /** Attacks so many times, each as soon as the one before was closed, and tells what it met. */
  attack: ({ attempts, kind, port }: Plan) =>
    Effect.gen(function* () {
      const closes = new Map<string, number>()
      for (let count = 0; count < attempts; count++) {
        const met = `${kind}: ${yield* attempt(port, kind)}`
        closes.set(met, (closes.get(met) ?? 0) + 1)
      }
      return Object.fromEntries(closes) satisfies Tally
    })
})
