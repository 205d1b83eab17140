/** The gateways of a store, by what they announce of themselves, for as long as they do. */
import * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { NodeInfo } from "../../../session/SessionStore.js"
import { escape, tagged } from "../keys.js"
import { script } from "../script.js"
import { serverTime } from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"

const lapsed = `${serverTime}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
`

/** ARGV: a gateway's id, what it says of itself, and for how many milliseconds. */
const announce = script(`${lapsed}
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('PEXPIRE', KEYS[2], 86400000)
return 0
`)

const withdraw = script(`
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 0
`)

const list = script(`${lapsed}
return redis.call('HVALS', KEYS[2])
`)

export class NodeRegistry {
  private readonly keys: ReadonlyArray<string>

  constructor(
    private readonly commands: StoreCommands,
    /** Milliseconds after which a gateway that says nothing is taken for dead. */
    private readonly lease: number
  ) {
    const name = tagged(commands.prefix, "g", "")
    this.keys = [name, `${name}:i`]
  }

  announce(node: NodeInfo): Effect.Effect<void, StoreUnavailable> {
    return Effect.asVoid(this.commands.run(announce, this.keys, escape(node.id), JSON.stringify(node), this.lease))
  }

  withdraw(node: string): Effect.Effect<void, StoreUnavailable> {
    return Effect.asVoid(this.commands.run(withdraw, this.keys, escape(node)))
  }

  get nodes(): Effect.Effect<ReadonlyArray<NodeInfo>, StoreUnavailable> {
    return Effect.map(this.commands.run(list, this.keys), (answer) => {
      const nodes = (answer as ReadonlyArray<string>).map((text): NodeInfo => JSON.parse(text)) // as `announce` wrote them
      return nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
    })
  }
}
