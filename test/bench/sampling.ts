/** One sample: its servers are started for it, and end with it. */
import { Effect } from "effect"
import { type RedisServer, redisServer } from "../redis/server.js"
import { pause } from "./connections.js"
import type { MeasuredProcess, Profile } from "./measuredProcess.js"
import { defaults, type Options } from "./options.js"
import { ServerProcess } from "./serverProcess.js"
import type { Contender, Sample, Workload } from "./workload.js"

/** No sample takes as long as this beside the time that it measures: one that does is stuck. */
const patience = 120_000
/** Within this a process that was killed is known to be dead. */
const afterwards = 500

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

export const sample = async (workload: Workload, contender: Contender, round: number, options: Options) => {
  const use = (redis: RedisServer | undefined) => sampleWith(workload, contender, round, options, redis)
  if (!workload.needsRedis) return use(undefined)
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(redisServer(), (redis) => Effect.tryPromise({ try: () => use(redis), catch: asError }))
    )
  )
}

const sampleWith = async (
  workload: Workload,
  contender: Contender,
  round: number,
  options: Options,
  redis: RedisServer | undefined
): Promise<Sample> => {
  const processes: Array<MeasuredProcess> = []
  const servers: Array<ServerProcess> = []
  const seconds = options.seconds ?? workload.defaults?.seconds ?? defaults.seconds
  let late: NodeJS.Timeout | undefined
  let fail: (why: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {}) // it may come while nobody waits for the sample yet
  const start = async <P extends MeasuredProcess>(make: (profile: Profile | undefined) => Promise<P>): Promise<P> => {
    const name = `${workload.name}-${contender.name}-${round}-${processes.length + 1}.cpuprofile`
    const made = await make(options.profile === undefined ? undefined : { directory: options.profile, name })
    processes.push(made)
    made.died.catch(fail)
    return made
  }
  try {
    while (servers.length < workload.servers) {
      const peer = contender.server ?? contender.name
      const behaviour = contender.behaviour ?? workload.behaviour
      servers.push(await start((profile) => ServerProcess.start({ peer, behaviour, profile, redisUrl: redis?.url })))
    }
    const longest = patience + seconds * 1000
    late = setTimeout(() => fail(new Error(`no result in ${longest / 1000} s`)), longest)
    return await Promise.race([contender.sample({ servers, redis, seconds, start, fail }), failed])
  } catch (error) {
    // A process that dies takes its connections along, and they are heard of first.
    await Promise.race([...processes.map(({ died }) => died), pause(afterwards)])
    throw error
  } finally {
    clearTimeout(late)
    await Promise.all(processes.map((each) => each.stop()))
  }
}
