/**
 * Stands for a body that is no application's business: it came in a message that is in order, and is refused by itself.
 * `code` is what a publication of it is refused with.
 */
export class RefusedBody {
  constructor(
    readonly code: "invalid-publication" | "too-large",
    readonly issue: string
  ) {}
}
