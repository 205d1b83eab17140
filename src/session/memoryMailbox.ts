/** The mailbox of a session, in memory: what other gateways left for it. */
import { byteLength, type Payload } from "../protocol/Codec.js"
import type { Mail } from "./sessionStoreService.js"

/** The number of keys that are remembered. */
const mostKeys = 1024

export class Mailbox {
  private kept: Array<Mail> = []
  private bytes = 0
  private posted = 0
  /** Of what was posted last, the oldest first. */
  private readonly keys = new Set<string>()

  post(
    {
      key,
      payload,
      isOrder = false
    }: { readonly key: string; readonly payload: Payload; readonly isOrder?: boolean | undefined },
    bounds: { readonly messages: number; readonly bytes: number }
  ): "Posted" | "Full" {
    if (this.keys.has(key)) return "Posted"
    const size = byteLength(payload)
    const fits = this.kept.length < bounds.messages && this.bytes + size <= bounds.bytes
    if (this.kept.length > 0 && !fits) return "Full"
    this.remember(key)
    this.bytes += size
    this.kept.push({ number: ++this.posted, payload, isOrder })
    return "Posted"
  }

  private remember(key: string): void {
    this.keys.add(key)
    if (this.keys.size <= mostKeys) return
    for (const oldest of this.keys) {
      this.keys.delete(oldest)
      return
    }
  }

  /** Forgets the mail up to this number. */
  take(upTo: number): void {
    // Numbers follow each other without a gap.
    const taken = this.kept.splice(0, upTo - (this.kept[0]?.number ?? 0) + 1)
    for (const { payload } of taken) this.bytes -= byteLength(payload)
  }

  /** The mail after this number, in order. */
  after(number: number): Array<Mail> {
    return this.kept.filter((mail) => mail.number > number)
  }
}
