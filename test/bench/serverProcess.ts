/** A measured server: its process, and what the operating system says of it. */
import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export interface StartOptions {
  readonly peer: string
  readonly behaviour: string
  /** Where to leave a CPU profile, and its name. */
  readonly profile: { readonly directory: string; readonly name: string } | undefined
  /** What servers that form a cluster share. */
  readonly redisUrl: string | undefined
}

const patience = 10_000
const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }))
const running = new Set<ChildProcess>()

/** For when this process must end at once. */
export const killAll = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** User and system time of all threads of a process. */
export const cpuMicrosOf = (pid: number | undefined): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // proc(5): utime and stime are fields 14 and 15; the command, field 2, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6
}

export class ServerProcess {
  /** Rejects when the server ends before `stop`. */
  readonly died: Promise<never>
  port = 0
  private stopping = false

  private constructor(
    private readonly child: ChildProcess,
    name: string
  ) {
    running.add(child)
    this.died = new Promise((_, reject) => {
      child.on("error", reject)
      child.on("exit", (code, signal) => {
        running.delete(child)
        if (!this.stopping) reject(new Error(`the ${name} server died (${signal ?? `exit code ${code}`})`))
      })
    })
    this.died.catch(() => {}) // whoever races it hears of it
  }

  static async start({ behaviour, peer, profile, redisUrl }: StartOptions): Promise<ServerProcess> {
    const script = fileURLToPath(new URL(`./servers/${peer}.mjs`, import.meta.url))
    const child = fork(script, [behaviour], {
      execArgv: [
        "--expose-gc",
        ...(profile === undefined
          ? []
          : ["--cpu-prof", `--cpu-prof-dir=${profile.directory}`, `--cpu-prof-name=${profile.name}`])
      ],
      env: { ...process.env, ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }) },
      // A server has nothing to say on the output, which may be JSON.
      stdio: ["ignore", 2, 2, "ipc"]
    })
    const server = new ServerProcess(child, peer)
    const { port } = await server.answer<{ readonly port: number }>("did not listen")
    server.port = port
    return server
  }

  /** Collects the server's garbage, and gives the bytes of its JavaScript heap. */
  async collect(): Promise<number> {
    this.child.send("collect")
    return (await this.answer<{ readonly heap: number }>("did not collect its garbage")).heap
  }

  cpuMicros(): number {
    return cpuMicrosOf(this.child.pid)
  }

  residentKilobytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8")
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  }

  /** Kills it, as the workload wants it, and waits until it is gone. */
  async kill(): Promise<void> {
    this.stopping = true
    const gone = new Promise((resume) => this.child.once("exit", resume))
    this.child.kill("SIGKILL")
    await gone
  }

  /** Ends it, and waits until it has. */
  async stop(): Promise<void> {
    this.stopping = true
    if (!running.has(this.child)) return
    await new Promise<void>((resume) => {
      const late = setTimeout(() => this.child.kill("SIGKILL"), patience)
      this.child.once("exit", () => {
        clearTimeout(late)
        resume()
      })
      if (this.child.connected) this.child.send("stop")
    })
  }

  private answer<A>(otherwise: string): Promise<A> {
    let late: NodeJS.Timeout | undefined
    const answered = new Promise<A>((resume, reject) => {
      this.child.once("message", (message) => resume(message as A)) // `servers/serve.mjs` sends nothing else
      late = setTimeout(() => reject(new Error(`the server ${otherwise} in ${patience} ms`)), patience)
    })
    return Promise.race([answered, this.died]).finally(() => clearTimeout(late))
  }
}
