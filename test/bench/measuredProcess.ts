/** A process that is measured, and what the operating system says of it. */
import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Where to leave a CPU profile, and its name. */
export interface Profile {
  readonly directory: string
  readonly name: string
}

export interface StartOptions {
  /** Plain JavaScript, relative to this directory. It tells of itself with `measured.mjs`. */
  readonly script: string
  readonly args: ReadonlyArray<string>
  readonly profile: Profile | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** A machine that is busy with other things is slow, too. */
const patience = 30_000
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

export class MeasuredProcess {
  /** Rejects when the process ends before `stop`. */
  readonly died: Promise<never>
  private readonly child: ChildProcess
  private readonly script: string
  private stopping = false

  protected constructor({ args, env, profile, script }: StartOptions) {
    const child = fork(fileURLToPath(new URL(`./${script}`, import.meta.url)), [...args], {
      execArgv: [
        "--expose-gc",
        ...(profile === undefined
          ? []
          : ["--cpu-prof", `--cpu-prof-dir=${profile.directory}`, `--cpu-prof-name=${profile.name}`])
      ],
      env: { ...process.env, ...env },
      // It has nothing to say on the output, which may be JSON.
      stdio: ["ignore", 2, 2, "ipc"]
    })
    this.child = child
    this.script = script
    running.add(child)
    this.died = new Promise((_, reject) => {
      child.on("error", reject)
      child.on("exit", (code, signal) => {
        running.delete(child)
        if (!this.stopping) reject(new Error(`${script} died (${signal ?? `exit code ${code}`})`))
      })
    })
    this.died.catch(() => {}) // whoever races it hears of it
  }

  /** Collects its garbage, and gives the bytes of its JavaScript heap. */
  async collect(): Promise<number> {
    return (await this.ask<{ readonly heap: number }>("collect")).heap
  }

  /** The same under load, in one go. */
  async collectOnce(): Promise<number> {
    return (await this.ask<{ readonly heap: number }>("collectOnce")).heap
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

  /** One question at a time. */
  protected ask<A>(request: string, within = patience): Promise<A> {
    this.child.send(request)
    return this.answer<A>(`did not answer "${request}"`, within)
  }

  /** What it says next: nothing that it was not asked for but, as it has started, the first. */
  protected answer<A>(otherwise: string, within = patience): Promise<A> {
    let late: NodeJS.Timeout | undefined
    const answered = new Promise<A>((resume, reject) => {
      this.child.once("message", (message) => resume(message as A)) // the script knows what it is asked
      late = setTimeout(() => reject(new Error(`${this.script} ${otherwise} in ${within} ms`)), within)
    })
    return Promise.race([answered, this.died]).finally(() => clearTimeout(late))
  }
}
