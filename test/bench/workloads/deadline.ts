/** The read deadline that every message moves: what the moving costs. */
import { DeadlineProcess } from "../deadlineProcess.js"
import type { Run, Sample, Workload } from "../workload.js"

const sample = async (way: string, { seconds, start }: Run): Promise<Sample> => {
  const { nanosPerMessage } = await start((profile) => DeadlineProcess.start({ way, seconds, profile }))
  return { nanosPerMessage }
}

export const deadline: Workload = {
  name: "deadline",
  about:
    "each message moves the read deadline of one of 1,000 connections: timer.refresh(), a new timer, a new fiber, or Holdfast's stamp",
  behaviour: "none",
  servers: 0,
  needsRedis: false,
  descriptors: 0,
  plotted: { key: "nanosPerMessage", caption: "a message moves the read deadline of its connection" },
  metrics: [{ key: "nanosPerMessage", title: "CPU ns/message", digits: 0, compared: true }],
  contenders: ["refresh", "replace", "fiber", "holdfast"].map((name) => ({ name, sample: (run) => sample(name, run) }))
}
