/** The scripts of a session store, as Redis is asked to run them: what fails is `StoreUnavailable`. */
import * as Effect from "effect/Effect"
import { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { Service as Connection } from "../../RedisConnection.js"
import type { Argument, Call, Script } from "../script.js"

export class StoreCommands {
  readonly prefix: string

  constructor(private readonly redis: Connection) {
    this.prefix = redis.prefix
  }

  run(
    script: Script,
    keys: ReadonlyArray<string>,
    ...args: ReadonlyArray<Argument>
  ): Effect.Effect<unknown, StoreUnavailable> {
    return Effect.mapError(this.redis.run(script, keys, args), (cause) => new StoreUnavailable({ cause }))
  }

  runAll(calls: ReadonlyArray<Call>): Effect.Effect<void, StoreUnavailable> {
    return Effect.asVoid(Effect.mapError(this.redis.runAll(calls), (cause) => new StoreUnavailable({ cause })))
  }
}
