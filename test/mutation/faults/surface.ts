import type { Group } from "../fault.js"

const variables = "src/connection/options/optionVariables.ts"
const options = "test/badInput/options.test.ts"

export const group: Group = {
  title: "What users write",
  faults: [
    {
      name: "a variable that is misspelt is ignored",
      file: variables,
      find: "if (wrong !== undefined) {",
      replace: "if (wrong !== undefined && wrong.name === wrong.meant) {",
      caughtBy: [options]
    },
    {
      name: "a variable that is somebody else's is refused",
      file: variables,
      find: "Math.min(farthest, name.length / 3)",
      replace: "99",
      caughtBy: [options]
    },
    {
      name: "names of variables are looked for at one level",
      file: variables,
      find: "...below.map((rest) =>",
      replace: "...[].map((rest) =>",
      caughtBy: [options]
    },
    {
      name: "a policy with a bad option is taken",
      file: "src/connection/Reconnect.ts",
      find: "if (refused !== undefined) return Effect.fail(refused)",
      replace: "",
      caughtBy: [options]
    },
    {
      name: "handlers are given the inside of a session",
      file: "src/gateway/session/hostedSession.ts",
      find: "this.handle = new SessionHandle(this)",
      replace: "this.handle = this",
      caughtBy: ["test/gateway/sessionHandle.test.ts"]
    },
    {
      name: "a gateway's options are no place to make topics",
      file: "src/gateway/gatewayCore.ts",
      find: 'typeof topics === "function" ? topics(TopicRule.make) : topics',
      replace: 'typeof topics === "function" ? undefined : topics',
      caughtBy: ["test/gateway/topicRules.test.ts"]
    }
  ]
}
