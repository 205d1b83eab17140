import type { Group } from "../fault.js"

const variables = "src/connection/options/optionVariables.ts"
const options = "test/badInput/options.test.ts"
const listeners = "test/node/listeners.test.ts"
const dialers = "test/node/dialerOptions.test.ts"
const promises = "test/promise/client.test.ts"

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
    },
    {
      name: "whoever else listens for upgrades has none",
      file: "src/node/internal/upgradeRouter.ts",
      find: "const isOthers = route === undefined && this.othersListen",
      replace: "const isOthers = false",
      caughtBy: [listeners]
    },
    {
      name: "two gateways may have one path",
      file: "src/node/NodeListener.ts",
      find: "taken.get(path)?.isInUse === true",
      replace: "taken.get(path)?.isInUse === undefined && path === undefined",
      caughtBy: [listeners]
    },
    {
      name: "a server of the application's keeps the router",
      file: "src/node/internal/upgradeRouter.ts",
      find: 'Reflect.deleteProperty(this.server, "emit")',
      replace: "",
      caughtBy: [listeners]
    },
    {
      name: "a proxy of the environment is looked for by the scheme of WebSockets",
      file: "src/node/internal/dialerOptions.ts",
      find: 'url.replace(/^ws/i, "http")',
      replace: "url",
      caughtBy: [dialers]
    },
    {
      name: "certificates without TLS are passed over",
      file: "src/node/internal/dialerOptions.ts",
      find: "if (given.length > 0 && ",
      replace: "if (given.length > 99 && ",
      caughtBy: [dialers]
    },
    {
      name: "a loop that is left has not processed what it had in hand",
      file: "src/promise/internal/pulled.ts",
      find: "left.abort()\n        await end(Exit.void)",
      replace: 'left.abort()\n        await end(Exit.fail("left"))',
      caughtBy: [promises]
    },
    {
      name: "a wait that is aborted rejects with something else than the signal's reason",
      file: "src/promise/PromiseClient.ts",
      find: "throw signal.reason",
      replace: "throw Cause.squash(exit.cause)",
      caughtBy: [promises]
    }
  ]
}
