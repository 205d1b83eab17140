/** A doubly linked list: any of its members is taken out, or moved to the end, at the same small cost. */
export interface Linked<A> {
  previous: A | undefined
  next: A | undefined
}

/** Of members that are in one list at most. */
export class LinkedList<A extends Linked<A>> {
  first: A | undefined
  private last: A | undefined

  has(member: A): boolean {
    return member.previous !== undefined || this.first === member
  }

  push(member: A): void {
    member.previous = this.last
    if (this.last === undefined) this.first = member
    else this.last.next = member
    this.last = member
  }

  /** Of a member of this list. */
  remove(member: A): void {
    const { next, previous } = member
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    member.previous = undefined
    member.next = undefined
  }
}
