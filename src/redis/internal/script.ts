/** Scripts that run on the server: each is one atomic step of one hash slot. */
import { createHash } from "node:crypto"

export interface Script {
  readonly lua: string
  readonly sha: string
  /** True when replies are read as bytes. */
  readonly isBinary: boolean
}

export const script = (lua: string, options?: { readonly isBinary?: boolean }): Script => ({
  lua,
  sha: createHash("sha1").update(lua).digest("hex"),
  isBinary: options?.isBinary ?? false
})

/** Says something on the channel that is the key. */
export const say = script("return redis.call('SPUBLISH', KEYS[1], ARGV[1])")

/** An argument of a script. Numbers are written as integers. */
export type Argument = string | number | Buffer

/** A script with what it is given. */
export interface Call {
  readonly script: Script
  readonly keys: ReadonlyArray<string>
  readonly args: ReadonlyArray<Argument>
}
