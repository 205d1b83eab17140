/** Members of a cluster, and what they have received. */
import { makeAll } from "./connections.js"
import type { ClusterPeer, Member } from "./peer.js"

export interface Heard {
  readonly message: (text: string, index: number) => void
  readonly publication: (text: string, index: number) => void
  /** A connection that this end did not drop is gone. */
  readonly lost: (why: Error, index: number) => void
}

/** Joins `count` members, `portOf` says where; what they receive is heard with their index. */
export const joinAll = (
  { join }: ClusterPeer,
  count: number,
  portOf: (index: number) => number,
  heard: Heard
): Promise<ReadonlyArray<Member>> =>
  makeAll(count, (index) =>
    join(portOf(index), {
      message: (text) => heard.message(text, index),
      publication: (text) => heard.publication(text, index),
      lost: (why) => heard.lost(why, index)
    })
  )

/** Lets others wait until something is so, without looking at it all the time: `check` looks. */
export class Condition {
  private waiting: (() => void) | undefined

  constructor(private readonly isSo: () => boolean) {}

  readonly check = (): void => {
    if (this.waiting !== undefined && this.isSo()) this.waiting()
  }

  /** One at a time. */
  wait(): Promise<void> {
    return new Promise((resume) => {
      this.waiting = () => {
        this.waiting = undefined
        resume()
      }
      this.check()
    })
  }
}
