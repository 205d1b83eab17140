import { availableParallelism } from "node:os"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { limit } from "./test/support/patience.js"
import { aliases } from "./test/support/sources.js"

const cores = availableParallelism()

/** On real ports, with the real clock, and with programs, Redis servers and browsers as processes: most of their time they wait. */
const real = [
  "test/{browser,examples,gate,node,redis}/*.test.ts",
  // They measure what their process takes: threads would share it.
  "test/badInput/{decodeCost,frames,publications,topicRules}.test.ts",
  "test/topic/brokerBounds.test.ts"
]

/** In virtual time, or with no time at all: all of it is work, and these are more than half of it. */
const thorough = [
  "test/client/{keptSession,keptSessionAtRandom}.test.ts",
  "test/connection/{timerQueue,reconnectPolicies,tokenBuckets}.test.ts",
  "test/gateway/{manyGatewaysMail,presence,presenceRaces,requestLimits,slowConsumers}.test.ts",
  "test/protocol/{closeCodes,codecs,jsonData}.test.ts",
  "test/session/{sessionWalks,withdrawnAtRandom}.test.ts",
  "test/topic/{dueBuckets,topicNames,topicRecovery}.test.ts",
  "test/{exploration,laws,readme,simulation}/*.test.ts",
  "test/browser/unit/{browserTransport,clockJumps}.test.ts"
]

const project = (
  name: string,
  pool: "forks" | "threads",
  include: Array<string>,
  exclude: Array<string> = []
): TestProjectInlineConfiguration => ({
  resolve: { alias: aliases },
  test: { name, pool, include, exclude, testTimeout: limit, hookTimeout: limit, allowOnly: false }
})

export default defineConfig({
  test: {
    globalSetup: ["test/gate/begin.ts", "test/gate/leftOut.ts", "test/support/runFolder.ts"],
    projects: [
      project("real", "forks", real),
      project("thorough", "threads", thorough),
      project("quick", "threads", ["test/**/*.test.ts"], [...real, ...thorough])
    ],
    // Importing takes longer than most files: those of a project share what is loaded, which they may not change.
    // Both pools run at the same time: who waits leaves the processor to who works.
    // Neither lets a worker go before the end: tinypool 1.1 may end one to which it has just given a file.
    poolOptions: {
      forks: { isolate: false, minForks: cores + 1, maxForks: cores + 1 },
      // TestClock waits for some turns of the loop at each step: the processor is somebody else's meanwhile.
      threads: { isolate: false, minThreads: cores + 1, maxThreads: cores + 1 }
    },
    // A test that is skipped by accident is a test that does not run.
    allowOnly: false
  }
})
