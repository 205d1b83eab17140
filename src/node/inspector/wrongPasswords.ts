/** Refuses whoever guesses the inspector's password for a while, before anything is compared. */
import * as Effect from "effect/Effect"
import { monotonic } from "../../connection/clocks.js"
import { networkOf } from "../../gateway/quota/connectionQuota.js"

/** Wrong passwords of one address within a minute, after which it gets 429. */
const most = 5
const minute = 60_000

/** Addresses that are remembered; of more, the one that has guessed the longest ago is forgotten. */
const mostAddresses = 10_000

export class WrongPasswords {
  /** When the last of them came, by address; the address that guessed last is the last one. */
  private readonly byAddress = new Map<string, ReadonlyArray<number>>()
  private toldAt: number | undefined
  /** Addresses that were refused since, and not told of. */
  private untold = 0

  /** Milliseconds for which this address is refused; 0 when it is not. */
  refusedFor(address: string): Effect.Effect<number> {
    return Effect.clockWith((clock) => {
      const times = this.byAddress.get(networkOf(address))
      const [first] = times ?? []
      if (times === undefined || first === undefined || times.length < most) return Effect.succeed(0)
      return Effect.succeed(Math.max(0, first + minute - monotonic(clock)))
    })
  }

  /** This address has guessed wrong. */
  add(address: string): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const now = monotonic(clock)
      const network = networkOf(address)
      const times = [...(this.byAddress.get(network) ?? []).slice(1 - most), now]
      this.byAddress.delete(network)
      this.byAddress.set(network, times)
      if (this.byAddress.size > mostAddresses) this.forgetFirst()
      const [first = now] = times
      return times.length === most && now - first < minute ? this.tell(address, now) : Effect.void
    })
  }

  private forgetFirst(): void {
    for (const network of this.byAddress.keys()) {
      this.byAddress.delete(network)
      return
    }
  }

  /** At most once a minute, with how many it stands for. */
  private tell(address: string, now: number): Effect.Effect<void> {
    if (this.toldAt !== undefined && now - this.toldAt < minute) {
      this.untold++
      return Effect.void
    }
    const others = this.untold === 0 ? "" : `; and ${this.untold} more times since it was last said`
    this.toldAt = now
    this.untold = 0
    const who = address === "" ? "somebody" : address
    return Effect.logWarning(`holdfast: ${most} wrong passwords for the inspector within a minute from ${who}${others}`)
  }
}
