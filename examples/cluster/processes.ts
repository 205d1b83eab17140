/** The servers of the cluster, each a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Data, Effect, type Scope } from "effect"

export class CannotStart extends Data.TaggedError("CannotStart")<{ readonly what: string; readonly reason: string }> {
  override get message(): string {
    return `${this.what} does not start: ${this.reason}`
  }
}

export interface Server {
  readonly port: number
  readonly pid: number
  /** As if the power had failed; waits until the process is gone. */
  readonly kill: Effect.Effect<void>
  /** Waits for its end, whatever that is. */
  readonly ended: Effect.Effect<void>
}

const freePort = Effect.async<number, CannotStart>((resume) => {
  const server = createServer()
  server.once("error", ({ message }) => resume(new CannotStart({ what: "a server", reason: message })))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

const killed = (child: ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    // Nothing to kill, and no end to wait for: it could not be started.
    if (child.pid === undefined) return Effect.void
    child.kill("SIGKILL")
    return ended(child)
  })

/** Starts a process, and waits for the line in which it says that it is ready. */
const started = (
  what: string,
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly port: number; readonly ready: RegExp; readonly env?: Record<string, string> }
): Effect.Effect<Server, CannotStart, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(command, args, { env: { ...process.env, ...options.env }, stdio: ["ignore", "pipe", "pipe"] })
      ),
      killed
    )
    yield* Effect.async<void, CannotStart>((resume) => {
      let said = ""
      const failed = (reason: string) => resume(new CannotStart({ what, reason }))
      const hear = (chunk: Buffer) => {
        said += chunk.toString()
        if (options.ready.test(said)) resume(Effect.void)
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      child.once("error", ({ message }) => failed(message))
      child.once("exit", () => failed(said.trim().split("\n").at(-1) || "it ended without a word"))
    })
    return { port: options.port, pid: child.pid ?? 0, kill: killed(child), ended: ended(child) }
  })

const installing =
  "install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), or set REDIS_URL to a Redis 7 of yours"

const missing = (error: CannotStart): CannotStart =>
  error.reason.includes("ENOENT") ? new CannotStart({ what: error.what, reason: installing }) : error

const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "holdfast-cluster-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A Redis of its own, on a free port, that keeps nothing. */
export const redisServer: Effect.Effect<Server, CannotStart, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  const dir = yield* directory
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""]
  return yield* started("redis-server", "redis-server", args, { port, ready: /Ready to accept connections/ })
}).pipe(Effect.mapError(missing))

const gatewayFile = fileURLToPath(new URL("../gateway.ts", import.meta.url))

/** `gateway.ts`, on a free port. */
export const gateway = (env: Record<string, string>): Effect.Effect<Server, CannotStart, Scope.Scope> =>
  Effect.flatMap(freePort, (port) =>
    started("a gateway", process.execPath, ["--import", "tsx", gatewayFile], {
      port,
      ready: /listens at/,
      env: { ...env, PORT: String(port), HOST: "127.0.0.1" }
    })
  )
