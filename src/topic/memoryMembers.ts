/** The members of topics, in the memory broker: as many as sessions hold memberships, and no more. */
import type { Member } from "../protocol/Protocol.js"
import { type Due, DueBuckets } from "./dueBuckets.js"

/** A member, as this generation of its session has said; `dueAt` is until when, if its gateway has gone. */
interface Membership extends Due<Membership> {
  readonly topic: string
  readonly presence: string
  member: Member
  generation: number
  /** The member as JSON, to be compared. */
  text: string
}

export class MemoryMembers {
  private readonly topics = new Map<string, Map<string, Membership>>()
  /** The topics of each member. */
  private readonly sessions = new Map<string, Set<string>>()
  private readonly leaving = new DueBuckets<Membership>()

  constructor(
    private readonly now: () => number,
    private readonly tell: (presence: string, _tag: "Joined" | "Changed" | "Left", member: Member) => void
  ) {}

  join(topic: string, presence: string, member: Member, generation: number): void {
    const members = this.topics.get(topic) ?? new Map<string, Membership>()
    const known = members.get(member.session)
    const text = JSON.stringify(member)
    if (known !== undefined) {
      this.leaving.remove(known)
      if (generation >= known.generation) this.change(known, member, text, generation)
      return
    }
    this.topics.set(
      topic,
      members.set(member.session, {
        topic,
        presence,
        member,
        generation,
        text,
        dueAt: undefined,
        dueBefore: undefined,
        dueAfter: undefined
      })
    )
    const joined = this.sessions.get(member.session) ?? new Set<string>()
    this.sessions.set(member.session, joined.add(topic))
    this.tell(presence, "Joined", member)
  }

  private change(known: Membership, member: Member, text: string, generation: number): void {
    known.generation = generation
    if (text === known.text) return
    known.member = member
    known.text = text
    this.tell(known.presence, "Changed", member)
  }

  leave(session: string, topics: Iterable<string>, after: number): void {
    for (const topic of [...topics]) {
      const membership = this.topics.get(topic)?.get(session)
      if (membership === undefined) continue
      if (after > 0) this.leaving.set(membership, this.now() + after)
      else this.remove(membership)
    }
  }

  private remove(membership: Membership): void {
    const { member, presence, topic } = membership
    const members = this.topics.get(topic)
    if (members?.get(member.session) !== membership) return
    this.leaving.remove(membership)
    members.delete(member.session)
    if (members.size === 0) this.topics.delete(topic)
    const joined = this.sessions.get(member.session)
    joined?.delete(topic)
    if (joined?.size === 0) this.sessions.delete(member.session)
    this.tell(presence, "Left", member)
  }

  topicsOf(session: string): Iterable<string> {
    return this.sessions.get(session) ?? []
  }

  of(topic: string): ReadonlyArray<Member> {
    return Array.from(this.topics.get(topic)?.values() ?? [], ({ member }) => member)
  }

  /** Ends the memberships that are over, one by one. */
  *expire(now: number): Generator<void> {
    for (const membership of this.leaving.take(now)) {
      this.remove(membership)
      yield
    }
  }
}
