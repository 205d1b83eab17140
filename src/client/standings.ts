/** The standing of the session with topics, beside what this client is subscribed to by its own wish. */

/**
 * - `Inherited`: an earlier client was subscribed, and this one may yet ask for it.
 * - `Leaving`: unsubscribed, as far as this end is concerned, by the request that says so.
 * - `Invited`: subscribed by the server's wish, which it repeats on each connection of the session.
 */
type Standing =
  | { readonly _tag: "Inherited" }
  | { readonly _tag: "Leaving"; readonly id: number }
  | { readonly _tag: "Invited" }

export class Standings {
  private readonly byTopic = new Map<string, Standing>()

  constructor(subscribedBefore: ReadonlyArray<string>) {
    for (const topic of subscribedBefore) this.byTopic.set(topic, { _tag: "Inherited" })
  }

  /** Of the subscriptions and these, the topics that the session may be subscribed to by this end's wish. */
  wished(subscriptions: Iterable<string>): ReadonlyArray<string> {
    const own = [...subscriptions].filter((topic) => this.byTopic.get(topic)?._tag !== "Invited")
    return [...new Set([...own, ...this.toLeave])]
  }

  /** The topics that the session may be subscribed to, and that nobody wants any more, or nobody yet. */
  get toLeave(): ReadonlyArray<string> {
    return [...this.byTopic].flatMap(([topic, { _tag }]) => (_tag === "Invited" ? [] : [topic]))
  }

  /** The topics that the server has invited this client to. */
  get invited(): ReadonlyArray<string> {
    return [...this.byTopic].flatMap(([topic, { _tag }]) => (_tag === "Invited" ? [topic] : []))
  }

  isToLeave(topic: string): boolean {
    const standing = this.byTopic.get(topic)
    return standing !== undefined && standing._tag !== "Invited"
  }

  isLeaving(topic: string, id: number): boolean {
    const standing = this.byTopic.get(topic)
    return standing?._tag === "Leaving" && standing.id === id
  }

  isInherited(topic: string): boolean {
    return this.byTopic.get(topic)?._tag === "Inherited"
  }

  /** The topic that this request leaves. */
  leaving(id: number): string | undefined {
    for (const [topic, standing] of this.byTopic) {
      if (standing._tag === "Leaving" && standing.id === id) return topic
    }
    return undefined
  }

  // ---- transitions

  /** This client subscribes; true where an earlier one was. */
  takeUp(topic: string): boolean {
    return this.isInherited(topic) && this.byTopic.delete(topic)
  }

  leave(topic: string, id: number): void {
    this.byTopic.set(topic, { _tag: "Leaving", id })
  }

  left(topic: string): void {
    this.byTopic.delete(topic)
  }

  invite(topic: string): void {
    this.byTopic.set(topic, { _tag: "Invited" })
  }

  disinvite(topic: string): void {
    if (this.byTopic.get(topic)?._tag === "Invited") this.byTopic.delete(topic)
  }

  /** A new session is subscribed to nothing. */
  clear(): void {
    this.byTopic.clear()
  }
}
