import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { limit } from "../support/patience.js"
import { program } from "../support/programs.js"

const cycles = 1000

interface Counted {
  readonly fibers: number
  readonly listeners: number
  readonly resources: number
}

interface Report {
  /** The gateway's scope still open: before the cycles and after. */
  readonly open: {
    readonly accepted: number
    readonly before: Counted
    readonly after: Counted
    readonly stats: { readonly connections: number; readonly sessions: number }
    readonly stored: number
  }
  readonly before: Omit<Counted, "fibers">
  readonly after: Omit<Counted, "fibers">
  readonly fibers: number
  readonly heapBefore: number
  readonly heapAfter: number
}

describe(`after ${cycles} connect–talk–drop cycles`, () => {
  let report: Report

  beforeAll(async () => {
    const file = await Effect.runPromise(program(new URL("../programs/leaks.main.ts", import.meta.url)))
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", file, `${cycles}`])
    report = JSON.parse(stdout)
  }, limit)

  it("no session, connection or store entry is left", () => {
    assert.isAtLeast(report.open.accepted, cycles)
    assert.strictEqual(report.open.stats.sessions, 0)
    assert.strictEqual(report.open.stats.connections, 0)
    assert.strictEqual(report.open.stored, 0)
  })

  it("a gateway that goes on has no more fibers, listeners, timers and sockets than after the first", () => {
    assert.isAbove(report.open.before.fibers, 0)
    assert.isAtMost(report.open.after.fibers, report.open.before.fibers)
    assert.isAtMost(report.open.after.listeners, report.open.before.listeners)
    assert.isAtMost(report.open.after.resources, report.open.before.resources)
  })

  it("a closed scope leaves no fiber, timer, listener or socket", () => {
    assert.strictEqual(report.fibers, 0)
    assert.isAtMost(report.after.listeners, report.before.listeners)
    assert.strictEqual(report.after.resources, 0)
  })

  it("the heap is back within 10%", () => {
    assert.isAtMost(report.heapAfter, report.heapBefore * 1.1)
  })
})
