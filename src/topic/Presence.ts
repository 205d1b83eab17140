/**
 * Who is on a topic: its members, what changes of them, and how many people they are.
 *
 * @since 0.1.0
 */
import * as Stream from "effect/Stream"
import type { Member as Told } from "../protocol/Protocol.js"
import * as publicationCodec from "../protocol/publicationCodec.js"
import type { Ref } from "./Topic.js"

/**
 * A session that is subscribed to a topic, by its id and that of its principal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<D = never> {
  readonly session: string
  readonly principal: string
  /**
   * Since when it has had no connection, in milliseconds since the epoch as its gateway's clock has them; absent while it has one. One
   * whose gateway has stopped or died is told as it was until another gateway has it, or it has left.
   */
  readonly away?: number
  /** What it says of itself; absent where that is nothing, or does not fit the topic's Schema. */
  readonly data?: D
}

/**
 * The members of a topic as they were found, and what changes after that: who joins and leaves, goes away and comes back, or says
 * something else of itself.
 *
 * @since 0.1.0
 * @category models
 */
export type PresenceEvent<D = never> =
  | { readonly _tag: "Members"; readonly members: ReadonlyArray<Member<D>> }
  | { readonly _tag: "Joined"; readonly member: Member<D> }
  | { readonly _tag: "Changed"; readonly member: Member<D> }
  | { readonly _tag: "Left"; readonly member: Member<D> }

/**
 * The sessions of one principal on a topic.
 *
 * @since 0.1.0
 * @category models
 */
export interface Person<D = never> {
  readonly principal: string
  readonly members: ReadonlyArray<Member<D>>
  /** Since when none of them has had a connection, in milliseconds since the epoch; absent while one has. */
  readonly away?: number
}

/**
 * All who are there, after each event of a client's `presence`:
 *
 * ```ts
 * const people = Presence.roster(client.presence(room)).pipe(Stream.map(Presence.byPrincipal))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const roster = <D, E, R>(
  events: Stream.Stream<PresenceEvent<D>, E, R>
): Stream.Stream<ReadonlyArray<Member<D>>, E, R> =>
  Stream.mapAccum(events, new Map<string, Member<D>>(), (before, event) => {
    const there = after(before, event)
    return [there, [...there.values()]]
  })

const after = <D>(before: ReadonlyMap<string, Member<D>>, event: PresenceEvent<D>): Map<string, Member<D>> => {
  if (event._tag === "Members") return new Map(event.members.map((member) => [member.session, member]))
  const there = new Map(before)
  if (event._tag === "Left") there.delete(event.member.session)
  else there.set(event.member.session, event.member)
  return there
}

/**
 * Members by their principal: one who has three tabs open is one person. In the order of their first members.
 *
 * @since 0.1.0
 * @category combinators
 */
export const byPrincipal = <D>(members: Iterable<Member<D>>): ReadonlyArray<Person<D>> => {
  const people = new Map<string, Array<Member<D>>>()
  for (const member of members) {
    const own = people.get(member.principal) ?? []
    own.push(member)
    people.set(member.principal, own)
  }
  return Array.from(people, ([principal, members]) => {
    const away = Math.max(...members.map(({ away = Number.POSITIVE_INFINITY }) => away))
    return { principal, members, ...(Number.isFinite(away) ? { away } : {}) }
  })
}

/**
 * Reads what is told of members, by the topic's Schema.
 *
 * @internal
 */
export const reader = <A, D>({ presence }: Pick<Ref<A, D>, "presence">): ((told: Told) => Member<D>) => {
  const decode = presence === undefined ? undefined : publicationCodec.decoder(presence)
  return ({ data: said, ...member }) => {
    const data = said === undefined ? undefined : decode?.(said)
    return data?._tag === "Right" ? { ...member, data: data.right } : member
  }
}
