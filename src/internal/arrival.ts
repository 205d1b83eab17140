/**
 * An upgrade that has arrived. What serves a connection refers to this for the
 * connection's whole life, and to the request only until it is forgotten: its
 * headers are the largest thing that ten thousand idle connections would keep.
 */
import * as Effect from "effect/Effect"
import { ConnectionLost } from "../ConnectionError.js"
import type { Incoming } from "../Listener.js"

const forgotten: Incoming = {
  request: { url: "", headers: {}, remoteAddress: "", address: "", protocols: [] },
  accept: () => Effect.fail(new ConnectionLost({})),
  refuse: () => Effect.void
}

export class Arrival {
  constructor(public incoming: Incoming) {}

  forget(): void {
    this.incoming = forgotten
  }
}
