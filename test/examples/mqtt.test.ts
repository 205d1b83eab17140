/** The example of an MQTT subscription over WebSocket, against a mosquitto broker. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { NodeDialer } from "holdfast/node"
import { keep } from "../../examples/servers/mqtt.js"
import { describeWith } from "../gate/describeWith.js"
import { find, mosquitto } from "../gate/needed.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { freePort } from "../redis/server.js"
import { eventually, limit, patiently } from "../support/patience.js"
import { cuts, throughFaults, timing } from "./throughFaults.js"

/** Mosquitto 2.0.11 does not start with a WebSocket listener alone. */
const configuration = (port: number, other: number, directory: string) => `
user root
listener ${other} 127.0.0.1
listener ${port} 127.0.0.1
protocol websockets
allow_anonymous true
persistence true
persistence_location ${directory}/
max_queued_messages 0
log_type none
`

const canConnect = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    const answer = (it: boolean) => {
      socket.destroy()
      resume(Effect.succeed(it))
    }
    socket.on("connect", () => answer(true)).on("error", () => answer(false))
  })

/** A broker of its own, which keeps its sessions over a restart. */
const broker = Effect.gen(function* () {
  const port = yield* freePort
  const directory = mkdtempSync(join(tmpdir(), "holdfast-mosquitto-"))
  const file = join(directory, "mosquitto.conf")
  writeFileSync(file, configuration(port, yield* freePort, directory))
  let running: ChildProcess | undefined
  const start = Effect.suspend(() => {
    running = spawn(find(mosquitto) ?? "mosquitto", ["-c", file], { stdio: "ignore" })
    return eventually("the broker listens", canConnect(port))
  })
  const stop = Effect.async<void>((resume) => {
    if (running === undefined) return resume(Effect.void)
    running.on("exit", () => resume(Effect.void))
    // It writes down what it has.
    running.kill("SIGTERM")
  })
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      stop,
      Effect.sync(() => rmSync(directory, { recursive: true }))
    )
  )
  yield* start
  return { port, restart: Effect.zipRight(stop, start) }
})

/** Publishes 1, 2, 3 …, each until the broker has it. */
const publisher = (port: number) =>
  Effect.gen(function* () {
    const url = `ws://127.0.0.1:${port}/`
    const kept = yield* keep({ ...timing, url, clientId: "publisher", topic: "nothing" })
    let acknowledged = 0
    yield* Effect.forkScoped(
      Stream.runForEach(kept.messages, ({ cmd, messageId }) =>
        Effect.sync(() => {
          if (cmd === "puback") acknowledged = Math.max(acknowledged, messageId ?? 0)
        })
      )
    )
    const publish = (n: number) =>
      Effect.gen(function* () {
        for (let attempt = 0; acknowledged < n; attempt++) {
          const dup = attempt > 0
          yield* kept.send({
            cmd: "publish",
            topic: "numbers",
            payload: `${n}`,
            qos: 1,
            messageId: n,
            dup,
            retain: false
          })
          const isAcknowledged = Effect.repeat(
            Effect.delay(
              Effect.sync(() => acknowledged >= n),
              1
            ),
            { until: Boolean }
          )
          yield* Effect.timeoutOption(isAcknowledged, "500 millis")
        }
      })
    yield* Effect.forkScoped(
      Effect.forEach(
        Array.from({ length: 60_000 }, (_, n) => n + 1),
        publish,
        { discard: true }
      )
    )
  })

describeWith(mosquitto)("MQTT over WebSocket", () => {
  it.scopedLive(
    `loses nothing that was published, over ${cuts} cuts, a silence and a restart of the broker`,
    () =>
      Effect.gen(function* () {
        const { port, restart } = yield* broker
        const proxy = yield* TcpProxy.make(port)
        const url = `ws://127.0.0.1:${proxy.port}/`
        const kept = yield* keep({ ...timing, url, clientId: "subscriber", topic: "numbers" })
        const got: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(kept.messages, (packet) => {
            if (packet.cmd !== "publish") return Effect.void
            got.push(Number(packet.payload))
            return Effect.ignore(kept.send({ cmd: "puback", messageId: packet.messageId ?? 0 }))
          })
        )
        yield* patiently("the subscription", kept.ready)
        yield* publisher(port)
        const waits = yield* throughFaults({ kept, proxy, received: () => got.length, restart })
        assert.isAtLeast(waits.length, cuts + 2)
        for (const { delay, waited } of waits) assert.isAtLeast(waited, delay - 1)
        // What was not acknowledged in time comes twice; nothing is left out.
        const all = [...new Set(got)].sort((one, other) => one - other)
        assert.deepStrictEqual(
          all,
          all.map((_, n) => n + 1)
        )
      }).pipe(Effect.provide(NodeDialer.layer)),
    limit
  )
})
