/** Commands in process groups of their own: whatever one has started ends with it. */
import { spawn } from "node:child_process"

export interface Finished {
  /** `undefined` when the command was killed because its time was over. */
  readonly code: number | undefined
  /** The end of what it printed, of both streams. */
  readonly output: string
}

/** Characters of output that are kept. */
const kept = 4000

const running = new Set<number>()

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Gone already.
  }
}

/** Runs a command for so many milliseconds at the most. */
export const run = (
  directory: string,
  command: string,
  args: ReadonlyArray<string>,
  limit: number
): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: directory,
      detached: true,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const { pid } = child
    if (pid !== undefined) running.add(pid)
    let output = ""
    let isLate = false
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-kept)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    const end = (): void => {
      if (pid === undefined) return
      killGroup(pid)
      running.delete(pid)
    }
    const timer = setTimeout(() => {
      isLate = true
      end()
    }, limit)
    child.on("error", (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on("exit", end)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code: isLate ? undefined : (code ?? 1), output })
    })
  })

/** Ends all that runs, at once. */
export const killAll = (): void => {
  for (const pid of running) killGroup(pid)
  running.clear()
}
