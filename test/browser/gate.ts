import { describeWith } from "../gate/describeWith.js"
import { chromium } from "../gate/needed.js"

/** `describe`, for tests that start a Chromium of their own. */
export const describeWithChromium = describeWith(chromium)
