import { describeWith } from "../gate/describeWith.js"
import { chromium, firefox } from "../gate/needed.js"

/** `describe`, for tests that start a Chromium of their own. */
export const describeWithChromium = describeWith(chromium)

/** `describe`, for tests that start a Firefox. */
export const describeWithFirefox = describeWith(firefox)
