/** What the page's client needs of the page: its WebSocket, watched; its events; its storage, in which it keeps the session. */
import { Layer } from "effect"
import type { Dialer } from "holdfast"
import { BrowserClient } from "holdfast/browser"
import type { Model } from "./model.js"
import type { Settings } from "./settings.js"
import * as Wire from "./wire.js"

export const dialer = (model: Model, { name }: Pick<Settings, "name">): Layer.Layer<Dialer.Dialer> => {
  const watched = Wire.layer({
    pinged: (id) => model.pinged(id),
    ponged: (id) => model.ponged(id),
    heard: () => model.heard()
  })
  // Somebody else in the same tab has another session.
  return watched.pipe(Layer.provideMerge(BrowserClient.layer({ keepSession: { key: `holdfast/${name}` } })))
}
