/** What the page's client dials with: in one place, so that another is put here. */
import { Layer } from "effect"
import type { Dialer } from "holdfast"
import { BrowserDialer } from "holdfast/browser"
import type { Model } from "./model.js"
import * as Wire from "./wire.js"

export const dialer = (model: Model): Layer.Layer<Dialer.Dialer> =>
  Wire.layer({
    pinged: (id) => model.pinged(id),
    ponged: (id) => model.ponged(id),
    heard: () => model.heard()
  }).pipe(Layer.provide(BrowserDialer.layer))
