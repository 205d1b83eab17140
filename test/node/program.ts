/** The examples as processes of their own. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Deferred, Effect, type Scope } from "effect"
import { program } from "../support/programs.js"
import { eventually } from "./support.js"

export interface Program {
  /** Lines on stdout so far. */
  readonly out: ReadonlyArray<string>
  readonly errors: ReadonlyArray<string>
  /** Waits for a line on stdout. */
  readonly line: (pattern: RegExp) => Effect.Effect<string>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  readonly type: (line: string) => Effect.Effect<void>
  readonly endInput: Effect.Effect<void>
  /** Waits for the end of the process: its exit code, or the signal that killed it. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
}

const splitter = (lines: Array<string>) => {
  let rest = ""
  return (chunk: string) => {
    const parts = (rest + chunk).split("\n")
    rest = parts.pop() ?? ""
    lines.push(...parts)
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url))

interface StartOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

/** Starts `examples/<name>.ts`. */
export const start = (name: "gateway" | "client" | "orders", options?: StartOptions) =>
  Effect.flatMap(program(new URL(`../../examples/${name}.ts`, import.meta.url)), (file) =>
    run(name, process.execPath, [file, ...(options?.args ?? [])], options?.env)
  )

/** Starts the gateway as README says it. */
export const npmStart = (env: Readonly<Record<string, string>>) => run("npm start", "npm", ["start"], env)

/** Runs a command in the project's folder; the scope kills it if it still runs. */
const run = (
  name: string,
  command: string,
  args: ReadonlyArray<string>,
  env?: Readonly<Record<string, string>>
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env } })
    const out: Array<string> = []
    const errors: Array<string> = []
    child.stdout.setEncoding("utf8").on("data", splitter(out))
    child.stderr.setEncoding("utf8").on("data", splitter(errors))
    child.stdin.on("error", () => {})
    const exited = yield* Deferred.make<number | NodeJS.Signals>()
    child.on("close", (code, signal) => Deferred.unsafeDone(exited, Effect.succeed(code ?? signal ?? -1)))
    const exit = Deferred.await(exited)
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => child.kill("SIGKILL")),
        exit
      )
    )
    return {
      out,
      errors,
      line: (pattern) =>
        Effect.suspend(() => {
          const found = () => out.find((line) => pattern.test(line)) ?? ""
          const shown = eventually(
            `${name} prints ${pattern}`,
            Effect.sync(() => found() !== ""),
            () => out.length + errors.length
          )
          const ended = Effect.flatMap(exit, (code) =>
            found() === "" ? Effect.dieMessage(`${name} ended with ${code}: ${errors.join("\n")}`) : Effect.void
          )
          return Effect.map(Effect.raceFirst(shown, ended), found)
        }),
      signal: (signal) => Effect.sync(() => void child.kill(signal)),
      type: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)),
      endInput: Effect.sync(() => void child.stdin.end()),
      exit
    }
  })

/** A gateway that listens, on a free port unless `env` names one. */
export const gateway = (env?: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const program = yield* start("gateway", { env: { PORT: "0", ...env } })
    const url = /ws:\S+/.exec(yield* program.line(/ws:/))?.[0] ?? ""
    return { ...program, url, port: Number(new URL(url).port) }
  })

export const client = (url: string, env?: Readonly<Record<string, string>>) =>
  start("client", { args: ["tester", "lobby", url], ...(env === undefined ? {} : { env }) })
