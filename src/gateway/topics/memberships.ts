/** What a session is subscribed to on its gateway, by its client's wish or by the server's. */
import type * as Protocol from "../../protocol/Protocol.js"
import type { Invitation } from "../../session/SessionStore.js"
import type { Principal } from "../GatewaySession.js"
import type { ActiveSubscription } from "./activeSubscription.js"
import type { Known } from "./topicRegistry.js"

/** A subscription, whether a connection brings its publications now or not. */
export interface Membership<P extends Principal, R> {
  readonly known: Known<P, R>
  /** The server's own wish, from here: nobody is asked whether it may. */
  invited: { readonly since: Protocol.Position | "oldest" } | undefined
  active: ActiveSubscription | undefined
}

export class Memberships<P extends Principal, R> {
  private readonly byTopic = new Map<string, Membership<P, R>>()

  constructor(private readonly most: number) {}

  get(topic: string): Membership<P, R> | undefined {
    return this.byTopic.get(topic)
  }

  /** The one that there is, or a new one. */
  of(known: Known<P, R>): Membership<P, R> {
    const membership = this.byTopic.get(known.name) ?? { known, invited: undefined, active: undefined }
    this.byTopic.set(known.name, membership)
    return membership
  }

  /** True when it can be subscribed to this topic, too. */
  hasRoomFor(topic: string): boolean {
    return this.byTopic.has(topic) || this.byTopic.size < this.most
  }

  delete(topic: string): void {
    this.byTopic.delete(topic)
  }

  clear(): void {
    this.byTopic.clear()
  }

  get all(): Iterable<Membership<P, R>> {
    return this.byTopic.values()
  }

  get names(): ReadonlyArray<string> {
    return [...this.byTopic.keys()]
  }

  get invitations(): ReadonlyArray<Invitation> {
    return [...this.byTopic].flatMap(([topic, { invited }]) =>
      invited === undefined ? [] : [{ topic, since: invited.since }]
    )
  }
}

/** Brings no more publications. */
export const deactivate = <P extends Principal, R>(membership: Membership<P, R>): void => {
  membership.active?.end()
  membership.active = undefined
}
