/** Redis servers for tests: each a process of its own, on a port of its own, with a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Data, Deferred, Effect, Schedule, type Scope } from "effect"
import { patiently } from "../support/patience.js"
import { program } from "./program.js"
import { ask, show } from "./resp.js"

export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly command: string
  readonly reason: string
  /** The last lines that it printed. */
  readonly output: string
}> {
  override get message() {
    return `${this.command}: ${this.reason}\n${this.output}`
  }
}

export interface RedisServer {
  readonly url: string
  readonly host: string
  readonly port: number
  /** Of the process that runs, or of the last one. */
  readonly pid: () => number
  /** SIGKILL, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** SIGTERM, and waits until it is gone. */
  readonly stop: Effect.Effect<void>
  /** Starts it again, on the same port and in the same directory, and waits until it answers. */
  readonly start: Effect.Effect<void, StartFailed>
  /** SIGSTOP: connections stay open, and nothing is answered. */
  readonly pause: Effect.Effect<void>
  /** SIGCONT. */
  readonly resume: Effect.Effect<void>
  /** Asks it, and gives the answer as `redis-cli` prints it; dies if it is refused. Waits for as long as it is paused. */
  readonly cli: (...words: ReadonlyArray<string>) => Effect.Effect<string>
}

export interface RedisServerOptions {
  /** Keeps what is written, so that it is there after `kill` and `start`; each write is on the disk before it is answered. */
  readonly appendOnly?: boolean | undefined
  readonly args?: ReadonlyArray<string> | undefined
}

const linesKept = 15
/** Below the ports that systems give to connections, one of which could else take the port while the server is down. */
const ports = { first: 10_240, last: 32_767 }

const processes = new Set<ChildProcess>()
const directories = new Set<string>()

/** Where no scope is closed any more. */
process.on("exit", () => {
  for (const child of processes) child.kill("SIGKILL")
  for (const directory of directories) remove(directory)
})

const remove = (directory: string): void => {
  directories.delete(directory)
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-redis-"))
    directories.add(directory)
    return directory
  }),
  (directory) => Effect.sync(() => remove(directory))
)

/** A port of 127.0.0.1 on which nobody listens. */
export const freePort: Effect.Effect<number> = Effect.async<number, Error>((resume) => {
  const port = randomInt(ports.first, ports.last + 1)
  const server = Net.createServer()
  server.once("error", (error) => resume(Effect.fail(error)))
  server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(port))))
}).pipe(Effect.retry({ times: 100 }), Effect.orDie)

interface Running {
  readonly child: ChildProcess
  readonly exited: Deferred.Deferred<string>
  readonly lines: ReadonlyArray<string>
}

const run = (args: ReadonlyArray<string>): Effect.Effect<Running> =>
  Effect.gen(function* () {
    const exited = yield* Deferred.make<string>()
    const child = spawn(program() ?? "redis-server", args, { stdio: ["ignore", "pipe", "pipe"] })
    processes.add(child)
    const lines: Array<string> = []
    const keep = (chunk: Buffer) => {
      lines.push(...chunk.toString().trimEnd().split("\n"))
      lines.splice(0, lines.length - linesKept)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    const end = (how: string) => {
      processes.delete(child)
      Deferred.unsafeDone(exited, Effect.succeed(how))
    }
    child.on("error", ({ message }) => end(message))
    child.on("close", (code, signal) => end(`it ended with ${signal ?? `exit code ${code}`}`))
    return { child, exited, lines }
  })

/** Until this process, and none other on its port, has read its data and answers. */
const answers = (port: number, { child, exited, lines }: Running): Effect.Effect<void, StartFailed> => {
  const failed = (reason: string) =>
    new StartFailed({ command: child.spawnargs.join(" "), reason, output: lines.join("\n") })
  return Effect.all([ask(port, ["INFO", "server"]), ask(port, ["PING"])]).pipe(
    Effect.filterOrFail(
      ([info, pong]) => pong === "PONG" && show(info).includes(`process_id:${child.pid}\r\n`),
      () => "another server answers"
    ),
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.mapError(() => failed("no answer")),
    Effect.raceFirst(Effect.flatMap(Deferred.await(exited), (how) => Effect.fail(failed(how)))),
    Effect.asVoid,
    (answered) => patiently(`an answer on port ${port}`, answered)
  )
}

/** A server that is started as `argsOf` says for its port and directory; on another port if that one was taken meanwhile. */
export const launch = (
  argsOf: (port: number, directory: string) => Effect.Effect<ReadonlyArray<string>>
): Effect.Effect<RedisServer, StartFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    let running: Running | undefined
    /** Sends signals, and waits for the end of the process. */
    const end = (...signals: ReadonlyArray<NodeJS.Signals>) =>
      Effect.suspend(() => {
        if (running === undefined) return Effect.void
        const { child, exited } = running
        for (const signal of signals) child.kill(signal)
        return Effect.zipRight(
          Deferred.await(exited),
          Effect.sync(() => {
            if (running?.child === child) running = undefined
          })
        )
      })
    yield* Effect.addFinalizer(() => end("SIGKILL"))

    let pid = 0
    const startWith = (port: number, args: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        if (running !== undefined) return
        running = yield* run(args)
        pid = running.child.pid ?? 0
        yield* Effect.onError(answers(port, running), () => end("SIGKILL"))
      }).pipe(Effect.withClock(Clock.make())) // a test's clock does not hurry a process

    const { args, port } = yield* Effect.gen(function* () {
      const port = yield* freePort
      const args = yield* argsOf(port, directory)
      yield* startWith(port, args)
      return { args, port }
    }).pipe(Effect.retry({ times: 5, while: ({ output }) => output.includes("Address already in use") }))

    const signal = (name: NodeJS.Signals) => Effect.sync(() => void running?.child.kill(name))
    return {
      url: `redis://127.0.0.1:${port}`,
      host: "127.0.0.1",
      port,
      pid: () => pid,
      kill: end("SIGKILL"),
      stop: end("SIGTERM", "SIGCONT"), // a paused process hears of nothing before it goes on
      start: startWith(port, args),
      pause: signal("SIGSTOP"),
      resume: signal("SIGCONT"),
      cli: (...words) => Effect.orDie(Effect.map(ask(port, words), show))
    }
  })

/** What every server is started with: on 127.0.0.1 alone, open to all there, without snapshots. */
export const commonArgs = (port: number, directory: string): ReadonlyArray<string> => [
  ...["--port", `${port}`, "--bind", "127.0.0.1", "--protected-mode", "no"],
  ...["--dir", directory, "--save", "", "--daemonize", "no"],
  // A replica is served at once, not after 5 s in which others might come.
  ...["--repl-diskless-sync-delay", "0"]
]

const appendOnlyArgs = ["--appendonly", "yes", "--appendfsync", "always"]

/** A server on a free port. The scope ends it, whatever state it is in, and removes its directory. */
export const redisServer = (options: RedisServerOptions = {}): Effect.Effect<RedisServer, StartFailed, Scope.Scope> =>
  launch((port, directory) =>
    Effect.succeed([
      ...commonArgs(port, directory),
      ...(options.appendOnly === true ? appendOnlyArgs : []),
      ...(options.args ?? [])
    ])
  )
